"""Triangles on the outside of a set of tetrahedra, and the closed surface that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from femtms.arrays import frozen, sealed
from femtms.errors import FemtmsError
from femtms.mesh.node_sums import sums_at_nodes

# Faces opposite nodes 0..3 of a positively oriented tetrahedron, normals outward.
OUTWARD_FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


@dataclass(frozen=True, eq=False, repr=False)
class Surface:
    """A triangle surface in head coordinates, such as `TetMesh.surface` gives it.

    nodes      (n,3) float64, m
    triangles  (f,3) int32, indices into nodes; counter-clockwise as seen from outside
    tissue     short name of the tissue whose outer side this is; of a surface from a file, the name of that
    structure  what of the brain it is in the words of GIFTI, such as "CortexLeft"; "" where nobody said so

    Raises FemtmsError when an array has the wrong shape or an index is out of range.
    """

    nodes: np.ndarray
    triangles: np.ndarray
    tissue: str
    structure: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", frozen(self.nodes, np.float64))
        object.__setattr__(self, "triangles", frozen(self.triangles, np.int32))
        if self.nodes.ndim != 2 or self.nodes.shape[1] != 3:
            raise FemtmsError(f"nodes must be (n,3); got {self.nodes.shape}")
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3 or len(self.triangles) == 0:
            raise FemtmsError(f"triangles must be (f,3) with at least one triangle; got {self.triangles.shape}")
        low, high = self.triangles.min(), self.triangles.max()
        if low < 0 or high >= len(self.nodes):
            raise FemtmsError(f"triangles must index the {len(self.nodes):,} nodes; got indices {low} to {high}")

    @cached_property
    def normals(self) -> np.ndarray:
        """Outward unit normals (f,3) of the triangles."""
        areas = triangle_normals(self.nodes, self.triangles)
        return sealed(areas / np.maximum(np.linalg.norm(areas, axis=1, keepdims=True), 1e-300))

    @cached_property
    def node_normals(self) -> np.ndarray:
        """Outward unit normals (n,3) at the nodes: the mean of those of the triangles there, weighted by their areas.

        NaN where a node has no triangle, or they cancel.
        """
        total = sums_at_nodes(self.triangles, triangle_normals(self.nodes, self.triangles)[:, None], len(self.nodes))
        length = np.linalg.norm(total, axis=1, keepdims=True)
        # of triangles that cancel, rounding leaves a direction that means nothing
        clear = length > 1e-9 * self.node_areas[:, None]
        return sealed(np.where(clear, total / np.where(clear, length, 1), np.nan))

    @cached_property
    def node_areas(self) -> np.ndarray:
        """Area (n,) in m² of each node: a third of that of the triangles there."""
        areas = np.linalg.norm(triangle_normals(self.nodes, self.triangles), axis=1)
        return sealed(sums_at_nodes(self.triangles, areas[:, None, None], len(self.nodes))[:, 0] / 3)

    @property
    def area(self) -> float:
        """Area in m²."""
        return float(np.linalg.norm(triangle_normals(self.nodes, self.triangles), axis=1).sum())

    @property
    def volume(self) -> float:
        """Enclosed volume in m³: the flux of x/3 outward."""
        return float(cone_volumes(self.nodes - self.nodes.mean(axis=0), self.triangles).sum())

    @cached_property
    def is_watertight(self) -> bool:
        """Whether every edge is shared by exactly two triangles, which run along it in opposite directions."""
        start, end = self.triangles.ravel().astype(np.int64), np.roll(self.triangles, -1, axis=1).ravel()
        n = len(self.nodes)
        edges = np.sort(np.minimum(start, end) * n + np.maximum(start, end))
        paired = len(edges) % 2 == 0 and bool((edges[::2] == edges[1::2]).all() and (edges[2::2] > edges[1:-1:2]).all())
        return paired and bool((np.diff(np.sort(start * n + end)) > 0).all())

    @cached_property
    def one_of_each_piece(self) -> np.ndarray:
        """The first triangle of each piece that hangs together."""
        return sealed(np.unique(pieces(self.triangles)[1], return_index=True)[1])

    def __repr__(self) -> str:
        return (
            f"Surface({self.tissue}: {len(self.nodes):,} nodes, {len(self.triangles):,} triangles; "
            f"{1e4 * self.area:.0f} cm², {1e6 * self.volume:.0f} mL)"
        )


def joined(surfaces: Sequence[Surface]) -> Surface | None:
    """All triangles as one surface, that of the first one's tissue; None of none."""
    if len(surfaces) < 2:
        return surfaces[0] if surfaces else None
    first = np.cumsum([0, *(len(surface.nodes) for surface in surfaces)])
    return Surface(
        np.concatenate([surface.nodes for surface in surfaces]),
        np.concatenate([surface.triangles + at for surface, at in zip(surfaces, first)]),
        surfaces[0].tissue,
    )


def without_cavities(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Those of outward triangles (f,3) that do not bound a closed cavity: their piece encloses a positive volume."""
    count, piece = pieces(faces)
    volume = np.bincount(piece, cone_volumes(nodes, faces), count)
    kept: np.ndarray = faces[(volume > 0)[piece]]
    return kept


def pieces(faces: np.ndarray) -> tuple[int, np.ndarray]:
    """How many pieces triangles (f,3) make that have nodes in common, and the piece (f,) of each."""
    used, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3)
    start, end = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
    joined = coo_matrix((np.ones(len(start), bool), (start, end)), shape=(len(used), len(used)))
    count, piece = connected_components(joined, directed=False)
    return int(count), piece[corners[:, 0]]


def triangle_normals(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area vectors (f,3) in m²: half the cross product of two edges; |.| is the area."""
    a, b, c = (nodes[faces[:, i]] for i in range(3))
    normals: np.ndarray = 0.5 * np.cross(b - a, c - a)
    return normals


def cone_volumes(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Signed volumes (f,) in m³ between the origin and each triangle; over a closed surface they add up to its own."""
    volumes: np.ndarray = np.einsum("fd,fd->f", nodes[faces[:, 0]], triangle_normals(nodes, faces)) / 3.0
    return volumes
