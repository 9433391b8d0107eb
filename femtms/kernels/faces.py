"""Which tetrahedra meet at which face: only meshing, checks and reports need it, so it exists for the CPU alone."""

import numpy as np

from femtms.core import call
from femtms.kernels.cpu import incidence

OUTSIDE = -1  # nobody on the other side of the face
OVERFULL = -2  # more than two tetrahedra have this face


def face_neighbours(tets, n):
    """The tetrahedron beyond each face, (m,4) int32, and the number of faces that more than two tetrahedra have.

    tets (m,4), each of four different nodes below n.  Face a is the one opposite node a; OUTSIDE and OVERFULL stand
    where there is no one neighbour.
    """
    tets = _rows_of_four(tets)
    neighbour, overfull = np.empty_like(tets), np.empty(n, np.int32)
    call("face_neighbours", n, tets, *incidence(tets, n), neighbour, overfull)
    return neighbour, int(overfull.sum())


def piece_of(neighbour, group=None):
    """The lowest tetrahedron (m,) of each one's piece: they are joined through the faces that two of them share.

    neighbour (m,4) as from `face_neighbours`; with a group (m,) uint8 those of different groups are not joined.
    """
    piece = np.empty(len(neighbour), np.int64)
    call("piece_of", len(neighbour), _rows_of_four(neighbour), group, piece)
    return piece


def folded_pairs(tets, neighbour):
    """Number of faces whose two tetrahedra, both positively oriented, lie on the same side; and one of the first two.

    tets (m,4) and neighbour (m,4) as from `face_neighbours`.  The second result is -1 when there are none.
    """
    count, first = np.empty(1, np.int64), np.empty(1, np.int64)
    call("folded_pairs", len(tets), _rows_of_four(tets), _rows_of_four(neighbour), count, first)
    return int(count[0]), int(first[0])


def _rows_of_four(a):
    return np.ascontiguousarray(a, dtype=np.int32)
