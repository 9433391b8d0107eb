"""A segmented head: one tissue number per voxel."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np

from femtms.arrays import frozen, sealed, spatial_first, transformed
from femtms.errors import FemtmsError
from femtms.head.label_map import MAX_LABEL, PRESETS, LabelMap
from femtms.tissue import MAX_TAG, Tissue, name_of

log = logging.getLogger("femtms")

MOST_TISSUES = 60
_BRAIN = {Tissue.WM, Tissue.GM, Tissue.CSF}
_WHOLE = 1e-3  # what resampling and scaling leave of whole numbers
_SHOWN = 5  # labels in a message


@dataclass(frozen=True, eq=False, repr=False)
class LabelVolume:
    """A label volume; 0 is air.

    data       (nx,ny,nz) uint8 or int32 tissue numbers, or labels of another kind that `mapped` makes tissues of
    affine     (4,4) voxel indices -> head coordinates in mm (right, anterior, superior)
    name       for messages and reports
    landmarks  name -> (3,) mm, electrode positions and the like, where they are known
    notes      what was done to the labels, one sentence each

    Raises FemtmsError when the volume is not three-dimensional, a label is negative, fractional or above MAX_LABEL, or
    the affine is not an invertible 4×4 matrix.
    """

    data: np.ndarray
    affine: np.ndarray
    name: str = "labels"
    landmarks: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", frozen(_as_labels(np.asarray(self.data), self.name)))
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
            raise FemtmsError(f"{self.name}: the affine must be an invertible 4×4 matrix; got {affine.tolist()}")
        object.__setattr__(self, "affine", frozen(affine))
        object.__setattr__(self, "landmarks", dict(self.landmarks))

    @property
    def landmarks_mm(self) -> dict[str, np.ndarray]:
        """Name -> (3,) in mm, as `place` takes places: the same as landmarks."""
        return dict(self.landmarks)

    @property
    def affine_mm(self) -> np.ndarray:
        """The same as affine."""
        return self.affine

    @property
    def voxel_mm(self) -> np.ndarray:
        """Voxel edge lengths (3,) in mm."""
        lengths: np.ndarray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(1e-3 * abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def box_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners (3,), (3,) in mm of the box around all that is not air."""
        ends = []
        for axis in range(3):
            occupied = np.flatnonzero((self.data > 0).any(axis=tuple({0, 1, 2} - {axis})))
            ends.append((occupied[0] - 0.5, occupied[-1] + 0.5))
        corners = transformed(np.array(list(product(*ends))), self.affine)
        return corners.min(axis=0), corners.max(axis=0)

    @cached_property
    def tissues(self) -> np.ndarray:
        """Sorted tissue numbers that occur, without air."""
        present = np.unique(self.data)
        return sealed(present[present > 0])

    def mapped(self, label_map: LabelMap) -> "LabelVolume":
        """The same volume with tissue numbers in place of its labels; what is worth knowing is logged and noted.

        Raises FemtmsError when the volume has a label that the map does not name.
        """
        table = label_map.tissue_numbers(int(self.data.max()))
        data = table[self.data]
        unknown = data < 0
        notes = self.notes
        if unknown.any():
            labels, voxels = np.unique(self.data[unknown], return_counts=True)
            volumes = self._volumes(labels, voxels)
            if label_map.rest is None:
                raise FemtmsError(
                    f"{self.name}: the map '{label_map.name}' must name every label of the volume; it does not name "
                    f"{volumes}: give a CSV map with rows for them, or with a row *,TISSUE for the rest"
                )
            data[unknown] = label_map.rest
            rest = name_of(label_map.rest) if label_map.rest else "air"
            notes += (f"the map '{label_map.name}' makes {rest} of the rest: {volumes}",)
        result = replace(self, data=data, notes=notes)
        if len(result.tissues) and _BRAIN.issuperset(result.tissues.tolist()):
            names = ", ".join(name_of(t) for t in result.tissues)
            result = replace(result, notes=notes + (f"there is no skull or scalp, only {names}: a brain in air",))
        for note in result.notes[len(self.notes) :]:
            log.warning("%s: %s", self.name, note)
        return result

    def _volumes(self, labels: np.ndarray, voxels: np.ndarray) -> str:
        """The first labels with their voxel counts and mL, and how many more there are."""
        shown = ", ".join(
            f"{label} ({n:,} voxel{'s' if n > 1 else ''}, {n * self.voxel_ml:.3g} mL)"
            for label, n in zip(labels[:_SHOWN], voxels)
        )
        more = f" and {len(labels) - _SHOWN:,} more" if len(labels) > _SHOWN else ""
        return f"label{'s' if len(labels) > 1 else ''} {shown}{more}"

    def __repr__(self) -> str:
        nx, ny, nz = self.data.shape
        dx, dy, dz = self.voxel_mm
        names = ", ".join(name_of(t) for t in self.tissues)
        return f"LabelVolume({self.name}: {nx}×{ny}×{nz} voxels of {dx:.3g}×{dy:.3g}×{dz:.3g} mm; {names})"


def check_tissues(labels: LabelVolume) -> None:
    """Raise FemtmsError when the labels cannot be tissue numbers: too many of them, or too large."""
    if len(labels.tissues) > MOST_TISSUES:
        raise FemtmsError(
            f"{labels.name}: a head must have at most {MOST_TISSUES} tissues; this volume has {len(labels.tissues):,} "
            f"labels, presumably a parcellation: say which tissue each one is by --labels (labels=), "
            f"a CSV file or one of {', '.join(PRESETS)}"
        )
    if len(labels.tissues) and labels.tissues[-1] > MAX_TAG:
        raise FemtmsError(
            f"{labels.name}: tissue numbers must be below {MAX_TAG + 1:,}; got {labels.tissues[-1]:,} (--labels or "
            f"labels= says which tissue a label is)"
        )


def check_shape(shape: Sequence[int], name: str) -> None:
    """Raise FemtmsError when this is not the shape of one volume; axes of length 1 before and after do not count."""
    shape = spatial_first(shape)
    further = [int(n) for n in shape[3:] if n != 1]
    if further:
        raise FemtmsError(
            f"{name}: a label volume must have three dimensions; got shape {tuple(shape)}: "
            f"{'×'.join(map(str, further))} volumes in one file (probability maps, colours or a time series?)"
        )
    if len(shape) < 3:
        raise FemtmsError(f"{name}: a label volume must have three dimensions; got shape {tuple(shape)}")
    if min(shape[:3]) < 2:
        raise FemtmsError(f"{name}: a label volume must have at least two voxels along each axis; got {tuple(shape)}")


def _as_labels(data: np.ndarray, name: str) -> np.ndarray:
    """The same labels as integers; refuses what cannot be labels."""
    check_shape(data.shape, name)
    data = data.reshape(spatial_first(data.shape)[:3])
    if data.dtype.kind == "f":
        if not np.isfinite(data).all():
            bad = int((~np.isfinite(data)).sum())
            raise FemtmsError(f"{name}: labels must be whole numbers; {bad:,} voxels are NaN or infinite")
        whole = np.rint(data)
        is_between = np.abs(data - whole) > _WHOLE
        if is_between.any():
            where = np.argwhere(is_between)[0]
            raise FemtmsError(
                f"{name}: labels must be whole numbers; voxel {tuple(int(i) for i in where)} is "
                f"{np.format_float_positional(data[tuple(where)], trim='-')} "
                f"(is this an image rather than a segmentation?)"
            )
        data = whole + 0.0  # no -0
    elif data.dtype.kind not in "iub":
        raise FemtmsError(f"{name}: labels must be whole numbers; got data of type {data.dtype}")
    if data.min() < 0:
        raise FemtmsError(f"{name}: labels must be ≥ 0 (0 is air); got {data.min():g}")
    if data.max() > MAX_LABEL:
        raise FemtmsError(f"{name}: labels must be at most {MAX_LABEL:,}; got {data.max():g}")
    return np.ascontiguousarray(data, dtype=np.uint8 if data.max() < 256 else np.int32)
