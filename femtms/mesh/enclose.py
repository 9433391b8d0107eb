"""The closed outer surface of some of the tetrahedra of a mesh: cavities filled, and an orientable 2-manifold.

Terms used here: the *solid* is what the surface encloses; a *void* is a connected region without tetrahedra, void 0 is
the outside of the mesh; *walls* are the faces between tetrahedra and voids.  A *dart* 3t + k is the edge of triangle t
from its corner k to the next one.  The *mate* of a dart is the dart of the triangle that continues the surface there.
"""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from femtms.core import call
from femtms.errors import FemtmsError
from femtms.kernels.faces import face_neighbours
from femtms.mesh.surface import OUTWARD_FACES, cone_volumes

_SOME_ROTATION = np.linalg.qr(np.array([[0.7, 0.3, 0.1], [0.2, 0.9, 0.4], [0.5, 0.15, 0.8]]))[0]
_EDGES = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]])


def outer_surface(
    nodes: np.ndarray, tets: np.ndarray, inside: np.ndarray, largest: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (s,3) and triangles (f,3) of the outer side of the tetrahedra chosen by `inside` (m,), oriented outward.

    nodes (n,3) m, tets (m,4) of the whole mesh.  What cannot be reached from outside the mesh through faces is filled.
    Every edge has exactly two triangles: those that bound the same part of the solid around it.  A node where parts of
    the surface meet in a point only is there once for each of them; nodes in the middle of an edge are added where two
    edges would join the same two nodes.
    largest keeps only the connected piece with the largest volume.
    Raises FemtmsError when the tetrahedra overlap, so that there is no such surface.
    """
    neighbours = face_neighbours(tets, len(nodes))[0]
    wall_tet, wall_face = np.nonzero(neighbours < 0)
    walls = tets[wall_tet[:, None], OUTWARD_FACES[wall_face]]
    wall_mates = _mates_around_voids(nodes, walls)
    void = _voids(nodes, walls, wall_mates)
    open_voids, solid = _filled(inside, neighbours, wall_tet, void)
    closed_walls = ~open_voids[void]

    outer = solid[:, None] & ~solid[neighbours]
    outer[wall_tet, wall_face] = solid[wall_tet] & ~closed_walls
    tet, face = np.nonzero(outer)
    del neighbours, outer
    triangles = tets[tet[:, None], OUTWARD_FACES[face]]
    mates = _mates_around_solid(len(nodes), triangles, tets, solid, walls, wall_mates, closed_walls)

    if largest:
        piece = _pieces(mates.reshape(-1, 3) // 3)
        volumes = np.bincount(piece, cone_volumes(nodes - nodes.mean(axis=0), triangles))
        kept = piece == volumes.argmax()
        number = np.cumsum(kept) - 1
        triangles, mates = triangles[kept], mates.reshape(-1, 3)[kept].ravel()
        mates = 3 * number[mates // 3] + mates % 3
    fan = _fans(mates)
    first = np.zeros(int(fan.max()) + 1, np.int64)
    first[fan[::-1]] = np.arange(len(fan))[::-1]
    return _without_double_edges(nodes[triangles.ravel()[first]], fan.reshape(-1, 3), mates)


def _without_double_edges(
    points: np.ndarray, triangles: np.ndarray, mates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same surface, with a node in the middle of those edges that join the same two nodes as another edge.

    Parts of a surface that touch along an edge and are joined around both of its ends, as a handle is, would otherwise
    have four triangles there, and nobody could tell which two belong together.
    """
    darts = _simple_mates(triangles, len(points))[1]
    if len(darts) == 0:
        return points, triangles
    darts = darts[darts < mates[darts]]
    ends = triangles[darts // 3, darts % 3], triangles[darts // 3, (darts + 1) % 3]
    middle = np.full(len(mates), -1, np.int64)
    middle[darts] = middle[mates[darts]] = len(points) + np.arange(len(darts))
    middles = middle.reshape(-1, 3)
    count = (middles >= 0).sum(axis=1)
    parts = [triangles[count == 0]]
    # turned so that what differs between the edges is where the patterns below expect it
    for cut, turn, pattern in (
        (1, (middles >= 0).argmax(axis=1), ((0, 3, 2), (3, 1, 2))),
        (2, (middles < 0).argmax(axis=1) + 1, ((3, 1, 4), (0, 3, 4), (0, 4, 2))),
        (3, np.zeros(len(middles), int), ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5))),
    ):
        chosen = np.flatnonzero(count == cut)
        turned = (turn[chosen, None] + np.arange(3)) % 3
        six = np.concatenate([triangles[chosen[:, None], turned], middles[chosen[:, None], turned]], axis=1)
        parts += [six[:, corners] for corners in pattern]
    return np.concatenate([points, (points[ends[0]] + points[ends[1]]) / 2]), np.concatenate(parts)


def _filled(
    inside: np.ndarray, neighbours: np.ndarray, wall_tet: np.ndarray, void: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which voids (v,) are open, and which tetrahedra (m,) are solid: inside, or shut off from the outside by it."""
    solid = np.ones(len(inside), bool)
    open_voids = np.zeros(int(void.max()) + 1, bool)
    reached = np.zeros(len(open_voids), bool)
    reached[0] = True  # the outside
    while (reached & ~open_voids).any():
        seeds = wall_tet[(reached & ~open_voids)[void]]
        open_voids = reached.copy()
        call("flood", len(seeds), seeds, neighbours, inside, solid)
        reached[void[~solid[wall_tet]]] = True
    return open_voids, solid


def _pieces(neighbours: np.ndarray) -> np.ndarray:
    """Number (f,) of the connected piece of each triangle, from the three triangles (f,3) beside it."""
    f = len(neighbours)
    graph = sp.csr_array((np.ones(3 * f, np.int8), neighbours.ravel(), 3 * np.arange(f + 1)), shape=(f, f))
    piece: np.ndarray = connected_components(graph, directed=False)[1]
    return piece


def _fans(mates: np.ndarray) -> np.ndarray:
    """Number (3f,) of the node at each corner: corners are one node when they follow each other around it."""
    fan = np.empty(len(mates), np.int32)
    call("fans", len(mates), mates, fan)
    return fan


def _voids(nodes: np.ndarray, walls: np.ndarray, mates: np.ndarray) -> np.ndarray:
    """Number (w,) of the void at each wall (w,3); 0 is the outside.

    A connected wall with a negative volume is around a void.  One with a positive volume is around a part of the mesh,
    which may lie in a void in its turn: then in the smallest that it is in.
    """
    piece = _pieces(mates.reshape(-1, 3) // 3)
    volumes = np.bincount(piece, cone_volumes(nodes - nodes.mean(axis=0), walls))
    around_void = np.flatnonzero(volumes < 0)
    void_of_piece = np.zeros(len(volumes), np.int32)
    void_of_piece[around_void] = 1 + np.arange(len(around_void))
    parts = np.flatnonzero(volumes >= 0)
    if len(around_void) == 0 or len(parts) == 0:
        return void_of_piece[piece]
    closed = volumes[piece] < 0
    triangles, owner = walls[closed], piece[closed]
    turned = nodes @ _SOME_ROTATION.T  # no triangle of a lattice is parallel to the rays then
    _, first = np.unique(piece, return_index=True)
    for part in parts:
        enclosing = np.zeros(len(volumes), bool)
        point = turned[walls[first[part]]].mean(axis=0)
        call("ray_crossings", point, turned, len(triangles), triangles, owner, enclosing)
        if enclosing.any():
            void_of_piece[part] = void_of_piece[np.where(enclosing, volumes, -np.inf).argmax()]
    return void_of_piece[piece]


def _simple_mates(triangles: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mates (3f,) at edges of two triangles, -1 elsewhere; the darts elsewhere, sorted by edge; and their edges.

    An edge is low · n + high of its nodes.
    """
    start, end = triangles.ravel().astype(np.int64), np.roll(triangles, -1, axis=1).ravel().astype(np.int64)
    edges = np.minimum(start, end) * n + np.maximum(start, end)
    order = np.argsort(edges, kind="stable")
    edges = edges[order]
    first = np.flatnonzero(np.concatenate([[True], edges[1:] != edges[:-1]]))
    counts = np.diff(np.append(first, len(edges)))
    two = first[counts == 2]
    mates = np.full(len(order), -1, np.int64)
    one, other = order[two], order[two + 1]
    mates[one], mates[other] = other, one
    _check((counts % 2 == 0).all() and (start[one] == end[other]).all())
    several = np.repeat(counts > 2, counts)
    return mates, order[several], edges[several]


def _check(matching: bool) -> None:
    if not matching:
        raise FemtmsError(
            "the tetrahedra must meet face to face for a closed surface; in this mesh some of them overlap, "
            "or share a face with more than one other"
        )


def _mates_around_voids(nodes: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Mates (3w,) of the darts of walls (w,3): at each edge, the triangles on the two sides of the same void."""
    mates, darts, edges = _simple_mates(walls, len(nodes))
    if len(darts) == 0:
        return mates
    # around an edge that several triangles share, they follow each other by their angle
    low, high = nodes[edges // len(nodes)], nodes[edges % len(nodes)]
    along = high - low
    across = np.cross(along, np.eye(3)[np.abs(along).argmin(axis=1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(along / np.linalg.norm(along, axis=1, keepdims=True), across)
    arm = nodes[walls[darts // 3, (darts + 2) % 3]] - low
    angle = np.arctan2(np.einsum("ed,ed->e", arm, third), np.einsum("ed,ed->e", arm, across))
    order = np.lexsort((angle, edges))
    darts, edges = darts[order], edges[order]
    begins = np.concatenate([[True], edges[1:] != edges[:-1]])
    first = np.flatnonzero(begins)
    following = np.arange(1, len(darts) + 1)
    following[np.append(first[1:], len(darts)) - 1] = first
    # a dart that runs from low to high has the void on the side of growing angles
    forward = walls[darts // 3, darts % 3] == edges // len(nodes)
    _check((forward != forward[following]).all())
    one, other = darts[forward], darts[following[forward]]
    mates[one], mates[other] = other, one
    return mates


def _mates_around_solid(
    n: int,
    triangles: np.ndarray,
    tets: np.ndarray,
    solid: np.ndarray,
    walls: np.ndarray,
    wall_mates: np.ndarray,
    closed_walls: np.ndarray,
) -> np.ndarray:
    """Mates (3f,) of the darts of the surface (f,3): at each edge, the triangles on the two sides of the same solid.

    Around an edge that several triangles share, the tetrahedra of the solid link the third nodes of their two faces
    there, and so does a filled void (closed_walls (w,)).  The two ends of such a chain are mates.
    """
    mates, darts, edges = _simple_mates(triangles, n)
    if len(darts) == 0:
        return mates
    shared = np.unique(edges)
    touched = np.zeros(n, bool)
    touched[shared // n] = touched[shared % n] = True
    near = tets[solid & (touched[tets].sum(axis=1) >= 2)].astype(np.int64)
    around = near[:, _EDGES].reshape(-1, 4)
    edge = np.minimum(around[:, 0], around[:, 1]) * n + np.maximum(around[:, 0], around[:, 1])
    links = _at(shared, edge, n, around[:, 2], around[:, 3])

    corner, following, third = (np.roll(walls, -k, axis=1).ravel().astype(np.int64) for k in range(3))
    over = np.repeat(closed_walls, 3) & touched[corner] & touched[following]
    edge = (np.minimum(corner, following) * n + np.maximum(corner, following))[over]
    over_void = _at(shared, edge, n, third[over], third[wall_mates[over]])

    ends = np.searchsorted(shared, edges) * n + triangles[darts // 3, (darts + 2) % 3]
    points, index = np.unique(np.concatenate([links.ravel(), over_void.ravel(), ends]), return_inverse=True)
    pairs = index[: len(index) - len(ends)].reshape(-1, 2)
    graph = sp.coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    chain = connected_components(graph, directed=False)[1][index[len(index) - len(ends) :]]
    order = np.argsort(chain, kind="stable")
    chain = chain[order].reshape(-1, 2)
    one, other = darts[order].reshape(-1, 2).T
    forward = triangles.ravel()[darts[order]].reshape(-1, 2)
    _check((chain[:, 0] == chain[:, 1]).all() and (np.diff(chain[:, 0]) > 0).all())
    _check((forward[:, 0] != forward[:, 1]).all())
    mates[one], mates[other] = other, one
    return mates


def _at(shared: np.ndarray, edge: np.ndarray, n: int, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Links (l,2) between c and d around those edges that are among the sorted `shared` ones: position · n + node."""
    position = np.minimum(np.searchsorted(shared, edge), len(shared) - 1)
    found = shared[position] == edge
    return np.stack([position[found] * n + c[found], position[found] * n + d[found]], axis=1)
