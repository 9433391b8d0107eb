"""The closed paths that wires of a coil follow, and what their integrals cost: theory.md (25)-(27)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import factorial

import numpy as np

from femtms.arrays import frozen
from femtms.coil.elements import Currents
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError

_FEWEST = 12  # points on a circle, however far one looks from
MOST_POINTS = 24  # of a Gauss rule over the width or height of a wire


def gauss_bound(points: int, length: float, distance: float) -> float:
    """Error of a Gauss rule for the mean of 1/|x - s| over a straight piece, relative to the mean: theory.md (26).

    x is at least `distance` m away from the piece of `length` m.  Abramowitz & Stegun 1964, 25.4.30.
    """
    q = points
    return factorial(q) ** 4 / ((2 * q + 1) * factorial(2 * q) ** 2) * (length / distance) ** (2 * q)


class Path(ABC):
    """A closed line in space with a current around it.

    axis (3,) is the direction of the wire's height, and turns the number of amperes that go around for 1 A in the coil.
    """

    axis: np.ndarray
    turns: float

    @abstractmethod
    def shifted(self, outward: float, along_axis: float) -> "Path":
        """The parallel path at distances in m across the wire's width and along its axis."""

    @abstractmethod
    def moved(self, pose: Pose) -> "Path":
        """The same path in another frame."""

    @abstractmethod
    def carrying(self, turns: float) -> "Path":
        """The same path with so many turns."""

    @abstractmethod
    def bend(self, distance: float) -> float:
        """By how much a path that is longer outside than inside adds to the error of a Gauss rule over the width."""

    @abstractmethod
    def currents(self, distance: float, accuracy: float) -> Currents:
        """Current elements whose A is that of the path within `accuracy` times (μ0/4π) ∮ |dl|/|x - s|.

        This holds at all x at least `distance` m away from the path.
        """

    @abstractmethod
    def number(self, distance: float, accuracy: float) -> int:
        """How many elements `currents` makes, without making them."""

    @abstractmethod
    def outline(self) -> np.ndarray:
        """Points (p,3) in m along the path, the first again at the end."""

    @abstractmethod
    def patches(self, size: float) -> tuple[np.ndarray, np.ndarray]:
        """Points (d,3) in m and areas (d,3) in m² of patches of a surface that the path bounds, none above `size` m."""


@dataclass(frozen=True, eq=False)
class Circle(Path):
    """A circle of `radius` m about a centre (3,) m; the current goes anticlockwise seen from the tip of its axis."""

    centre: np.ndarray
    axis: np.ndarray
    radius: float
    turns: float = 1.0

    def __post_init__(self) -> None:
        axis = np.array(self.axis, np.float64)
        if np.shape(self.centre) != (3,) or axis.shape != (3,) or not np.linalg.norm(axis) > 0:
            raise FemtmsError(f"a circle needs a centre (3,) and an axis (3,) that is not 0; got {self.centre}, {axis}")
        if not 0 < self.radius < np.inf:
            raise FemtmsError(f"the radius of a circle must be > 0 in m; got {self.radius}")
        object.__setattr__(self, "centre", frozen(self.centre, np.float64))
        object.__setattr__(self, "axis", frozen(axis / np.linalg.norm(axis)))

    def shifted(self, outward: float, along_axis: float) -> "Circle":  # noqa: D102
        return replace(self, centre=self.centre + along_axis * self.axis, radius=self.radius + outward)

    def moved(self, pose: Pose) -> "Circle":  # noqa: D102
        return replace(self, centre=pose.in_head(self.centre), axis=pose.rotation @ self.axis)

    def carrying(self, turns: float) -> "Circle":  # noqa: D102
        return replace(self, turns=turns)

    def bend(self, distance: float) -> float:
        """What is integrated over the width is (R + u)/r and not 1/r: theory.md (26)."""
        return 1 + distance / self.radius

    def currents(self, distance: float, accuracy: float) -> Currents:
        """Elements along the tangent at equal angles; the fewest that theory.md (25) allows."""
        count = self.number(distance, accuracy)
        radial, tangent = self._frame(count)
        length = 2 * np.pi * self.radius / count
        return Currents(self.centre + self.radius * radial, self.turns * length * tangent)

    def number(self, distance: float, accuracy: float) -> int:  # noqa: D102
        strip = np.log1p(distance / self.radius)
        return max(_FEWEST, int(np.ceil(1 + np.log((2 + accuracy) / accuracy) / strip)))

    def outline(self) -> np.ndarray:  # noqa: D102
        radial, _ = self._frame(96)
        points = self.centre + self.radius * radial
        return np.concatenate([points, points[:1]])

    def patches(self, size: float) -> tuple[np.ndarray, np.ndarray]:
        """Rings of equal width, each cut into equal sectors with a point at its middle radius."""
        rings = int(np.ceil(self.radius / size))
        width = self.radius / rings
        points, areas = [], []
        for ring in range(rings):
            middle = (ring + 0.5) * width
            sectors = max(6, int(np.ceil(2 * np.pi * middle / width)))
            radial, _ = self._frame(sectors, 0.5 * (ring % 2))
            points.append(self.centre + middle * radial)
            areas.append(np.tile(2 * np.pi * middle * width / sectors * self.axis, (sectors, 1)))
        return np.concatenate(points), np.concatenate(areas)

    def _frame(self, count: int, offset: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (count,3) outward and along the current, at equal angles."""
        # the direction of x that is farthest from the axis, so that nothing cancels
        start = np.cross(self.axis, np.eye(3)[np.abs(self.axis).argmin()])
        start /= np.linalg.norm(start)
        side = np.cross(self.axis, start)
        angle = 2 * np.pi * (np.arange(count) + offset) / count
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        return cosine * start + sine * side, cosine * side - sine * start


@dataclass(frozen=True, eq=False)
class Polyline(Path):
    """Straight segments between points (p,3) m, closed by one from the last point to the first.

    A path that was given open is a real wire whose ends go away together; without the closing segment charge would have
    to appear at them.  The wire's width lies across the axis (3,).
    """

    points: np.ndarray
    axis: np.ndarray
    turns: float = 1.0

    def __post_init__(self) -> None:
        points, axis = np.array(self.points, np.float64), np.array(self.axis, np.float64)
        if points.ndim != 2 or points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise FemtmsError(f"a polyline must be (p,3) finite points in m; got {points.shape}")
        if axis.shape != (3,) or not np.linalg.norm(axis) > 0:
            raise FemtmsError(f"the axis of a polyline must be (3,) and not 0; got {axis}")
        points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]  # no segments of length 0
        if len(points) < 3:
            raise FemtmsError(f"a polyline needs at least 3 different points; got {len(points)}")
        object.__setattr__(self, "points", frozen(points))
        object.__setattr__(self, "axis", frozen(axis / np.linalg.norm(axis)))

    @property
    def segments(self) -> np.ndarray:
        """Vectors (p,3) in m from each point to the next."""
        vectors: np.ndarray = np.roll(self.points, -1, axis=0) - self.points
        return vectors

    def shifted(self, outward: float, along_axis: float) -> "Polyline":
        """Corners are mitred: each point moves so that both segments that meet there are shifted."""
        after = np.cross(self.segments, self.axis)
        size = np.linalg.norm(after, axis=1, keepdims=True)
        after = np.where(size > 1e-9 * np.linalg.norm(self.segments, axis=1, keepdims=True), after, np.nan)
        after = _filled(after / np.where(size > 0, size, 1))
        before = np.roll(after, 1, axis=0)
        mitre = (after + before) / np.maximum(1 + (after * before).sum(axis=1, keepdims=True), 0.5)
        return replace(self, points=self.points + outward * mitre + along_axis * self.axis)

    def moved(self, pose: Pose) -> "Polyline":  # noqa: D102
        return replace(self, points=pose.in_head(self.points), axis=pose.rotation @ self.axis)

    def carrying(self, turns: float) -> "Polyline":  # noqa: D102
        return replace(self, turns=turns)

    def bend(self, distance: float) -> float:
        """As of a circle of the mean curvature: by what part of itself the line grows when it is shifted outward."""
        step = 1e-6
        length, shifted = (np.linalg.norm(line.segments, axis=1).sum() for line in (self, self.shifted(step, 0.0)))
        return float(1 + distance * abs(shifted - length) / (step * length))

    def currents(self, distance: float, accuracy: float) -> Currents:
        """A two-point Gauss rule on pieces of segments short enough for theory.md (26)."""
        pieces = self._pieces(distance, accuracy).astype(int)
        start, step = np.repeat(self.points, pieces, axis=0), np.repeat(self.segments / pieces[:, None], pieces, axis=0)
        which = np.arange(len(start)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        middle = start + (which + 0.5)[:, None] * step
        at = step / (2 * np.sqrt(3))
        half = self.turns * step / 2
        return Currents(np.concatenate([middle - at, middle + at]), np.concatenate([half, half]))

    def number(self, distance: float, accuracy: float) -> int:  # noqa: D102
        return 2 * int(self._pieces(distance, accuracy).sum())

    def _pieces(self, distance: float, accuracy: float) -> np.ndarray:
        """Into how many (p,) each segment is cut."""
        longest = distance * (accuracy / gauss_bound(2, 1.0, 1.0)) ** 0.25
        pieces: np.ndarray = np.ceil(np.linalg.norm(self.segments, axis=1) / longest)
        return pieces

    def outline(self) -> np.ndarray:  # noqa: D102
        return np.concatenate([self.points, self.points[:1]])

    def patches(self, size: float) -> tuple[np.ndarray, np.ndarray]:
        """Triangles from the mean of the points to each segment, cut into equal smaller ones."""
        hub = self.points.mean(axis=0)
        corners = np.stack([np.broadcast_to(hub, self.points.shape), self.points, self.points + self.segments], axis=1)
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max()
        n = int(np.ceil(longest / size))
        # barycentric coordinates of the middles of the n² triangles that n cuts in each direction make
        i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
        up = np.stack([i + 1 / 3, j + 1 / 3], axis=-1)[i + j < n]
        down = np.stack([i + 2 / 3, j + 2 / 3], axis=-1)[i + j < n - 1]
        u, v = (np.concatenate([up, down]) / n).T
        weights = np.stack([1 - u - v, u, v], axis=1)
        points = np.einsum("wc,tcd->twd", weights, corners).reshape(-1, 3)
        area = 0.5 * np.cross(corners[:, 1] - hub, corners[:, 2] - hub)
        return points, np.repeat(area / n**2, n**2, axis=0)


def _filled(directions: np.ndarray) -> np.ndarray:
    """Directions (p,3) with those that are NaN, of segments along the axis, taken from the one before."""
    known = np.flatnonzero(np.isfinite(directions).all(axis=1))
    if len(known) == 0:
        return np.zeros_like(directions)
    last = known[np.searchsorted(known, np.arange(len(directions)), side="right") - 1]  # -1 is the last: it is a ring
    filled: np.ndarray = directions[last]
    return filled
