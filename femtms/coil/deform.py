"""How parts of a coil move: translations and rotations, each by an amount within a range."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from femtms.arrays import sealed
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Range:
    """How far a movement goes: m for translations, degrees for rotations.

    initial  where the part is unless somebody says otherwise; within low..high

    Raises FemtmsError unless low ≤ initial ≤ high, all finite.
    """

    initial: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low <= self.initial <= self.high < np.inf:
            raise FemtmsError(
                f"a deformation range must have finite low ≤ initial ≤ high; "
                f"got {self.low}, {self.initial}, {self.high}"
            )

    def checked(self, value: float, unit: str = "m or degrees") -> float:
        """The value; raises FemtmsError, with the unit, when it is outside the range."""
        if not self.low <= value <= self.high:  # false for NaN, too
            raise FemtmsError(f"must be within {self.low:g} to {self.high:g}{unit and f' {unit}'}; got {value}")
        return float(value)


@dataclass(frozen=True)
class Deformation(ABC):
    """A rigid movement in the frame of the coil; `range` says which of the model's ranges bounds it, from 0."""

    unit: ClassVar[str]  # of the amount
    range: int

    @abstractmethod
    def pose(self, value: float) -> Pose:
        """The movement by an amount."""


@dataclass(frozen=True)
class Translation(Deformation):
    """Along an axis of the coil: "x", "y" or "z"; values are in m."""

    unit = "m"
    axis: str

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise FemtmsError(f"a translation must be along {', '.join(AXES)}; got '{self.axis}'")

    def pose(self, value: float) -> Pose:
        """The shift by `value` m."""
        matrix = np.eye(4)
        matrix[AXES.index(self.axis), 3] = 1e3 * value  # poses are in mm
        return Pose(matrix)


@dataclass(frozen=True, eq=False)
class Rotation(Deformation):
    """About the line from `start` to `end`, (3,) m each, right-handed; values are in degrees."""

    unit = "degrees"
    start: np.ndarray
    end: np.ndarray

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            point = np.array(getattr(self, name), dtype=np.float64)
            if point.shape != (3,) or not np.isfinite(point).all():
                raise FemtmsError(f"{name} of a rotation's axis must be three finite numbers; got {point.tolist()}")
            object.__setattr__(self, name, sealed(point))
        if np.linalg.norm(self.end - self.start) < 1e-9:
            raise FemtmsError("the two points of a rotation's axis must differ; they are the same")

    def pose(self, value: float) -> Pose:
        """The turn by `value` degrees: x -> start + R (x - start), R = 1 + sin u× + (1 - cos) u×u×  (Rodrigues)."""
        u = (self.end - self.start) / np.linalg.norm(self.end - self.start)
        cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
        angle = np.radians(value)
        matrix = np.eye(4)
        matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        matrix[:3, 3] = 1e3 * (self.start - matrix[:3, :3] @ self.start)  # poses are in mm
        return Pose(matrix)
