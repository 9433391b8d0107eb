"""Tetrahedra by the cells of a grid: whether points are in the mesh, without a walk through all tetrahedra."""

from dataclasses import dataclass

import numpy as np

from femtms.core import call

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
        counts = np.zeros(shape.prod(), np.int64)
        call("count_members", len(tets), nodes, tets, low, size, shape, counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        members = np.empty(starts[-1], np.int32)
        call("list_members", len(tets), nodes, tets, low, size, shape, starts[:-1].copy(), members)
        return cls(nodes, tets, low, size, shape, starts, members)

    def hold(self, points: np.ndarray) -> np.ndarray:
        """Whether each point (p,3) in m is in a tetrahedron, (p,) bool; those on the surface are."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        held = np.empty(len(points), bool)
        grid = self.low, self.size, self.shape, self.starts, self.members
        call("points_held", len(points), points, self.nodes, self.tets, *grid, held)
        return held
