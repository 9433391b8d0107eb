"""What a study computes: the product of its dimensions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from femtms.field.recoveries import RAW
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.fiducials import with_fiducials, with_places
from femtms.io.heads import SPHERE, load_head
from femtms.mesh.sizes import DEFAULT_SIZE_MM
from femtms.mesh.tetmesh import TetMesh

DIMS = ("head", "conductivity", "option", "coil", "place", "angle", "distance")
POSITION_DIMS = DIMS[4:]

Point = str | tuple[float, float, float]  # name of an electrode, or x, y, z in mm


@dataclass(frozen=True)
class StudyHead:
    """One head of a study.

    source     built-in name or absolute path, as `load_head` takes it; radii_mm make "sphere" another one
    labels     which tissue each label is, see `read_labels`: a name, or the absolute path of a CSV file
    tissue_array, as_numbered   see `load_head`
    fiducials  where its electrodes are from, see `with_fiducials`: the absolute path of a file, or "estimate"
    places     name -> point: names that places and targets of the study may use, besides those of electrodes
    tensors    absolute path of a file of diffusion tensors, in the frame tensor_frame; used by the conductivities that
               are anisotropic
    targets    name -> point, in place of those of the study
    """

    name: str
    source: str
    radii_mm: tuple[float, ...] | None = None
    labels: str | None = None
    tensors: str | None = None
    tensor_frame: str = "fsl"
    targets: Mapping[str, Point] = field(default_factory=dict)
    tissue_array: str | None = None
    as_numbered: bool = False
    fiducials: str | None = None
    places: Mapping[str, Point] = field(default_factory=dict)

    def loaded(self) -> LabelVolume | LayeredSphere | TetMesh:
        """The head itself.  Raises FemtmsError as `load_head` and `with_fiducials` do."""
        if self.source == SPHERE and self.radii_mm is not None:
            return LayeredSphere(self.radii_mm)
        head = load_head(self.source, self.labels, self.tissue_array, self.as_numbered)
        return with_places(with_fiducials(head, self.fiducials), self.places)


@dataclass(frozen=True)
class StudyConductivity:
    """σ of the tissues in S/m in place of the built-in values, {number or name: S/m}.

    anisotropy  None, or how the head's tensors are made conductivity: "vn", "dir" or "mc"; see `anisotropic`
    """

    name: str
    sigma: Mapping[int | str, float] = field(default_factory=dict)
    anisotropy: str | None = None
    max_ratio: float | None = None
    max_sigma: float | None = None


@dataclass(frozen=True)
class StudyOption:
    """How a field is computed: arguments of `mesh_head`, `Simulator` and `load_coil` under their names there."""

    name: str
    size_mm: float | Mapping[int | str, float] = DEFAULT_SIZE_MM
    order: int = 1
    recovery: str = RAW
    rtol: float = 1e-6
    didt: float | tuple[float, ...] = 1e6
    outside: str = "error"
    allow_intersection: bool = False


@dataclass(frozen=True)
class StudyCoil:
    """A coil by the name that the study gives it; source is what `load_coil` takes: name, or absolute path."""

    name: str
    source: str


@dataclass(frozen=True, eq=False)
class StudyPlace:
    """Where a coil is at angle 0.

    at, towards  as for `place`; towards None is at 45° to the sagittal plane, see `towards_the_midline`
    offset_mm    (u, v) along the scalp from `at`: u along the coil's y at angle 0, v along its x
    matrix       (4,4) in mm in place of all that: then distances do not count
    """

    name: str
    at: Point | None = None
    towards: Point | None = None
    offset_mm: tuple[float, float] = (0.0, 0.0)
    matrix: np.ndarray | None = None


@dataclass(frozen=True)
class StudyResults:
    """What is kept of each case.

    tissues   names of those with statistics; a head that lacks one has NaN there
    targets   name -> point in the brain, or electrode for the grey matter nearest to it: mean |E| in the grey matter
              within target_radius_mm
    fields    what is kept of E beside the statistics: any of "gm-nodes" (at the nodes of grey matter), "whole" (at the
              centroids of all tetrahedra), "surfaces" (at the nodes of the surfaces)
    surfaces  name -> absolute path of a surface, for "surfaces"
    """

    tissues: tuple[str, ...] = ("gm", "wm")
    targets: Mapping[str, Point] = field(default_factory=dict)
    target_radius_mm: float = 5.0
    fields: tuple[str, ...] = ()
    surfaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Design:
    """A study with everything spelt out: every combination of heads, …, distances is a case.

    places        may be a sequence that makes its places when asked, for hundreds of thousands of them
    angles        degrees about the coil's z, which points into the head: seen from outside, clockwise
    distances_mm  from the scalp to the coil's origin, see `place`
    """

    name: str
    heads: tuple[StudyHead, ...]
    conductivities: tuple[StudyConductivity, ...]
    options: tuple[StudyOption, ...]
    coils: tuple[StudyCoil, ...]
    places: Sequence[StudyPlace]
    angles: tuple[float, ...]
    distances_mm: tuple[float, ...]
    results: StudyResults

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of DIMS."""
        return (
            len(self.heads),
            len(self.conductivities),
            len(self.options),
            len(self.coils),
            len(self.places),
            len(self.angles),
            len(self.distances_mm),
        )

    @property
    def cases(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    def inputs(self) -> list[Path]:
        """Files that the results depend on, for hashes and for what is missing."""
        paths = [h.source for h in self.heads if Path(h.source).is_absolute()]
        beside = [file for h in self.heads for file in (h.tensors, h.labels, h.fiducials) if file is not None]
        paths += [file for file in beside if Path(file).is_absolute()]
        paths += [c.source for c in self.coils if Path(c.source).is_absolute()]
        paths += list(self.results.surfaces.values())
        return [Path(path) for path in dict.fromkeys(paths)]
