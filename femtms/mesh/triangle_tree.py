"""Triangles in a tree of boxes: which of their points is nearest, and how far other triangles are from them."""

from dataclasses import dataclass

import numpy as np

from femtms.arrays import sealed
from femtms.kernels.cpu import morton_codes
from femtms.kernels.triangles import boxes, least_distance, nearest_points

_PER_LEAF = 4  # triangles: with fewer the tree is deeper than it is worth
_BITS = 21  # of each coordinate, as many as a Morton code has


@dataclass(frozen=True, eq=False)
class TriangleTree:
    """Made once for a surface that does not move, then asked for any number of points and other triangles.

    triangles (f,3,3) m, in the order of a Morton curve; low and high (2L,3) m, corners of the boxes of L leaves: see
    femtms.kernels.triangles.
    """

    triangles: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def build(cls, triangles: np.ndarray) -> "TriangleTree":
        """The tree of triangles (f,3,3) in m, f > 0; with corners that coincide they may be segments or points."""
        middles = np.ascontiguousarray(triangles.mean(axis=1))
        low = middles.min(axis=0)
        size = np.maximum(middles.max(axis=0) - low, np.finfo(np.float64).tiny)
        order = np.argsort(morton_codes(middles, low, size, _BITS), kind="stable")
        ordered = np.ascontiguousarray(triangles[order], dtype=np.float64)
        leaves = 1
        while 2 * leaves * _PER_LEAF <= len(ordered):
            leaves *= 2
        return cls(sealed(ordered), *map(sealed, boxes(ordered, leaves)))

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The point (p,3) of the triangles that is nearest to each of points (p,3) m, and the distance (p,) m."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        return nearest_points(points, self.triangles, self.low, self.high)

    def distance(self, others: np.ndarray, within: float = np.inf) -> tuple[float, np.ndarray]:
        """Least distance in m from other triangles (g,3,3) m, and where it is on these triangles, (3,) m.

        0 where triangles touch or cut each other; exact but for rounding.  What is farther than `within` (m) is not
        looked at, which is faster: `within` and NaN when nothing is nearer.
        """
        others = np.ascontiguousarray(others, dtype=np.float64)
        distance, _, at = least_distance(others, self.triangles, self.low, self.high, float(within))
        return distance, at
