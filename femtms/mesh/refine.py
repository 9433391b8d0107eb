"""Refinement of the lattice where it is too coarse: bisection of longest edges, with closure.

Longest-edge bisection of body-centred-cubic tetrahedra meets only three shapes, again and again (Sommerville's), of
which the third generation is the lattice with half the constant.  Coordinates are whole numbers, so ties are exact.
"""

import numpy as np

from femtms import core
from femtms.mesh.bcc import Lattice
from femtms.mesh.bisect import bisected
from femtms.mesh.edges import unique_edges
from femtms.mesh.label_field import LabelField, labels_at
from femtms.mesh.snap import crossings

THINNEST = 0.56  # of a tissue's size: edges are refined down to this length where tissue is thin
FEW = 5e-5  # of the tetrahedra of a voxel head: it is not worth a round to refine no more than these
FLATTEST = 0.085  # of a tissue's size: an interface may be this far from flat within a tetrahedron


def longest_edges(points: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Squared lengths (m,) of the longest edges, in lattice units."""
    out = np.empty(len(tets), np.int64)
    core.call("longest_edges", len(tets), tets, points, out)
    return out


def _edges_to_cut(points: np.ndarray, tets: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A longest edge of each wanted tetrahedron, and what closure adds: every cut tetrahedron is cut at a longest edge.

    Without closure neighbours would be cut at shorter edges, and the angles would get worse with every round.
    """
    edges, count = np.empty((len(tets), 2), np.int32), np.empty(1, np.int64)
    core.call("edges_to_cut", len(tets), tets, points, wanted, np.zeros(len(points), np.int32), edges, count)
    return edges[: count[0]].copy()


def refined(lattice: Lattice, wanted: np.ndarray) -> tuple[Lattice, np.ndarray]:
    """The lattice with the wanted (m,) tetrahedra bisected, and with closure; and a mask of the new tetrahedra."""
    points, tets = lattice.points, lattice.tets
    edges = _edges_to_cut(points, tets, wanted)
    a, b = points[edges[:, 0]].astype(np.int64), points[edges[:, 1]].astype(np.int64)
    priority = ((a - b) ** 2).sum(axis=1).astype(np.float64)
    tets, counts = bisected(tets, len(points), edges, priority)
    points = np.concatenate([points, ((a + b) // 2).astype(np.int32)])
    return lattice._replace(points=points, tets=tets), np.repeat(counts > 1, counts)


def _along(
    field: LabelField, x: np.ndarray, labels: np.ndarray, edges: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is seen at the ends, quarters and middle of edges (e,2): changes of label, and the finest label's size."""
    changes, finest = np.empty(len(edges), np.uint8), np.empty(len(edges))
    core.call("seen_along", len(edges), edges, x, labels, sizes, *field.arguments, changes, finest)
    return changes, finest


def _thin(
    field: LabelField,
    x: np.ndarray,
    labels: np.ndarray,
    tets: np.ndarray,
    edges: np.ndarray,
    of_tet: np.ndarray,
    sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The finest size (m,) in mm of the labels along the edges of tetrahedra (m,4), and where tissue is thin (m,).

    That is where an edge changes its label twice or more, or where a flat interface would be wrong by more than
    FLATTEST sizes: the middle of the points where the interface crosses the edges should lie on the interface.
    """
    changes, finest = _along(field, x, labels, edges, sizes)
    at, size, thin = crossings(field, x, labels, edges), np.empty(len(tets)), np.empty(len(tets), bool)
    seen = at, changes, finest, FLATTEST, x, labels, *field.arguments
    core.call("thin_tissue", len(tets), tets, of_tet, edges, *seen, size, thin)
    return size, thin


def refined_where_needed(lattice: Lattice, field: LabelField, sizes: np.ndarray) -> tuple[Lattice, np.ndarray]:
    """The lattice refined to the sizes (l,) in mm of the labels, and where tissue is thin or an interface bends.

    Thin sheets (CSF, skull) and narrow folds show as edges that change their label twice or more, see `_thin`.  There,
    refinement ends where all edges are shorter than THINNEST sizes.  Also the labels (n,) of the
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
        size, thin = _thin(field, x, labels, tets, edges, of_tet, sizes)
        wanted = np.zeros(len(lattice.tets), bool)
        wanted[rows] = longest > np.where(thin, THINNEST, 1.01) * size
        if wanted.sum() <= (0 if field.radii.size else FEW * len(wanted)):
            break
        lattice, unseen = refined(lattice, wanted)
        labels = np.concatenate([labels, labels_at(field, lattice.nodes[len(labels) :])])
    return lattice, labels
