"""The head without the air around it, as the optimiser needs it."""

from typing import NamedTuple

import numpy as np

from femtms.core import call
from femtms.kernels.cpu import incidence
from femtms.mesh.surface import OUTWARD_FACES


class Body(NamedTuple):
    """Tetrahedra of tissue.

    x          (n,3) mm
    tets       (m,4) int32
    labels     (m,) uint8, all > 0
    bits       (n,) int64: bit l is set where a tetrahedron of label l meets the node; bit 0 on the outer surface
    triangles  (f,3) int32 between two labels, or between a label and air
    pairs      (f,2) uint8, the lower and the higher of the two labels
    gaps       (g,4) int32, positive: air between parts of the outer surface that could close, and tissue overlap
    hinged     (g,) bool: the gap a, b, c, d is between two triangles abc and bad of the outer surface, which meet in
               the hollow edge ab; the others are bridges of air between parts that share no edge
    """

    x: np.ndarray
    tets: np.ndarray
    labels: np.ndarray
    bits: np.ndarray
    triangles: np.ndarray
    pairs: np.ndarray
    gaps: np.ndarray
    hinged: np.ndarray


def body_of(x: np.ndarray, tets: np.ndarray, labels: np.ndarray, behind: np.ndarray) -> Body:
    """The tetrahedra (m,4) whose labels (m,) are not air; behind (m,4) are their neighbours through each face."""
    bits = np.empty(len(x), np.int64)
    call("labels_around", len(x), labels, *incidence(tets, len(x)), bits)
    other = np.where(behind >= 0, labels[behind], 0).astype(np.uint8)
    tet, face = np.nonzero(labels[:, None] > other)
    triangles = tets[tet[:, None], OUTWARD_FACES[face]]
    pairs = np.column_stack([other[tet, face], labels[tet]])
    inside, used = labels > 0, bits > 1
    air = np.flatnonzero(~inside)
    air = air[used[tets[air]].all(axis=1) & ((other[air] > 0).sum(axis=1) < 2)]
    bridges, tets, labels = tets[air], tets[inside], labels[inside]
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    wedges = _wedges(x, triangles[pairs[:, 0] == 0])
    gaps = number[np.concatenate([wedges, bridges])]
    hinged = np.arange(len(gaps)) < len(wedges)
    return Body(x[used], number[tets], labels, bits[used], number[triangles], pairs, gaps, hinged)


def _wedges(x: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Edges (a, b) and opposite corners c, d (w,4) of outer triangles (f,3) abc and bad with less than 180° of air."""
    a, b, c = (np.roll(outer, -k, axis=1).ravel() for k in range(3))  # edge a-b, opposite corner c
    n = len(x)
    key = np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b)
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order]) == 0)
    one, two = order[first], order[first + 1]
    a, b, c, d = a[one], b[one], c[one], c[two]
    normal = np.cross(x[b] - x[a], x[c] - x[a])
    hollow = (normal * (x[d] - x[a])).sum(axis=1) > 0
    return np.column_stack([a, b, c, d])[hollow].astype(np.int32)
