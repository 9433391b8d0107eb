"""Edges that still join different labels are cut where the label changes, and every tetrahedron gets its label."""

import numpy as np

from femtms import core
from femtms.mesh.bcc import Lattice
from femtms.mesh.bisect import bisected
from femtms.mesh.edges import unique_edges
from femtms.mesh.label_field import LabelField
from femtms.mesh.snap import snapped

_PASSES = 3
UNKNOWN = np.uint8(255)  # the label of nodes on an interface


def _cuts(
    field: LabelField, x: np.ndarray, labels: np.ndarray, bits: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each edge (e,2) is cut, as a fraction (e,) from its first node, NaN: not at all; and the two labels there.

    core/mesh_cut.cpp says where that is.
    """
    at, sides = np.empty(len(edges)), np.empty(len(edges), np.int64)
    core.call("cuts", len(edges), edges, x, labels, bits, *field.arguments, at, sides)
    return at, sides


def _labelled(field: LabelField, x: np.ndarray, tets: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Label (m,) of each tetrahedron: that of its nodes which lie on no interface, else the largest mean f_l."""
    out = np.empty(len(tets), np.uint8)
    core.call("tet_labels", len(tets), tets, x, labels, count, *field.arguments, out)
    return out


def _mixed(tets: np.ndarray, labels: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Mask (m,) of the tetrahedra whose nodes are not all inside one label."""
    out = np.empty(len(tets), bool)
    core.call("mixed", len(tets), tets, labels, bits, out)
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
