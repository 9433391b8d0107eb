"""Nodes close to an interface are moved onto it: what remains to be cut is cut far from its ends."""

import numpy as np

from femtms import core
from femtms.kernels.cpu import incidence
from femtms.mesh.label_field import LabelField

NEAR = 0.3  # of an edge: nodes closer than this to the cut are moved to it
_WORST = 6.0  # distortion that a move may leave in the tetrahedra around the node


def crossings(field: LabelField, x: np.ndarray, labels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Fraction (e,) of the way along each edge (e,2) at which the labels of its ends balance; NaN if they are equal."""
    at = np.empty(len(edges))
    core.call("crossings", len(edges), edges, x, labels, *field.arguments, at)
    return at


def snapped(
    field: LabelField, x: np.ndarray, tets: np.ndarray, labels: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n,3) in mm after snapping, and the labels (n,) int64 that each snapped node separates, as bits.

    edges (e,2) are those whose ends differ in label.  A node goes to the nearest place where the labels of an edge
    balance, if that is nearer than NEAR, the other end has not moved, and no tetrahedron around it gets too thin.
    """
    at = crossings(field, x, labels, edges)
    x, bits = x.copy(), np.zeros(len(x), np.int64)
    around = *incidence(edges, len(x)), tets, *incidence(tets, len(x))
    core.call("snap", len(x), x, labels, edges, at, *around, NEAR, _WORST, bits)
    return x, bits
