"""Bisection of tetrahedra at chosen edges, the most urgent edge first.

All tetrahedra around an edge see the same edges in the same order of priority, so each shared face is cut alike
from both sides and the mesh stays conforming, for any set of edges.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit
from femtms.mesh.edges import edge_table, find

_BLOCK = 2048  # tetrahedra of one task


@njit
def _leaves(stack, touched, keys, middle, priority, first_node, out, at):
    """Bisect the tetrahedron stack[0] until no chosen edge is left; writes to out[at:] if there is room; the count."""
    depth, count = 1, 0
    while depth > 0:
        depth -= 1
        best, bi, bj, most = np.int32(-1), 0, 0, -1.0
        for i in range(3):
            a = stack[depth, i]
            if a >= first_node or not touched[a]:
                continue
            for j in range(i + 1, 4):
                b = stack[depth, j]
                if b >= first_node or not touched[b]:
                    continue
                node = find(keys, middle, a, b)
                if node >= 0:
                    p = priority[node - first_node]
                    if p > most or (p == most and node < best):
                        best, bi, bj, most = node, i, j, p
        if best < 0:
            if at + count < out.shape[0]:
                for i in range(4):
                    out[at + count, i] = stack[depth, i]
            count += 1
        else:
            for i in range(4):
                stack[depth + 1, i] = stack[depth, i]
            stack[depth, bj] = best
            stack[depth + 1, bi] = best
            depth += 2
    return count


@njit(parallel=True)
def _bisect(tets, touched, keys, middle, priority, first_node, starts, out):
    """Counts (m,) of the tetrahedra that each becomes; written to out[starts[t]:] if out has rows."""
    m = tets.shape[0]
    counts = np.ones(m, np.int32)
    for block in numba.prange((m + _BLOCK - 1) // _BLOCK):
        stack = np.empty((64, 4), np.int32)
        for t in range(block * _BLOCK, min(m, (block + 1) * _BLOCK)):
            at = starts[t] if out.shape[0] else 0
            ends = 0
            for i in range(4):
                stack[0, i] = tets[t, i]
                ends += touched[tets[t, i]]
            if ends >= 2:
                counts[t] = _leaves(stack, touched, keys, middle, priority, first_node, out, at)
            elif out.shape[0]:
                for i in range(4):
                    out[at, i] = tets[t, i]
    return counts


def bisected(tets: np.ndarray, n: int, edges: np.ndarray, priority: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra after bisection at all edges (e,2), and the number (m,) of those that each old one became.

    The middle of edge i becomes node n + i; where a tetrahedron has several such edges, the one with the highest
    priority (e,) >= 0 goes first, the lowest number among equals.  Children take their parent's place in the list.
    """
    touched = np.zeros(n, np.bool_)
    touched[edges] = True
    keys, middle = edge_table(edges, n)
    nowhere = np.empty((0, 4), np.int32)
    counts = _bisect(tets, touched, keys, middle, priority, n, np.zeros(0, np.int64), nowhere)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    out = np.empty((int(counts.sum()), 4), np.int32)
    _bisect(tets, touched, keys, middle, priority, n, starts, out)
    return out, counts
