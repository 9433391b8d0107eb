"""Edges that still join different labels are cut where the label changes, and every tetrahedron gets its label."""

import numba
import numpy as np

from femtms.kernels.jit import njit
from femtms.mesh.bcc import Lattice
from femtms.mesh.bisect import bisected
from femtms.mesh.edges import unique_edges
from femtms.mesh.label_field import LabelField, indicator, label_at
from femtms.mesh.snap import snapped

_LEAST, _MOST = 0.25, 0.8  # of the way from a snapped node to one of a third label
_STEPS = 8
UNKNOWN = np.uint8(255)


@njit
def _entry(field, x, p, q, label):
    """The last fraction of the way from p to q at which the label is another than that of q."""
    low, high = 0.0, 1.0
    for step in range(_STEPS - 1, -1, -1):
        s = step / _STEPS
        if _label_between(field, x, p, q, s) != label:
            low, high = s, s + 1.0 / _STEPS
            break
    for _ in range(4):
        s = 0.5 * (low + high)
        if _label_between(field, x, p, q, s) != label:
            low = s
        else:
            high = s
    return 0.5 * (low + high)


@njit
def _label_between(field, x, p, q, s):
    return label_at(
        field,
        (1 - s) * x[p, 0] + s * x[q, 0],
        (1 - s) * x[p, 1] + s * x[q, 1],
        (1 - s) * x[p, 2] + s * x[q, 2],
    )


@njit(parallel=True)
def _final_cuts(field, x, labels, bits, edges, at):
    """Where each edge is cut after snapping, as a fraction (e,) from its first node; NaN: not at all."""
    out = np.full(edges.shape[0], np.nan)
    for e in numba.prange(edges.shape[0]):
        p, q = edges[e, 0], edges[e, 1]
        if bits[p] == 0 and bits[q] == 0:
            out[e] = at[e]
        elif bits[q] == 0 and not (bits[p] >> np.int64(labels[q])) & 1:
            s = _entry(field, x, p, q, labels[q])
            if s > _LEAST:
                out[e] = min(s, _MOST)
        elif bits[p] == 0 and bits[q] != 0 and not (bits[q] >> np.int64(labels[p])) & 1:
            s = _entry(field, x, q, p, labels[p])
            if s > _LEAST:
                out[e] = 1 - min(s, _MOST)
    return out


@njit(parallel=True)
def _labelled(field, x, tets, labels, count):
    """Label (m,) of each tetrahedron: that of its nodes which lie on no interface, else the largest mean f_l."""
    out = np.empty(tets.shape[0], np.uint8)
    for t in numba.prange(tets.shape[0]):
        label = UNKNOWN
        for i in range(4):
            label = min(label, labels[tets[t, i]])
        if label == UNKNOWN:
            cx = cy = cz = 0.0
            for i in range(4):
                cx += 0.25 * x[tets[t, i], 0]
                cy += 0.25 * x[tets[t, i], 1]
                cz += 0.25 * x[tets[t, i], 2]
            largest = -1e300
            for candidate in range(count):
                f = indicator(field, candidate, cx, cy, cz)
                for i in range(4):
                    n = tets[t, i]
                    f += indicator(field, candidate, 0.5 * (cx + x[n, 0]), 0.5 * (cy + x[n, 1]), 0.5 * (cz + x[n, 2]))
                if f > largest:
                    label, largest = np.uint8(candidate), f
        out[t] = label
    return out


@njit(parallel=True)
def _mixed(tets, labels):
    """Mask (m,) of the tetrahedra whose nodes differ in label."""
    out = np.empty(tets.shape[0], np.bool_)
    for t in numba.prange(tets.shape[0]):
        first = labels[tets[t, 0]]
        out[t] = labels[tets[t, 1]] != first or labels[tets[t, 2]] != first or labels[tets[t, 3]] != first
    return out


def cut_at_interfaces(
    lattice: Lattice, field: LabelField, labels: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (n,3) in mm, tetrahedra (m,4), and the label (m,) of each, 0 for air: no tetrahedron crosses an interface.

    labels (n,) are those of the lattice's nodes, count is the number of labels.
    """
    tets = lattice.tets
    edges, _ = unique_edges(tets[_mixed(tets, labels)], len(labels))
    edges = edges[labels[edges[:, 0]] != labels[edges[:, 1]]]
    x, bits, at = snapped(field, lattice.nodes, tets, labels, edges)

    cut = _final_cuts(field, x, labels, bits, edges, at)
    edges, cut = edges[~np.isnan(cut)], cut[~np.isnan(cut)][:, None]
    a, b = x[edges[:, 0]], x[edges[:, 1]]
    tets, _ = bisected(tets, len(x), edges, np.linalg.norm(b - a, axis=1))

    node_labels = np.full(len(x) + len(edges), UNKNOWN, np.uint8)
    node_labels[: len(x)][bits == 0] = labels[bits == 0]
    x = np.concatenate([x, (1 - cut) * a + cut * b])
    return x, tets, _labelled(field, x, tets, node_labels, count)
