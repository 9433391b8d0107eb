"""Edges that still join different labels are cut where the label changes, and every tetrahedron gets its label."""

import numba
import numpy as np

from femtms.kernels.jit import njit
from femtms.mesh.bcc import Lattice
from femtms.mesh.bisect import bisected
from femtms.mesh.edges import unique_edges
from femtms.mesh.label_field import LabelField, indicator, label_at
from femtms.mesh.snap import snapped, where_balanced

_LEAST, _MOST = 0.25, 0.8  # of the way from a node on an interface to one of a third label
_STEPS = 8
_PASSES = 3
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
def _lowest(bits):
    """The lowest label in a set of bits."""
    label = 0
    while not (bits >> label) & 1:
        label += 1
    return label


@njit
def _label_between(field, x, p, q, s):
    return label_at(
        field,
        (1 - s) * x[p, 0] + s * x[q, 0],
        (1 - s) * x[p, 1] + s * x[q, 1],
        (1 - s) * x[p, 2] + s * x[q, 2],
    )


@njit(parallel=True)
def _cuts(field, x, labels, bits, edges):
    """Where each edge (e,2) is cut, as a fraction (e,) from its first node, NaN: not at all; and the two labels there.

    Between two nodes inside different labels the cut is where these balance, or, if a third label is there, where the
    second one begins: the third's other end is then cut in the next pass.  Between a node on an interface and one
    inside a label that does not belong to that interface, the cut is where that label begins; and between nodes on
    interfaces without a common label, where the label changes on the way.
    """
    at = np.full(edges.shape[0], np.nan)
    sides = np.zeros(edges.shape[0], np.int64)
    for e in numba.prange(edges.shape[0]):
        p, q = edges[e, 0], edges[e, 1]
        if bits[q] != 0:
            p, q = q, p
        if bits[p] == 0:
            first, second = np.int64(labels[p]), np.int64(labels[q])
            if first == second:
                continue
            s = where_balanced(field, first, second, x[p, 0], x[p, 1], x[p, 2], x[q, 0], x[q, 1], x[q, 2])
            here = np.int64(_label_between(field, x, p, q, s))
            if here != first and here != second:
                first, s = here, min(max(_entry(field, x, p, q, second), _LEAST), _MOST)
        elif bits[q] == 0:
            second = np.int64(labels[q])
            if (bits[p] >> second) & 1:
                continue
            s = min(_entry(field, x, p, q, second), _MOST)
            if s <= _LEAST:
                continue
            first = np.int64(_lowest(bits[p]))
        else:
            if bits[p] & bits[q]:
                continue
            first = np.int64(_label_between(field, x, p, q, _LEAST))
            second = np.int64(_label_between(field, x, p, q, 1 - _LEAST))
            if first == second:
                continue
            s = min(max(_entry(field, x, p, q, second), _LEAST), 1 - _LEAST)
        sides[e] = (np.int64(1) << first) | (np.int64(1) << second)
        at[e] = s if p == edges[e, 0] else 1 - s
    return at, sides


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
def _mixed(tets, labels, bits):
    """Mask (m,) of the tetrahedra whose nodes are not all inside one label."""
    out = np.empty(tets.shape[0], np.bool_)
    for t in numba.prange(tets.shape[0]):
        o = tets[t, 0]
        out[t] = False
        for i in range(4):
            n = tets[t, i]
            out[t] = out[t] or bits[n] != 0 or labels[n] != labels[o]
    return out


def cut_at_interfaces(
    lattice: Lattice, field: LabelField, labels: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (n,3) in mm, tetrahedra (m,4), and the label (m,) of each, 0 for air: no tetrahedron crosses an interface.

    labels (n,) are those of the lattice's nodes, count is the number of labels.
    """
    tets = lattice.tets
    edges, _ = unique_edges(tets[_mixed(tets, labels, np.zeros(len(labels), np.int64))], len(labels))
    edges = edges[labels[edges[:, 0]] != labels[edges[:, 1]]]
    x, bits = snapped(field, lattice.nodes, tets, labels, edges)
    for _ in range(_PASSES):
        at, sides = _cuts(field, x, labels, bits, edges)
        chosen = ~np.isnan(at)
        if not chosen.any():
            break
        edges, at = edges[chosen], at[chosen][:, None]
        a, b = x[edges[:, 0]], x[edges[:, 1]]
        tets, counts = bisected(tets, len(x), edges, np.linalg.norm(b - a, axis=1))
        x = np.concatenate([x, (1 - at) * a + at * b])
        bits = np.concatenate([bits, sides[chosen]])
        labels = np.concatenate([labels, np.full(len(edges), UNKNOWN)])
        new = tets[np.repeat(counts > 1, counts)]
        edges, _ = unique_edges(new[_mixed(new, labels, bits)], len(x))
    return x, tets, _labelled(field, x, tets, np.where(bits == 0, labels, UNKNOWN), count)
