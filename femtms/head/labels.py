"""A segmented head: one tissue number per voxel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from femtms.arrays import frozen, sealed
from femtms.errors import FemtmsError
from femtms.tissue import name_of


@dataclass(frozen=True, eq=False, repr=False)
class LabelVolume:
    """A label volume; 0 is air.

    data       (nx,ny,nz) uint8 or int32 tissue numbers
    affine     (4,4) voxel indices -> head coordinates in mm (right, anterior, superior)
    name       for messages and reports
    landmarks  name -> (3,) mm, electrode positions and the like, where they are known

    Raises FemtmsError when the volume is not three-dimensional, a label is negative or fractional, or the affine is
    not an invertible 4×4 matrix.
    """

    data: np.ndarray
    affine: np.ndarray
    name: str = "labels"
    landmarks: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", frozen(_as_labels(np.asarray(self.data), self.name)))
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
            raise FemtmsError(f"{self.name}: the affine must be an invertible 4×4 matrix; got {affine.tolist()}")
        object.__setattr__(self, "affine", frozen(affine))
        object.__setattr__(self, "landmarks", dict(self.landmarks))

    @property
    def voxel_mm(self) -> np.ndarray:
        """Voxel edge lengths (3,) in mm."""
        lengths: np.ndarray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(1e-3 * abs(np.linalg.det(self.affine[:3, :3])))

    @cached_property
    def tissues(self) -> np.ndarray:
        """Sorted tissue numbers that occur, without air."""
        present = np.unique(self.data)
        return sealed(present[present > 0])

    def __repr__(self) -> str:
        nx, ny, nz = self.data.shape
        dx, dy, dz = self.voxel_mm
        names = ", ".join(name_of(t) for t in self.tissues)
        return f"LabelVolume({self.name}: {nx}×{ny}×{nz} voxels of {dx:.3g}×{dy:.3g}×{dz:.3g} mm; {names})"


def _as_labels(data: np.ndarray, name: str) -> np.ndarray:
    """The same labels as integers; refuses what cannot be labels."""
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise FemtmsError(f"{name}: a label volume must have three dimensions; got shape {data.shape}")
    if min(data.shape) < 2:
        raise FemtmsError(f"{name}: a label volume must have at least two voxels along each axis; got {data.shape}")
    if data.dtype.kind == "f":
        if not np.isfinite(data).all():
            bad = int((~np.isfinite(data)).sum())
            raise FemtmsError(f"{name}: labels must be whole numbers; {bad:,} voxels are NaN or infinite")
        if (data != np.rint(data)).any():
            where = np.argwhere(data != np.rint(data))[0]
            raise FemtmsError(
                f"{name}: labels must be whole numbers; voxel {tuple(int(i) for i in where)} is "
                f"{data[tuple(where)]:g} (is this an image rather than a segmentation?)"
            )
    elif data.dtype.kind not in "iub":
        raise FemtmsError(f"{name}: labels must be whole numbers; got data of type {data.dtype}")
    if data.min() < 0:
        raise FemtmsError(f"{name}: labels must be ≥ 0 (0 is air); got {data.min():g}")
    if data.max() > 65_535:
        raise FemtmsError(f"{name}: labels must be below 65,536; got {data.max():g}")
    return np.ascontiguousarray(data, dtype=np.uint8 if data.max() < 256 else np.int32)
