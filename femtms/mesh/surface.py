"""Triangles on the outside of a set of tetrahedra."""

import numpy as np

# Faces opposite nodes 0..3 of a positively oriented tetrahedron, normals outward.
OUTWARD_FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


def boundary_faces(tets: np.ndarray) -> np.ndarray:
    """Triangles (f,3) that belong to exactly one of the given tetrahedra (m,4), oriented outward.

    Pass the tetrahedra of one tissue, or of a union such as white and grey matter, to get its surface.
    """
    faces = tets[:, OUTWARD_FACES].reshape(-1, 3)
    low, middle, high = np.sort(faces, axis=1).astype(np.int64).T
    n = int(tets.max()) + 1
    # two lexsort keys instead of one product of three: n**3 overflows int64 above two million nodes
    order = np.lexsort((high, low * n + middle))
    a, b = (low * n + middle)[order], high[order]
    same_as_next = (a[1:] == a[:-1]) & (b[1:] == b[:-1])
    paired = np.zeros(len(faces), dtype=bool)
    paired[:-1] |= same_as_next
    paired[1:] |= same_as_next
    outer: np.ndarray = faces[np.sort(order[~paired])]
    return outer


def triangle_normals(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area vectors (f,3) in m²: half the cross product of two edges; |.| is the area."""
    a, b, c = (nodes[faces[:, i]] for i in range(3))
    normals: np.ndarray = 0.5 * np.cross(b - a, c - a)
    return normals
