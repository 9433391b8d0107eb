"""Edges of tetrahedra: their list, and a hash table from an edge to the node in its middle."""

import numpy as np

from femtms.kernels.jit import njit

EMPTY = np.int64(-1)


@njit
def unique_edges(tets, n):
    """Edges (e,2) int32 with the lower node first, and which edges (m,6) are 01, 02, 03, 12, 13, 23 of each tet.

    Edges meet in the bucket of their lower node, so the time is linear in the number of tetrahedra.
    """
    m = tets.shape[0]
    starts = np.zeros(n + 1, np.int64)
    for t in range(m):
        for i in range(3):
            for j in range(i + 1, 4):
                starts[min(tets[t, i], tets[t, j]) + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    upper = np.empty(6 * m, np.int32)
    slot = np.empty(6 * m, np.int64)
    for t in range(m):
        e = 6 * t
        for i in range(3):
            for j in range(i + 1, 4):
                a, b = tets[t, i], tets[t, j]
                low = min(a, b)
                p = fill[low]
                upper[p], slot[p] = max(a, b), e
                fill[low] = p + 1
                e += 1
    of_tet = np.empty(6 * m, np.int32)
    edges = np.empty((6 * m, 2), np.int32)
    last = np.full(n, -1, np.int32)  # the latest edge that ends at a node
    count = 0
    for a in range(n):
        first = count
        for p in range(starts[a], starts[a + 1]):
            b = upper[p]
            if last[b] < first:
                last[b] = count
                edges[count, 0], edges[count, 1] = a, b
                count += 1
            of_tet[slot[p]] = last[b]
    return edges[:count].copy(), of_tet.reshape(m, 6)


def numbered_edges(tets, n):
    """Edges (e,2) int32, the lower node first, in ascending order, and the edges (m,6) of each tet.

    Those are between the corners 01, 12, 02, 03, 13, 23: numbers and order are those of scikit-fem's ElementTetP2.
    """
    edges, of_tet = unique_edges(tets, n)
    ascending = np.argsort((edges[:, 0].astype(np.int64) << 32) | edges[:, 1])
    number = np.empty(len(edges), np.int32)
    number[ascending] = np.arange(len(edges), dtype=np.int32)
    return edges[ascending], number[of_tet[:, [0, 3, 1, 2, 4, 5]]]


@njit(inline="always")
def edge_key(a, b):
    """One number for an edge."""
    return (np.int64(min(a, b)) << 32) | np.int64(max(a, b))


@njit(inline="always")
def _slot(key, size):
    # Fibonacci hashing: the high bits of the product depend on all of the key
    return ((key * np.int64(-7046029254386353131)) >> 40) & (size - 1)


@njit
def find(keys, middle, a, b):
    """The node in the middle of an edge, or -1."""
    key = edge_key(a, b)
    s = _slot(key, keys.size)
    while keys[s] != EMPTY:
        if keys[s] == key:
            return middle[s]
        s = (s + 1) & (keys.size - 1)
    return np.int32(-1)


@njit
def insert(keys, middle, a, b, node):
    """Enter an edge that is not in the table; less than half of the slots may be taken."""
    key = edge_key(a, b)
    s = _slot(key, keys.size)
    while keys[s] != EMPTY:
        s = (s + 1) & (keys.size - 1)
    keys[s] = key
    middle[s] = node


@njit
def empty_table(capacity):
    """A hash table (keys, middle) with room for so many edges."""
    size = 16
    while size < 3 * capacity:
        size *= 2
    return np.full(size, EMPTY), np.empty(size, np.int32)


@njit
def edge_table(edges, first_node):
    """Hash table (keys, middle) of edges (e,2); the middle of edge i is node first_node + i."""
    keys, middle = empty_table(edges.shape[0])
    for i in range(edges.shape[0]):
        insert(keys, middle, edges[i, 0], edges[i, 1], np.int32(first_node + i))
    return keys, middle
