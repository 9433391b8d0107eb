"""From elements to their nodes."""

import numpy as np


def sums_at_nodes(elements: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sums (n,c) at the nodes of what the elements there give to their corners.

    elements  nodes (m,k) of triangles or tetrahedra
    values    (m,k,c), or (m,1,c) where an element gives the same to all its corners
    count     n, how many nodes there are
    """
    corners = elements.ravel()
    given = np.broadcast_to(values, (*elements.shape, values.shape[-1]))
    return np.column_stack([np.bincount(corners, given[..., c].ravel(), count) for c in range(given.shape[-1])])
