"""Edges of tetrahedra: their list, and a hash table from an edge to the node in its middle."""

import numpy as np

from femtms import core


def unique_edges(tets: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges (e,2) int32 with the lower node first, and which edges (m,6) are 01, 02, 03, 12, 13, 23 of each tet."""
    m = len(tets)
    working = np.zeros(n, np.int64), np.empty((m, 6), np.int32), np.empty((m, 6), np.int64), np.full(n, -1, np.int32)
    edges, of_tet, count = np.empty((6 * m, 2), np.int32), np.empty((m, 6), np.int32), np.empty(1, np.int64)
    core.call("unique_edges", m, tets, n, *working, edges, of_tet, count)
    return edges[: count[0]].copy(), of_tet


def numbered_edges(tets: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges (e,2) int32, the lower node first, in ascending order, and the edges (m,6) of each tet.

    Those are between the corners 01, 12, 02, 03, 13, 23: numbers and order are those of scikit-fem's ElementTetP2.
    """
    edges, of_tet = unique_edges(tets, n)
    ascending = np.argsort((edges[:, 0].astype(np.int64) << 32) | edges[:, 1])
    number = np.empty(len(edges), np.int32)
    number[ascending] = np.arange(len(edges), dtype=np.int32)
    return edges[ascending], number[of_tet[:, [0, 3, 1, 2, 4, 5]]]


def edge_table(edges: np.ndarray, first_node: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash table (keys, middle) of edges (e,2), see core/edges.h; the middle of edge i is node first_node + i."""
    size = max(16, 1 << (3 * len(edges) - 1).bit_length())
    keys, middle = np.zeros(size, np.int64), np.empty(size, np.int32)
    core.call("edge_table", len(edges), edges, first_node, size, keys, middle)
    return keys, middle
