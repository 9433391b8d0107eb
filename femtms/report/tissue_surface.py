"""The surface of some tissues, and what a field of tetrahedra is there: made once for many fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from femtms.mesh.tetmesh import TetMesh
from femtms.report.render import smoothed
from femtms.tissue import Tissue


@dataclass(frozen=True, eq=False)
class TissueSurface:
    """Triangles around some tissues of a mesh, cavities included.

    nodes   (s,3) mm
    faces   (f,3) into nodes, outward
    means   (s,m) sparse, from values of tetrahedra to values of nodes: the mean over the grey matter that meets there,
            weighted by volume, and over all of the tissues where no grey matter does
    """

    nodes: np.ndarray
    faces: np.ndarray
    means: sp.csr_matrix

    @classmethod
    def of(cls, mesh: TetMesh, tags: Sequence[int]) -> "TissueSurface":
        """That of the tissues with some numbers; of all when none of them occurs."""
        inside = np.isin(mesh.tags, tags)
        if not inside.any():
            inside[:] = True
        faces = mesh.faces_around(inside)
        used, faces = np.unique(faces, return_inverse=True)
        on_surface = np.full(len(mesh.nodes), -1)
        on_surface[used] = np.arange(len(used))
        means = sp.csr_matrix((len(used), len(mesh.tets)))
        for chosen in (inside & (mesh.tags == Tissue.GM), inside):
            tets = np.flatnonzero(chosen)
            node = on_surface[mesh.tets[tets]]
            row, corner = np.nonzero(node >= 0)
            volumes = mesh.volumes[tets[row]]
            total = np.bincount(node[row, corner], volumes, len(used))
            fill = (total > 0) & (np.diff(means.indptr) == 0)
            keep = fill[node[row, corner]]
            at = node[row, corner][keep]
            means += sp.csr_matrix((volumes[keep] / total[at], (at, tets[row][keep])), shape=means.shape)
        return cls(1e3 * mesh.nodes[used], faces.reshape(-1, 3), means)

    def values(self, magnE: np.ndarray) -> np.ndarray:
        """|E| (s,) at the nodes from that of the tetrahedra (m,), in its unit."""
        values: np.ndarray = self.means @ magnE
        return values

    @cached_property
    def smooth_nodes(self) -> np.ndarray:
        """nodes (s,3) mm without stair-steps, for display."""
        return smoothed(self.nodes, self.faces)
