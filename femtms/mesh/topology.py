"""How tetrahedra hang together: what a finite-element mesh must not have, counted."""

from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from femtms.kernels.faces import OUTSIDE, piece_of
from femtms.mesh.surface import OUTWARD_FACES

COINCIDENT = 1e-9  # of the mesh's extent: nodes closer than this are in the same place


@dataclass(frozen=True)
class Topology:
    """Counts; in a good mesh of a head there is one piece and none of the others.

    pieces              sets of tetrahedra that are connected through faces
    duplicate_tets      tetrahedra with the same four nodes as an earlier one
    coincident_nodes    nodes in the place of an earlier one
    unused_nodes        nodes that no tetrahedron has
    overfull_faces      faces that more than two tetrahedra have
    open_edges          edges at which an odd number of outer triangles meet: a boundary that does not close
    hanging_nodes       outer nodes inside an outer triangle or on its edge without being one of its corners
    non_manifold_edges  edges at which more than two outer triangles meet
    non_manifold_nodes  outer nodes at which the outer triangles, joined across their edges, make more than one fan
    """

    pieces: int
    duplicate_tets: int
    coincident_nodes: int
    unused_nodes: int
    overfull_faces: int
    open_edges: int
    hanging_nodes: int
    non_manifold_edges: int
    non_manifold_nodes: int

    @property
    def faults(self) -> dict[str, int]:
        """Those of the counts, pieces aside, that are not zero."""
        return {name: count for name, count in asdict(self).items() if name != "pieces" and count}


def topology_of(nodes: np.ndarray, tets: np.ndarray, neighbour: np.ndarray, overfull_faces: int) -> Topology:
    """The counts for nodes (n,3), tets (m,4) and what `face_neighbours` says of them."""
    tet, face = np.nonzero(neighbour == OUTSIDE)
    outer = tets[tet[:, None], OUTWARD_FACES[face]]
    open_edges, edges, fans = _outer_boundary(outer, len(nodes))
    return Topology(
        pieces=len(np.unique(piece_of(neighbour))),
        duplicate_tets=len(tets) - int((first_alike(tets, neighbour) == np.arange(len(tets))).sum()),
        coincident_nodes=int((first_in_place(nodes) != np.arange(len(nodes))).sum()),
        unused_nodes=len(nodes) - int(np.bincount(tets.ravel(), minlength=len(nodes)).astype(bool).sum()),
        overfull_faces=overfull_faces,
        open_edges=open_edges,
        hanging_nodes=len(_hanging(nodes, outer)),
        non_manifold_edges=edges,
        non_manifold_nodes=fans,
    )


def first_alike(tets: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """For each tetrahedron (m,) the first one that has the same four nodes, which mostly is itself."""
    # Whoever has a twin shares all four faces with it, and with nobody else unless the face is overfull.
    lowest = np.where(neighbour < 0, np.iinfo(np.int32).max, neighbour).min(axis=1)
    suspects = np.flatnonzero((neighbour != OUTSIDE).all(axis=1) & (neighbour.max(axis=1) <= lowest))
    first = np.arange(len(tets))
    if len(suspects):
        corners = np.sort(tets[suspects], axis=1)
        _, index, group = np.unique(corners, axis=0, return_index=True, return_inverse=True)
        first[suspects] = suspects[index[group.ravel()]]
    return first


def first_in_place(nodes: np.ndarray) -> np.ndarray:
    """For each node (n,) the first one that is in the same place, which mostly is itself."""
    first = np.arange(len(nodes))
    tolerance = COINCIDENT * float(np.ptp(nodes, axis=0).max())
    # Along a direction that suits no lattice, few nodes are as close as all that.
    height = nodes @ np.array([0.8031, 0.4937, 0.3334])
    order = np.argsort(height, kind="stable")
    close = np.diff(height[order]) <= tolerance + 1e-15 * np.abs(height).max()
    suspects = np.sort(order[np.append(close, False) | np.insert(close, 0, False)])
    if len(suspects):
        pairs = cKDTree(nodes[suspects]).query_pairs(tolerance, output_type="ndarray")
        joined = sparse.coo_array((np.ones(len(pairs), np.int8), pairs.T), shape=(len(suspects),) * 2)
        _, group = sparse.csgraph.connected_components(joined, directed=False)
        _, index = np.unique(group, return_index=True)
        first[suspects] = suspects[index[group]]
    return first


def edge_keys(triangles: np.ndarray, n: int) -> np.ndarray:
    """One number for each edge of triangles (f,3), (f,3) int64: edge c is opposite corner c; direction is ignored."""
    a, b = triangles[:, [1, 2, 0]].astype(np.int64), triangles[:, [2, 0, 1]]
    keys: np.ndarray = np.minimum(a, b) * n + np.maximum(a, b)
    return keys


def _outer_boundary(outer: np.ndarray, n: int) -> tuple[int, int, int]:
    """Number of open edges, non-manifold edges and non-manifold nodes of triangles (f,3)."""
    keys = edge_keys(outer, n).ravel()
    order = np.argsort(keys, kind="stable")
    same = np.diff(keys[order]) == 0
    counts = np.diff(np.flatnonzero(np.concatenate([[True], ~same, [True]])))

    # At the nodes of an edge, the corners of the triangles on both of its sides belong to one fan.
    before, after = order[:-1][same], order[1:][same]
    corner = np.arange(outer.size).reshape(outer.shape)
    at_start, at_end = corner[:, [1, 2, 0]].ravel(), corner[:, [2, 0, 1]].ravel()  # corners at the edges' ends
    swap = outer.ravel()[at_start] > outer.ravel()[at_end]
    low, high = np.where(swap, at_end, at_start), np.where(swap, at_start, at_end)
    links = np.concatenate([low[before], high[before]]), np.concatenate([low[after], high[after]])
    graph = sparse.coo_array((np.ones(len(links[0]), np.int8), links), shape=(outer.size,) * 2)
    _, fan = sparse.csgraph.connected_components(graph, directed=False)
    _, one_corner = np.unique(fan, return_index=True)
    fans_at_node = np.bincount(outer.ravel()[one_corner])
    return int((counts % 2).sum()), int((counts > 2).sum()), int((fans_at_node > 1).sum())


def _hanging(nodes: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """The nodes of triangles (f,3) that lie on one of them, but not at its corners."""
    used = np.unique(outer)
    corners = nodes[outer]
    centres = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
    near = cKDTree(nodes[used]).query_ball_point(centres, reach, workers=-1)
    lengths = np.fromiter(map(len, near), np.int64, len(near))
    node = used[np.fromiter(chain.from_iterable(near), np.int64, lengths.sum())]
    triangle = np.repeat(np.arange(len(outer)), lengths)
    other = (outer[triangle] != node[:, None]).all(axis=1)
    node, triangle = node[other], triangle[other]

    a, b = corners[triangle, 1] - corners[triangle, 0], corners[triangle, 2] - corners[triangle, 0]
    x = nodes[node] - corners[triangle, 0]
    normal = np.cross(a, b)
    square = np.maximum(np.einsum("kd,kd->k", normal, normal), 1e-300)
    height = np.abs(np.einsum("kd,kd->k", x, normal)) / np.sqrt(square)
    weights = np.stack([np.einsum("kd,kd->k", np.cross(x, b), normal), np.einsum("kd,kd->k", np.cross(a, x), normal)])
    weights /= square
    weights = np.concatenate([1 - weights.sum(axis=0, keepdims=True), weights])
    rounding = 1e-6
    on_it = (height < rounding * reach[triangle]) & (weights.min(axis=0) > -rounding)
    return np.unique(node[on_it & (weights.max(axis=0) < 1 - rounding)])
