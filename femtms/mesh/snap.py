"""Nodes close to an interface are moved onto it: what remains to be cut is cut far from its ends."""

import numba
import numpy as np

from femtms.kernels.cpu import incidence
from femtms.kernels.jit import njit
from femtms.mesh.distortion import distortion, others_of
from femtms.mesh.label_field import LabelField, balance

NEAR = 0.3  # of an edge: nodes closer than this to the cut are moved to it
_WORST = 6.0  # distortion that a move may leave in the tetrahedra around the node
_HALVINGS = 5


@njit
def where_balanced(field, a, b, px, py, pz, qx, qy, qz):
    """The fraction of the way from p (label a) to q (label b) at which f_a = f_b."""
    low, high = 0.0, 1.0
    f_low = f_high = 0.0
    for _ in range(_HALVINGS):
        s = 0.5 * (low + high)
        f = balance(field, a, b, px + s * (qx - px), py + s * (qy - py), pz + s * (qz - pz))
        if f > 0:
            low, f_low = s, f
        else:
            high, f_high = s, f
    if f_low > f_high:  # both ends of the bracket have been seen or are ends of the edge
        return low + (high - low) * f_low / (f_low - f_high)
    return 0.5 * (low + high)


@njit(parallel=True)
def crossings(field, x, labels, edges):
    """Fraction (e,) of the way along each edge (e,2) at which the labels of its ends balance; NaN if they are equal."""
    at = np.full(edges.shape[0], np.nan)
    for e in numba.prange(edges.shape[0]):
        p, q = edges[e, 0], edges[e, 1]
        a, b = labels[p], labels[q]
        if a != b:
            at[e] = where_balanced(field, a, b, x[p, 0], x[p, 1], x[p, 2], x[q, 0], x[q, 1], x[q, 2])
    return at


@njit
def _snap(x, labels, edges, at, edge_starts, edges_at, tets, tet_starts, tets_at):
    """Move nodes in the order of their numbers, x is changed; the labels of each moved node, as bits."""
    bits = np.zeros(x.shape[0], np.int64)
    for i in range(x.shape[0]):
        nearest, chosen, there = NEAR, -1, -1
        for p in range(edge_starts[i], edge_starts[i + 1]):
            e = edges_at[p]
            first = edges[e, 0] == i
            other = edges[e, 1] if first else edges[e, 0]
            distance = at[e] if first else 1 - at[e]
            if bits[other] == 0 and distance < nearest:
                nearest, chosen, there = distance, e, other
        if chosen < 0:
            continue
        px = x[i, 0] + nearest * (x[there, 0] - x[i, 0])
        py = x[i, 1] + nearest * (x[there, 1] - x[i, 1])
        pz = x[i, 2] + nearest * (x[there, 2] - x[i, 2])
        fits = True
        for p in range(tet_starts[i], tet_starts[i + 1]):
            if distortion(x, others_of(tets[tets_at[p]], i), px, py, pz) > _WORST:
                fits = False
                break
        if fits:
            x[i, 0], x[i, 1], x[i, 2] = px, py, pz
            bits[i] = (1 << np.int64(labels[i])) | (1 << np.int64(labels[there]))
    return bits


def snapped(
    field: LabelField, x: np.ndarray, tets: np.ndarray, labels: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n,3) in mm after snapping, and the labels (n,) int64 that each snapped node separates, as bits.

    edges (e,2) are those whose ends differ in label.  A node goes to the nearest place where the labels of an edge
    balance, if that is nearer than NEAR, the other end has not moved, and no tetrahedron around it gets too thin.
    """
    at = crossings(field, x, labels, edges)
    edge_starts, edges_at = incidence(edges, len(x))
    tet_starts, tets_at = incidence(tets, len(x))
    x = x.copy()
    return x, _snap(x, labels, edges, at, edge_starts, edges_at, tets, tet_starts, tets_at)
