"""Triangles on the outside of a set of tetrahedra."""

import numpy as np

from femtms.kernels import cpu

# Faces opposite nodes 0..3 of a positively oriented tetrahedron, normals outward.
OUTWARD_FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


def boundary_faces(tets: np.ndarray) -> np.ndarray:
    """Triangles (f,3) that belong to exactly one of the given tetrahedra (m,4), oriented outward.

    Pass the tetrahedra of one tissue, or of a union such as white and grey matter, to get its surface.
    """
    unpaired = cpu.unpaired_faces(tets, int(tets.max()) + 1)
    tet, face = np.nonzero(unpaired)
    outer: np.ndarray = tets[tet[:, None], OUTWARD_FACES[face]]
    return outer


def triangle_normals(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area vectors (f,3) in m²: half the cross product of two edges; |.| is the area."""
    a, b, c = (nodes[faces[:, i]] for i in range(3))
    normals: np.ndarray = 0.5 * np.cross(b - a, c - a)
    return normals
