"""The coils of a job: which, where, and how each is driven."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femtms.coil.array import Didt, driven_at, superposed
from femtms.coil.clearance import at_gap, centre_distance, check_gap, clearance, has_extent
from femtms.coil.coil import Coil
from femtms.coil.place import DEFAULT_GAP_MM, check_clear, check_place, place
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.io.coils import load_coil
from femtms.io.poses import read_pose
from femtms.mesh.tetmesh import TetMesh

log = logging.getLogger("femtms")

Place = str | Sequence[float]

_HELD_OFF_MM = 3.0  # farther than the gap is worth a note; on a round head, a flat coil's centre is not so far


@dataclass(frozen=True, eq=False)
class Placement:
    """One coil and where it is wanted: at, towards and the gap of its nearest point, see `place`, or a matrix file.

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
        """On the head, the coil's nearest point at the gap; its origin, if its casing may cut the scalp.

        lift  the nearest point in any case

        Raises FemtmsError for a coil in the head or whose casing cuts the scalp.
        """
        pose, wanted = self.pose, self.wanted
        if pose is None:
            assert wanted.at is not None and wanted.towards is not None
            pose = place(mesh, wanted.at, wanted.towards, wanted.gap_mm)
            pose = at_gap(mesh, self.coil, pose, wanted.gap_mm, allow_intersection and not lift)
            warn_if_held_off(mesh, self.coil, pose, wanted.gap_mm)
        remedy = "leave out --allow-intersection" if self.pose is None else "check its matrix"
        check_clear(mesh, self.coil, pose, allow_intersection, remedy)
        distance_mm = clearance(mesh, self.coil, pose).mm if has_extent(self.coil) else None
        return PlacedCoil(wanted, self.coil, pose, distance_mm, 1e3 * centre_distance(mesh, pose))


@dataclass(frozen=True, eq=False)
class PlacedCoil:
    """A coil on its head.

    clearance_mm  of its casing from the scalp, negative for a cut; None for a coil without known extent
    centre_mm     of its origin from the scalp
    """

    wanted: Placement
    coil: Coil
    pose: Pose
    clearance_mm: float | None
    centre_mm: float

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        wanted = self.wanted
        return {
            "coil": self.coil.name,
            "didt": listed(wanted.didt),
            "pose_mm": self.pose.matrix.tolist(),
            "clearance_mm": None if self.clearance_mm is None else round(self.clearance_mm, 3),
            "centre_mm": round(self.centre_mm, 3),
            "at": listed(wanted.at),
            "towards": listed(wanted.towards),
            "gap_mm": wanted.gap_mm if wanted.at is not None else None,
            "matrix": None if wanted.matrix is None else str(wanted.matrix),
        }


def warn_if_held_off(mesh: TetMesh, coil: Coil, pose: Pose, gap_mm: float, where: str = "") -> None:
    """Say in the log that the wings or the casing of a coil keep its centre away from the scalp."""
    centre_mm = 1e3 * centre_distance(mesh, pose)
    if centre_mm > gap_mm + _HELD_OFF_MM:
        log.info(
            "coil '%s'%s: its nearest point is %g mm from the scalp, and keeps its centre %.1f mm away",
            *(coil.name, where, gap_mm, centre_mm),
        )


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
    gap_mm: Any = DEFAULT_GAP_MM,
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
