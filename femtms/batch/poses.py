"""From the positions of a study to poses on a head."""

import numpy as np

from femtms.coil.clearance import at_gap, check_gap
from femtms.coil.coil import Coil
from femtms.coil.place import seat_at
from femtms.coil.pose import Pose
from femtms.coil.scalp import Scalp, Seat
from femtms.mesh.tetmesh import TetMesh
from femtms.study.design import Point, StudyPlace

_MOST_SEATS = 1024  # that are kept: grids have one in common


class Poses:
    """The poses of a study's positions on one head; the scalp is made ready once.

    Where grids begin is kept, as state.
    """

    def __init__(self, mesh: TetMesh) -> None:
        self.mesh = mesh
        self.scalp = Scalp.of(mesh)
        self._seats: dict[tuple[Point, Point | None], Seat] = {}

    def seat(self, place: StudyPlace) -> Seat:
        """Where a place that is not a matrix is on the scalp, and y of the coil at angle 0.  Raises FemtmsError."""
        assert place.at is not None
        key = place.at, place.towards
        if key not in self._seats:
            if len(self._seats) == _MOST_SEATS:
                self._seats.clear()
            self._seats[key] = seat_at(self.scalp, self.mesh, place.at, place.towards)
        return self.scalp.moved(self._seats[key], place.offset_mm)

    def of(
        self, place: StudyPlace, angle: float, distance_mm: float, coil: Coil | None = None, free: bool = False
    ) -> Pose:
        """The pose of a coil at a place.

        angle        degrees about the coil's z, right-handed: seen from outside, clockwise
        distance_mm  of the coil's nearest point from the scalp, or of its origin without a coil, as for `place`; it
                     does not count for a matrix
        free         the origin in any case: the casing may cut the scalp

        Raises FemtmsError for a place that this head does not have, or where no coil can be.
        """
        if place.matrix is not None:
            return _turned(Pose(place.matrix), angle)
        check_gap(distance_mm)
        pose = self.scalp.pose(self.seat(place).turned(angle), distance_mm)
        return pose if coil is None else at_gap(self.mesh, coil, pose, distance_mm, free)


def pose_of(mesh: TetMesh, place: StudyPlace, angle: float, distance_mm: float, coil: Coil | None = None) -> Pose:
    """One pose; see `Poses.of`, which is far faster for many."""
    return Poses(mesh).of(place, angle, distance_mm, coil)


def _turned(pose: Pose, degrees: float) -> Pose:
    """The pose turned about its z."""
    if degrees == 0:
        return pose  # as it was given, to the last digit
    a = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return Pose(pose.matrix @ turn)
