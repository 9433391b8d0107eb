"""Which tetrahedra meet at which face: a table that only checks and reports need, so it exists for the CPU alone."""

import numpy as np

from femtms.kernels.jit import njit

OUTSIDE = -1  # nobody on the other side of the face
OVERFULL = -2  # more than two tetrahedra have this face


@njit()
def _face_neighbours(tets, n):
    # Faces are looked up among those with the same lowest node.
    m = tets.shape[0]
    starts = np.zeros(n + 1, np.int64)
    for t in range(m):
        for a in range(4):
            low = np.iinfo(np.int32).max
            for b in range(4):
                if b != a:
                    low = min(low, tets[t, b])
            starts[low + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    end = starts[:-1].copy()
    others = np.empty((4 * m, 2), np.int32)  # middle and highest node of each face seen so far,
    seen_at = np.empty(4 * m, np.int64)  # and 4 tet + face where it was seen first
    neighbour = np.full((m, 4), OUTSIDE, np.int32)
    overfull = 0
    for t in range(m):
        for a in range(4):
            low, high, total = np.iinfo(np.int32).max, -1, 0
            for b in range(4):
                if b != a:
                    node = tets[t, b]
                    low, high, total = min(low, node), max(high, node), total + node
            middle = total - low - high
            p = starts[low]
            while p < end[low] and not (others[p, 0] == middle and others[p, 1] == high):
                p += 1
            if p == end[low]:
                others[p, 0], others[p, 1], seen_at[p] = middle, high, 4 * t + a
                end[low] += 1
                continue
            first, face = seen_at[p] // 4, seen_at[p] % 4
            second = neighbour[first, face]
            if second == OUTSIDE:
                neighbour[first, face], neighbour[t, a] = t, first
                continue
            neighbour[t, a] = OVERFULL
            if second >= 0:
                overfull += 1
                neighbour[first, face] = OVERFULL
                for b in range(4):
                    node = tets[second, b]
                    if node != low and node != middle and node != high:
                        neighbour[second, b] = OVERFULL
    return neighbour, overfull


def face_neighbours(tets, n):
    """The tetrahedron beyond each face, (m,4) int32, and the number of faces that more than two tetrahedra have.

    tets (m,4) with nodes below n.  Face a is the one opposite node a; OUTSIDE and OVERFULL stand where there is no
    one neighbour.
    """
    return _face_neighbours(np.ascontiguousarray(tets, dtype=np.int32), n)


@njit()
def count_pieces(neighbour):
    """Number of pieces that tetrahedra make when they are joined through the faces that two of them share.

    neighbour (m,4) as from `face_neighbours`.  Union-find with path halving (Tarjan and van Leeuwen 1984, JACM 31:245).
    """
    m = neighbour.shape[0]
    parent = np.arange(m)
    pieces = m
    for t in range(m):
        for a in range(4):
            p, q = t, neighbour[t, a]
            if q <= t:  # nobody, or joined when it was its turn
                continue
            while parent[p] != p:
                parent[p] = parent[parent[p]]
                p = parent[p]
            while parent[q] != q:
                parent[q] = parent[parent[q]]
                q = parent[q]
            if p != q:
                parent[max(p, q)] = min(p, q)
                pieces -= 1
    return pieces


_OUTWARD = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])  # faces of a tetrahedron, normals outward


@njit(inline="always")
def _after_lowest(tet, face):
    """The node that follows the lowest one on the way round a face: it tells the two ways round apart."""
    c = 0
    for d in range(1, 3):
        if tet[_OUTWARD[face, d]] < tet[_OUTWARD[face, c]]:
            c = d
    return tet[_OUTWARD[face, (c + 1) % 3]]


@njit()
def folded_pairs(tets, neighbour):
    """Number of faces whose two tetrahedra, both positively oriented, lie on the same side; and one of the first two.

    tets (m,4) and neighbour (m,4) as from `face_neighbours`.  Seen from outside of each, the face must go round the
    other way.  The second result is -1 when there are none.
    """
    count, first = 0, -1
    for t in range(tets.shape[0]):
        for a in range(4):
            s = neighbour[t, a]
            if s <= t:
                continue
            b = 0
            while neighbour[s, b] != t:
                b += 1
            if _after_lowest(tets[t], a) == _after_lowest(tets[s], b):
                count += 1
                first = t if first < 0 else first
    return count, first
