"""Refinement of the lattice where it is too coarse: bisection of longest edges, with closure.

Longest-edge bisection of body-centred-cubic tetrahedra meets only three shapes, again and again (Sommerville's), of
which the third generation is the lattice with half the constant.  Coordinates are whole numbers, so ties are exact.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit
from femtms.mesh.bcc import Lattice
from femtms.mesh.bisect import bisected
from femtms.mesh.edges import edge_key, empty_table, find, insert, unique_edges
from femtms.mesh.label_field import LabelField, balance, balance_gradient, label_at, labels_at
from femtms.mesh.snap import crossings

THINNEST = 0.56  # of a tissue's size: edges are refined down to this length where tissue is thin
FEW = 5e-5  # of the tetrahedra of a voxel head: it is not worth a round to refine no more than these
FLATTEST = 0.085  # of a tissue's size: an interface may be this far from flat within a tetrahedron


@njit(inline="always")
def _length2(points, a, b):
    """Squared length of an edge: a whole number."""
    dx = np.int64(points[a, 0]) - np.int64(points[b, 0])
    dy = np.int64(points[a, 1]) - np.int64(points[b, 1])
    dz = np.int64(points[a, 2]) - np.int64(points[b, 2])
    return dx * dx + dy * dy + dz * dz


@njit
def _longest2(points, tet):
    """Squared length of the longest edge of a tetrahedron."""
    longest = np.int64(0)
    for i in range(3):
        for j in range(i + 1, 4):
            longest = max(longest, _length2(points, tet[i], tet[j]))
    return longest


@njit(parallel=True)
def longest_edges(points, tets):
    """Squared lengths (m,) of the longest edges, in lattice units."""
    out = np.empty(tets.shape[0], np.int64)
    for t in numba.prange(tets.shape[0]):
        out[t] = _longest2(points, tets[t])
    return out


@njit
def _must_cut(points, tet, keys, middle, wanted):
    """Whether a longest edge is still to be chosen: it is wanted, or another edge is chosen but no longest one."""
    longest = _longest2(points, tet)
    for i in range(3):
        for j in range(i + 1, 4):
            if find(keys, middle, tet[i], tet[j]) >= 0:
                if _length2(points, tet[i], tet[j]) == longest:
                    return False
                wanted = True
    return wanted


@njit(parallel=True)
def _open(points, tets, touched, latest, keys, middle):
    """Mask (m,) of the tetrahedra with a chosen edge, new since the latest round, but no longest edge chosen."""
    out = np.zeros(tets.shape[0], np.bool_)
    for t in numba.prange(tets.shape[0]):
        ends = news = 0
        for i in range(4):
            ends += touched[tets[t, i]] > 0
            news += touched[tets[t, i]] == latest
        if ends >= 2 and news >= 2:
            out[t] = _must_cut(points, tets[t], keys, middle, False)
    return out


@njit
def _choose(points, tets, rows, touched, latest, wanted, edges, count, keys, middle):
    """Choose a longest edge in each of the given tetrahedra that still needs one; the grown list and table."""
    for t in rows:
        tet = tets[t]
        if not _must_cut(points, tet, keys, middle, wanted):
            continue
        longest = _longest2(points, tet)
        best = np.int64(-1)
        for i in range(3):
            for j in range(i + 1, 4):
                if _length2(points, tet[i], tet[j]) == longest:
                    key = edge_key(tet[i], tet[j])
                    if best < 0 or key < best:
                        best = key
        a, b = np.int32(best >> 32), np.int32(best & 0xFFFFFFFF)
        if count == edges.shape[0]:
            more = np.empty((2 * count + 1024, 2), np.int32)
            more[:count] = edges
            edges = more
            keys, middle = empty_table(edges.shape[0])
            for e in range(count):
                insert(keys, middle, edges[e, 0], edges[e, 1], np.int32(e))
        edges[count, 0], edges[count, 1] = a, b
        insert(keys, middle, a, b, np.int32(count))
        touched[a] = touched[b] = latest
        count += 1
    return edges, count, keys, middle


def _edges_to_cut(points: np.ndarray, tets: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A longest edge of each wanted tetrahedron, and what closure adds: every cut tetrahedron is cut at a longest edge.

    Without closure neighbours would be cut at shorter edges, and the angles would get worse with every round.
    """
    touched = np.zeros(len(points), np.int32)
    edges = np.empty((0, 2), np.int32)
    keys, middle = empty_table(0)
    count, latest = 0, 1
    rows = np.flatnonzero(wanted)
    while len(rows):
        edges, count, keys, middle = _choose(
            points, tets, rows, touched, latest, latest == 1, edges, count, keys, middle
        )
        rows = np.flatnonzero(_open(points, tets, touched, latest, keys, middle))
        latest += 1
    return edges[:count]


def refined(lattice: Lattice, wanted: np.ndarray) -> tuple[Lattice, np.ndarray]:
    """The lattice with the wanted (m,) tetrahedra bisected, and with closure; and a mask of the new tetrahedra."""
    points, tets = lattice.points, lattice.tets
    edges = _edges_to_cut(points, tets, wanted)
    a, b = points[edges[:, 0]].astype(np.int64), points[edges[:, 1]].astype(np.int64)
    priority = ((a - b) ** 2).sum(axis=1).astype(np.float64)
    tets, counts = bisected(tets, len(points), edges, priority)
    points = np.concatenate([points, ((a + b) // 2).astype(np.int32)])
    return lattice._replace(points=points, tets=tets), np.repeat(counts > 1, counts)


@njit(parallel=True)
def _along(field, x, labels, edges, sizes):
    """What is seen at the ends, quarters and middle of edges (e,2): changes of label, and the finest label's size."""
    changes = np.zeros(edges.shape[0], np.uint8)
    finest = np.empty(edges.shape[0])
    for e in numba.prange(edges.shape[0]):
        a, b = edges[e, 0], edges[e, 1]
        before = labels[a]
        finest[e] = min(sizes[labels[a]], sizes[labels[b]])
        for quarter in range(1, 5):
            s = 0.25 * quarter
            if quarter == 4:
                here = labels[b]
            else:
                here = np.uint8(
                    label_at(
                        field,
                        (1 - s) * x[a, 0] + s * x[b, 0],
                        (1 - s) * x[a, 1] + s * x[b, 1],
                        (1 - s) * x[a, 2] + s * x[b, 2],
                    )
                )
                finest[e] = min(finest[e], sizes[here])
            changes[e] += here != before
            before = here
    return changes, finest


@njit(parallel=True)
def _bends(field, x, labels, tets, edges, of_tet, limits):
    """Mask (m,) of the tetrahedra in which a flat interface would be wrong by more than limits (m,) in mm.

    The middle of the points where the interface crosses the edges of a tetrahedron should lie on the interface.
    """
    at = crossings(field, x, labels, edges)
    out = np.zeros(tets.shape[0], np.bool_)
    for t in numba.prange(tets.shape[0]):
        a = labels[tets[t, 0]]
        b = a
        for i in range(1, 4):
            if labels[tets[t, i]] != a:
                b = labels[tets[t, i]]
        if a == b:
            continue
        cx = cy = cz = 0.0
        count = 0
        for k in range(6):
            e = of_tet[t, k]
            p, q = edges[e, 0], edges[e, 1]
            if (labels[p] == a and labels[q] == b) or (labels[p] == b and labels[q] == a):
                cx += (1 - at[e]) * x[p, 0] + at[e] * x[q, 0]
                cy += (1 - at[e]) * x[p, 1] + at[e] * x[q, 1]
                cz += (1 - at[e]) * x[p, 2] + at[e] * x[q, 2]
                count += 1
        cx, cy, cz = cx / count, cy / count, cz / count
        g = balance_gradient(field, a, b, cx, cy, cz)
        steepness = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
        out[t] = abs(balance(field, a, b, cx, cy, cz)) > limits[t] * steepness
    return out


def refined_where_needed(lattice: Lattice, field: LabelField, sizes: np.ndarray) -> tuple[Lattice, np.ndarray]:
    """The lattice refined to the sizes (l,) in mm of the labels, and where tissue is thin or an interface bends.

    Thin sheets (CSF, skull) and narrow folds show as edges that change their label twice or more; see `_bends` for
    the other.  There, refinement ends where all edges are shorter than THINNEST sizes.  Also the labels (n,) of the
    lattice's nodes.
    """
    labels = labels_at(field, lattice.nodes)
    unseen = np.ones(len(lattice.tets), bool)
    while True:
        x = lattice.nodes
        rows = np.flatnonzero(unseen)
        rows = rows[longest_edges(lattice.points, lattice.tets[rows]) > (THINNEST * sizes.min() / lattice.unit) ** 2]
        tets = lattice.tets[rows]
        longest = np.sqrt(longest_edges(lattice.points, tets)) * lattice.unit
        edges, of_tet = unique_edges(tets, len(x))
        changes, finest = _along(field, x, labels, edges, sizes)
        size = finest[of_tet].min(axis=1)
        thin = (changes >= 2)[of_tet].any(axis=1) | _bends(field, x, labels, tets, edges, of_tet, FLATTEST * size)
        wanted = np.zeros(len(lattice.tets), bool)
        wanted[rows] = longest > np.where(thin, THINNEST, 1.01) * size
        if wanted.sum() <= (0 if field.radii.size else FEW * len(wanted)):
            break
        lattice, unseen = refined(lattice, wanted)
        labels = np.concatenate([labels, labels_at(field, lattice.nodes[len(labels) :])])
    return lattice, labels
