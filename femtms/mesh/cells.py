"""Tetrahedra by the cells of a grid: whether points are in the mesh, without a walk through all tetrahedra."""

from dataclasses import dataclass

import numpy as np

from femtms.kernels.jit import njit

_EDGES_PER_CELL = 2.0  # smaller cells need more memory, larger ones more tries for each point


@dataclass(frozen=True, eq=False)
class Cells:
    """A grid over a mesh; made once, for any number of points.

    nodes (n,3) m and tets (m,4) are those of the mesh; low (3,) m is the lowest corner, size the edge of a cell in m
    and shape (3,) the number of cells.  Cell c, in C order, is touched by the tetrahedra members[starts[c]:starts[c+1]]
    as far as their bounding boxes tell.
    """

    nodes: np.ndarray
    tets: np.ndarray
    low: np.ndarray
    size: float
    shape: np.ndarray
    starts: np.ndarray
    members: np.ndarray

    @classmethod
    def build(cls, nodes: np.ndarray, tets: np.ndarray) -> "Cells":
        """The grid of a mesh with nodes (n,3) in m and tets (m,4)."""
        low, high = nodes.min(axis=0), nodes.max(axis=0)
        some = tets[:: max(1, len(tets) // 1000)]
        edge = np.linalg.norm(nodes[some[:, 1]] - nodes[some[:, 0]], axis=1).mean()
        # a thin mesh must not have more cells than it has tetrahedra
        size = max(_EDGES_PER_CELL * float(edge), float((np.prod(high - low) / len(tets)) ** (1 / 3)))
        shape = ((high - low) // size).astype(np.int64) + 1
        counts = _count(nodes, tets, low, size, shape)
        starts = np.concatenate([[0], np.cumsum(counts)])
        return cls(nodes, tets, low, size, shape, starts, _fill(nodes, tets, low, size, shape, starts))

    def hold(self, points: np.ndarray) -> np.ndarray:
        """Whether each point (p,3) in m is in a tetrahedron, (p,) bool; those on the surface are."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        return _hold(points, self.nodes, self.tets, self.low, self.size, self.shape, self.starts, self.members)


@njit
def _box(nodes, tet, low, size, shape, first, last):
    """First and last cell (3,) along each axis that a tetrahedron's bounding box touches."""
    for d in range(3):
        a, b, c, e = nodes[tet[0], d], nodes[tet[1], d], nodes[tet[2], d], nodes[tet[3], d]
        first[d] = max(int((min(a, b, c, e) - low[d]) / size - 1e-6), 0)
        last[d] = min(int((max(a, b, c, e) - low[d]) / size + 1e-6), shape[d] - 1)


@njit
def _count(nodes, tets, low, size, shape):
    counts = np.zeros(shape[0] * shape[1] * shape[2], np.int64)
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for t in range(len(tets)):
        _box(nodes, tets[t], low, size, shape, first, last)
        for i in range(first[0], last[0] + 1):
            for j in range(first[1], last[1] + 1):
                for k in range(first[2], last[2] + 1):
                    counts[(i * shape[1] + j) * shape[2] + k] += 1
    return counts


@njit
def _fill(nodes, tets, low, size, shape, starts):
    members = np.empty(starts[-1], np.int32)
    free = starts[:-1].copy()
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for t in range(len(tets)):
        _box(nodes, tets[t], low, size, shape, first, last)
        for i in range(first[0], last[0] + 1):
            for j in range(first[1], last[1] + 1):
                for k in range(first[2], last[2] + 1):
                    cell = (i * shape[1] + j) * shape[2] + k
                    members[free[cell]] = t
                    free[cell] += 1
    return members


@njit
def _hold(points, nodes, tets, low, size, shape, starts, members):
    held = np.zeros(len(points), np.bool_)
    cell = np.empty(3, np.int64)
    for p in range(len(points)):
        outside = False
        for d in range(3):
            position = (points[p, d] - low[d]) / size
            # not for NaN either
            if not (-1e-6 <= position <= shape[d] + 1e-6):
                outside = True
                break
            cell[d] = min(max(int(position), 0), shape[d] - 1)
        if outside:
            continue
        c = (cell[0] * shape[1] + cell[1]) * shape[2] + cell[2]
        for t in members[starts[c] : starts[c + 1]]:
            if _in_tet(points[p], nodes, tets[t]):
                held[p] = True
                break
    return held


@njit
def _in_tet(x, nodes, tet):
    """Whether x (3,) is in a tetrahedron: its barycentric coordinates are not negative, but for rounding."""
    x0 = nodes[tet[0]]
    a, b, c, r = nodes[tet[1]] - x0, nodes[tet[2]] - x0, nodes[tet[3]] - x0, x - x0
    volume = _triple(a, b, c)
    u, v, w = _triple(r, b, c) / volume, _triple(a, r, c) / volume, _triple(a, b, r) / volume
    return min(u, v, w) >= -1e-9 and u + v + w <= 1 + 1e-9


@njit
def _triple(a, b, c):
    """a·(b×c)."""
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
