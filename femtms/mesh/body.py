"""The head without the air around it, as the optimiser needs it."""

from typing import NamedTuple

import numba
import numpy as np

from femtms.kernels.cpu import incidence
from femtms.kernels.jit import njit
from femtms.mesh.surface import OUTWARD_FACES


class Body(NamedTuple):
    """Tetrahedra of tissue.

    x          (n,3) mm
    tets       (m,4) int32
    labels     (m,) uint8, all > 0
    bits       (n,) int64: bit l is set where a tetrahedron of label l meets the node; bit 0 on the outer surface
    triangles  (f,3) int32 between two labels, or between a label and air
    pairs      (f,2) uint8, the lower and the higher of the two labels
    """

    x: np.ndarray
    tets: np.ndarray
    labels: np.ndarray
    bits: np.ndarray
    triangles: np.ndarray
    pairs: np.ndarray


def body_of(x: np.ndarray, tets: np.ndarray, labels: np.ndarray, behind: np.ndarray) -> Body:
    """The tetrahedra (m,4) whose labels (m,) are not air; behind (m,4) are their neighbours through each face."""
    bits = _labels_around(labels, *incidence(tets, len(x)))
    other = np.where(behind >= 0, labels[behind], 0).astype(np.uint8)
    tet, face = np.nonzero(labels[:, None] > other)
    triangles = tets[tet[:, None], OUTWARD_FACES[face]]
    pairs = np.column_stack([other[tet, face], labels[tet]])
    inside = labels > 0
    tets, labels = tets[inside], labels[inside]
    used = np.zeros(len(x), bool)
    used[tets] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return Body(x[used], number[tets], labels, bits[used], number[triangles], pairs)


@njit(parallel=True)
def _labels_around(labels, starts, meeting):
    """The labels (n,) of the tetrahedra around each node, as bits."""
    bits = np.zeros(starts.size - 1, np.int64)
    for i in numba.prange(starts.size - 1):
        for p in range(starts[i], starts[i + 1]):
            bits[i] |= 1 << np.int64(labels[meeting[p]])
    return bits
