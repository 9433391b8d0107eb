"""A and B of a coil on a plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from femtms.arrays import sealed
from femtms.coil.coil import Coil
from femtms.coil.extent import bounds, wires
from femtms.errors import FemtmsError

_MARGIN = 1.12  # of the plane in front of a coil, over the coil's own size
_SMALLEST = 0.03  # m: half the side of the plane in front of a very small coil
_COLUMNS = 120  # of its points, on either side of their middle
_PARALLEL = 1e-6  # sine of the angle between axes that are one


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """A and B for 1 A on a rectangle of the plane origin + u x + v y, in the frame of the coil.

    origin, u, v  (3,) m; u and v are orthogonal and of length 1
    x, y          (c,) and (r,) m, coordinates of the columns and the rows
    A             (r,c,3) T·m; NaN where a sampled A is not known
    B             (r,c,3) T
    """

    origin: np.ndarray
    u: np.ndarray
    v: np.ndarray
    x: np.ndarray
    y: np.ndarray
    A: np.ndarray
    B: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """Where (r,c,3) in m, in the frame of the coil."""
        points: np.ndarray = self.origin + self.x[None, :, None] * self.u + self.y[:, None, None] * self.v
        return points

    @property
    def magA(self) -> np.ndarray:
        """|A| (r,c) in T·m for 1 A."""
        return np.asarray(np.linalg.norm(self.A, axis=-1))

    @property
    def magB(self) -> np.ndarray:
        """|B| (r,c) in T for 1 A."""
        return np.asarray(np.linalg.norm(self.B, axis=-1))

    @property
    def magE(self) -> np.ndarray:
        """|E| (r,c) in V/m in free space, where no charges are, for 1 A/µs: |∂A/∂t|."""
        return 1e6 * self.magA

    def largest(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """The largest of values (r,c), those that are NaN left out, and the point (3,) m where it is."""
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        return float(values[row, column]), self.points[row, column]

    def components(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (r,c,3) such as B by their parts along u, along v and normal to the plane, u × v."""
        return np.asarray(vectors @ np.column_stack([self.u, self.v, np.cross(self.u, self.v)]))


def plane_map(
    coil: Coil,
    origin: Sequence[float] = (0.0, 0.0, 0.01),
    u: Sequence[float] = (1.0, 0.0, 0.0),
    v: Sequence[float] = (0.0, 1.0, 0.0),
    half: float | tuple[float, float] = 0.1,
    step: float = 1e-3,
) -> PlaneMap:
    """A and B of a coil on a plane in its frame: by default z = 10 mm, 20 cm in the square.

    origin  (3,) m, the middle of the rectangle
    u, v    directions (3,) in the plane that are not parallel; of v the part normal to u is taken
    half    m, how far the rectangle reaches from its middle, or that along u and along v
    step    m, at most, between points

    Raises FemtmsError for directions that make no plane, and sizes that are not > 0.
    """
    middle, first, second = (np.asarray(vector, dtype=np.float64) for vector in (origin, u, v))
    if any(x.shape != (3,) or not np.isfinite(x).all() for x in (middle, first, second)):
        raise FemtmsError("a plane must have an origin and two directions of three finite numbers each")
    sizes = np.broadcast_to(np.asarray(half, dtype=np.float64), 2)
    if not (np.isfinite([*sizes, step]).all() and min(*sizes, step) > 0):
        raise FemtmsError(f"a plane must reach and be sampled by lengths > 0 in m; got half {half} and step {step}")
    normal = np.cross(first, second)
    if np.linalg.norm(normal) <= _PARALLEL * np.linalg.norm(first) * np.linalg.norm(second):
        raise FemtmsError(f"a plane must have two directions that are not parallel; got {tuple(u)} and {tuple(v)}")
    first = first / np.linalg.norm(first)
    second = np.cross(normal, first) / np.linalg.norm(normal)
    x, y = (np.linspace(-size, size, 2 * int(np.ceil(size / step - 1e-9)) + 1) for size in sizes)
    points = (middle + x[None, :, None] * first + y[:, None, None] * second).reshape(-1, 3)
    known = np.ones(len(points), bool)
    for field in coil.sampled:
        if field.outside != "zero":
            known &= field.overhang(points) == 0
    A, B = np.full(points.shape, np.nan), np.full(points.shape, np.nan)
    A[known], B[known] = coil.vector_potential(points[known]), coil.magnetic_field(points[known])
    shape = (len(y), len(x), 3)
    return PlaneMap(middle, first, second, x, y, sealed(A.reshape(shape)), sealed(B.reshape(shape)))


def plane_before(coil: Coil, z: float = 0.01) -> PlaneMap:
    """A and B on the plane at z m, a little larger than the coil; never a narrow strip.

    Raises FemtmsError when nothing of a sampled A is known there.
    """
    low, high = bounds(coil)
    half = np.maximum(_MARGIN * (high - low)[:2] / 2, _SMALLEST)
    half = np.maximum(half, 0.55 * half.max())
    middle = (low + high) / 2
    found = plane_map(coil, (middle[0], middle[1], z), half=(half[0], half[1]), step=half.max() / _COLUMNS)
    if not np.isfinite(found.magA).any():
        raise FemtmsError(f"A of coil '{coil.name}' must be known on the plane; its grid has no z = {1e3 * z:g} mm")
    return found


def is_clear_of(coil: Coil, z: float) -> bool:
    """Whether all wires of the coil are on one side of the plane at z m, so that A and B are smooth there."""
    heights = wires(coil)[:, 2]
    return bool((heights < z).all() or (heights > z).all())
