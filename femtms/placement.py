"""The coils of a job: which, where, and how each is driven."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femtms.coil.array import Didt, driven_at, superposed
from femtms.coil.clearance import check_gap, clearance, has_extent, raised
from femtms.coil.coil import Coil
from femtms.coil.place import check_clear, check_place, place
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.io.coils import load_coil
from femtms.io.poses import read_pose
from femtms.mesh.tetmesh import TetMesh

Place = str | Sequence[float]


@dataclass(frozen=True, eq=False)
class Placement:
    """One coil and where it is wanted: at, towards and gap_mm as `place` has them, or a matrix file.

    name  as it was asked for, for `load_coil`; didt A/s, one for each stimulator or one for all
    """

    name: str | Path
    at: Place | None
    towards: Place | None
    gap_mm: float
    matrix: str | Path | None
    didt: Didt

    def __post_init__(self) -> None:
        if (self.matrix is None) == (self.at is None) or (self.at is None) != (self.towards is None):
            raise FemtmsError("the coil's place must be given either by 'at' and 'towards' or by a matrix")
        check_gap(self.gap_mm)

    def loaded(self, outside: str = "error") -> "LoadedCoil":
        """With the coil, and the pose where a file has it.  Raises FemtmsError for what is wrong with the files."""
        coil = load_coil(self.name, outside)
        driven_at(coil, self.didt)
        return LoadedCoil(self, coil, None if self.matrix is None else read_pose(self.matrix))


@dataclass(frozen=True, eq=False)
class LoadedCoil:
    """A coil that waits for its head; the pose is None where it depends on the scalp."""

    wanted: Placement
    coil: Coil
    pose: Pose | None

    def check_places(self, landmarks: Any) -> None:
        """Raise FemtmsError for a place that the head does not have."""
        for place_name, option in ((self.wanted.at, "at"), (self.wanted.towards, "towards")):
            if place_name is not None:
                check_place(place_name, landmarks, option)

    def placed(self, mesh: TetMesh, allow_intersection: bool, lift: bool) -> "PlacedCoil":
        """On the head; lifted, the coil's nearest point and not its origin has the distance that is wanted.

        Raises FemtmsError for a coil in the head or whose casing cuts the scalp.
        """
        pose, wanted = self.pose, self.wanted
        if pose is None:
            assert wanted.at is not None and wanted.towards is not None
            pose = place(mesh, wanted.at, wanted.towards, wanted.gap_mm)
            pose = raised(mesh, self.coil, pose, wanted.gap_mm) if lift else pose
        check_clear(mesh, self.coil, pose, allow_intersection)
        distance_mm = clearance(mesh, self.coil, pose).mm if has_extent(self.coil) else None
        return PlacedCoil(wanted, self.coil, pose, distance_mm)


@dataclass(frozen=True, eq=False)
class PlacedCoil:
    """A coil on its head; clearance_mm to the scalp is negative for a cut, None for a coil without known extent."""

    wanted: Placement
    coil: Coil
    pose: Pose
    clearance_mm: float | None

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        wanted = self.wanted
        return {
            "coil": self.coil.name,
            "didt": listed(wanted.didt),
            "pose_mm": self.pose.matrix.tolist(),
            "clearance_mm": None if self.clearance_mm is None else round(self.clearance_mm, 3),
            "at": listed(wanted.at),
            "towards": listed(wanted.towards),
            "gap_mm": wanted.gap_mm if wanted.at is not None else None,
            "matrix": None if wanted.matrix is None else str(wanted.matrix),
        }


def together(coils: Sequence[PlacedCoil]) -> tuple[Coil, Pose, Didt]:
    """What the simulator is to solve; several coils are one in the frame of the first."""
    first = coils[0]
    if len(coils) == 1:
        return first.coil, first.pose, first.wanted.didt
    array, didt = superposed([(coil.coil, coil.pose, coil.wanted.didt) for coil in coils])
    return array.moved(first.pose.inverse), first.pose, didt


def placements(
    coil: str | Path | Sequence[str | Path],
    at: Any = None,
    towards: Any = None,
    gap_mm: Any = 4.0,
    matrix: Any = None,
    didt: Any = 1e6,
) -> list[Placement]:
    """One Placement for each coil: all values are those of one coil, or for a list of coils lists of as many.

    For a list of coils a single gap_mm or didt counts for each of them.  Raises FemtmsError for other numbers of them.
    """
    if isinstance(coil, str | Path):
        return [Placement(coil, at, towards, gap_mm, matrix, didt)]
    coils = list(coil)
    if not coils:
        raise FemtmsError("there must be at least one coil; got none")
    columns = []
    for name, value, is_shared in (
        ("at", at, at is None),
        ("towards", towards, towards is None),
        ("gap_mm", gap_mm, np.ndim(gap_mm) == 0),
        ("matrix", matrix, matrix is None),
        ("didt", didt, not isinstance(didt, list | tuple)),
    ):
        values = [value] * len(coils) if is_shared else [value] if isinstance(value, str | Path) else list(value)
        if len(values) != len(coils):
            raise FemtmsError(f"there must be one {name} for each of {len(coils)} coils; got {len(values)}")
        columns.append(values)
    return [Placement(*row) for row in zip(coils, *columns)]


def listed(value: Any) -> Any:
    """A place or a rate of change as JSON has it."""
    if value is None or isinstance(value, str):
        return value
    return float(value) if np.ndim(value) == 0 else [float(number) for number in value]
