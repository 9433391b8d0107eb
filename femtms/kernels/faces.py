"""Which tetrahedra meet at which face: only meshing, checks and reports need it, so it exists for the CPU alone."""

import numba
import numpy as np

from femtms.kernels.cpu import incidence
from femtms.kernels.jit import njit

OUTSIDE = -1  # nobody on the other side of the face
OVERFULL = -2  # more than two tetrahedra have this face


@njit(parallel=True)
def _face_neighbours(tets, starts, meeting):
    # A face's tetrahedra are among those that meet at any one of its nodes.
    m = tets.shape[0]
    neighbour = np.full((m, 4), OUTSIDE, np.int32)
    overfull = np.zeros(m, np.int32)  # faces of which this tetrahedron is the first
    for t in numba.prange(m):
        for face in range(4):
            a, b, c = tets[t, (face + 1) % 4], tets[t, (face + 2) % 4], tets[t, (face + 3) % 4]
            others = 0
            first = True
            for p in range(starts[a], starts[a + 1]):
                u = meeting[p]
                if u == t:
                    continue
                has_b = tets[u, 0] == b or tets[u, 1] == b or tets[u, 2] == b or tets[u, 3] == b
                if has_b and (tets[u, 0] == c or tets[u, 1] == c or tets[u, 2] == c or tets[u, 3] == c):
                    neighbour[t, face] = u
                    others += 1
                    first = first and t < u
            if others > 1:
                neighbour[t, face] = OVERFULL
                overfull[t] += first
    return neighbour, overfull.sum()


def face_neighbours(tets, n):
    """The tetrahedron beyond each face, (m,4) int32, and the number of faces that more than two tetrahedra have.

    tets (m,4) with nodes below n.  Face a is the one opposite node a; OUTSIDE and OVERFULL stand where there is no
    one neighbour.
    """
    tets = np.ascontiguousarray(tets, dtype=np.int32)
    neighbour, overfull = _face_neighbours(tets, *incidence(tets, n))
    return neighbour, int(overfull)


def unpaired_faces(tets, n):
    """Mask (m,4): True where the face opposite that node belongs to no other tetrahedron."""
    return face_neighbours(tets, n)[0] == OUTSIDE


@njit()
def piece_of(neighbour):
    """The lowest tetrahedron (m,) of each one's piece: they are joined through the faces that two of them share.

    neighbour (m,4) as from `face_neighbours`.  Union-find with path halving (Tarjan and van Leeuwen 1984, JACM 31:245).
    """
    m = neighbour.shape[0]
    parent = np.arange(m)
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
    for t in range(m):  # parents are lower, so theirs are known
        parent[t] = parent[parent[t]]
    return parent


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
