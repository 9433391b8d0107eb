"""The triangles between tissues, and between tissue and air: how large they are and how they fold."""

from dataclasses import dataclass

import numpy as np

from femtms.errors import FemtmsError
from femtms.kernels.faces import OVERFULL
from femtms.mesh.surface import OUTWARD_FACES, triangle_normals
from femtms.mesh.topology import edge_keys


@dataclass(frozen=True, eq=False)
class Interfaces:
    """Triangles of a mesh that have different tissues on their sides; air is tissue 0.

    triangles  (f,3) node indices; the normal points out of the tissue with the higher number
    low, high  (f,) the lower and the higher tissue number
    """

    triangles: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def pairs(self) -> tuple[list[tuple[int, int]], np.ndarray]:
        """The pairs (low, high) that occur, sorted, and the index (f,) of each triangle's pair."""
        pairs, index = np.unique(self.low.astype(np.int64) << 32 | self.high, return_inverse=True)
        return [(int(p >> 32), int(p & 0xFFFFFFFF)) for p in pairs], index.ravel()

    def nodes_of_one_pair(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes (k,) at which just two tissues meet, and the lower and the higher (k,) of these."""
        n = int(self.triangles.max(initial=-1)) + 1
        low, high = np.full(n, np.iinfo(np.int32).max), np.full(n, -1)
        single = np.ones(n, bool)
        for corner in self.triangles.T:
            np.minimum.at(low, corner, self.low)
            np.maximum.at(high, corner, self.high)
        for corner in self.triangles.T:
            single[corner[(low[corner] != self.low) | (high[corner] != self.high)]] = False
        nodes = np.flatnonzero(single & (high >= 0))
        return nodes, low[nodes], high[nodes]


def interfaces_of(tets: np.ndarray, tags: np.ndarray, neighbour: np.ndarray) -> Interfaces:
    """Interfaces of tets (m,4) with tags (m,), given the neighbours (m,4) that `face_neighbours` finds.

    Faces that more than two tetrahedra have lie between no two tissues, and are left out.
    """
    beyond = np.where(neighbour >= 0, tags[neighbour], 0)
    tet, face = np.nonzero((beyond < tags[:, None]) & (neighbour != OVERFULL))
    return Interfaces(tets[tet[:, None], OUTWARD_FACES[face]], beyond[tet, face], tags[tet])


def folds(nodes: np.ndarray, triangles: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles (k,) in degrees between neighbouring triangles (f,3) of the same pair (f,), and the pair (k,) of each.

    0 is flat.  Neighbours share an edge that no third triangle of that pair has.
    """
    n = len(nodes)
    pairs = int(pair.max(initial=0)) + 1
    if pairs * n**2 >= 2**63:
        raise FemtmsError(f"{pairs} pairs of tissues in a mesh of {n:,} nodes are more than can be told apart")
    keys = (edge_keys(triangles, n) + pair[:, None] * n**2).ravel()
    order = np.argsort(keys)
    same = np.concatenate([[False], np.diff(keys[order]) == 0, [False]])
    begins = np.flatnonzero(same[1:-1] & ~same[:-2] & ~same[2:])  # runs of exactly two
    one, other = order[begins] // 3, order[begins + 1] // 3
    normals = triangle_normals(nodes, triangles)
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-300)[:, None]
    cosines = np.einsum("kd,kd->k", normals[one], normals[other])
    return np.degrees(np.arccos(np.clip(cosines, -1, 1))), pair[one]
