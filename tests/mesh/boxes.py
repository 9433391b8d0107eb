"""Small boxes of tetrahedra with known figures."""

from itertools import permutations

import numpy as np

REGULAR = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1.0]])  # positively oriented, edges of √8


def box(cells, size=1.0):
    """A box of cubes, each cut into six tetrahedra about its diagonal (Kuhn): nodes (n,3) from 0 up, tets (m,4)."""
    cells = np.array(cells)
    index = np.stack(np.meshgrid(*[np.arange(c + 1) for c in cells], indexing="ij"), axis=-1)
    number = np.arange(len(index.reshape(-1, 3))).reshape(index.shape[:3])
    lower = index[:-1, :-1, :-1].reshape(-1, 3)
    tets = []
    for axes in permutations(range(3)):
        path = np.concatenate([np.zeros((1, 3), int), np.cumsum(np.eye(3, dtype=int)[list(axes)], axis=0)])
        if np.linalg.det(np.eye(3)[list(axes)]) < 0:
            path = path[[0, 2, 1, 3]]
        tets.append(np.stack([number[tuple((lower + step).T)] for step in path], axis=1))
    return size * index.reshape(-1, 3).astype(float), np.concatenate(tets)


def joined(*meshes):
    """Meshes (nodes, tets) side by side, with nodes of their own."""
    starts = np.cumsum([0] + [len(nodes) for nodes, _ in meshes])
    return np.concatenate([m[0] for m in meshes]), np.concatenate([m[1] + s for m, s in zip(meshes, starts)])
