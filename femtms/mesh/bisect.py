"""Bisection of tetrahedra at chosen edges, the most urgent edge first.

All tetrahedra around an edge see the same edges in the same order of priority, so each shared face is cut alike
from both sides and the mesh stays conforming, for any set of edges.
"""

import numpy as np

from femtms import core
from femtms.mesh.edges import edge_table


def bisected(tets: np.ndarray, n: int, edges: np.ndarray, priority: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra after bisection at all edges (e,2), and the number (m,) of those that each old one became.

    The middle of edge i becomes node n + i; where a tetrahedron has several such edges, the one with the highest
    priority (e,) >= 0 goes first, the lowest number among equals.  Children take their parent's place in the list.
    """
    touched = np.zeros(n, np.bool_)
    touched[edges] = True
    keys, middle = edge_table(edges, n)
    counts = np.empty(len(tets), np.int32)
    given = len(tets), tets, n, touched, len(keys), keys, middle, priority
    core.call("bisect", *given, None, counts, None)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    out = np.empty((int(counts.sum()), 4), np.int32)
    core.call("bisect", *given, starts, counts, out)
    return out, counts
