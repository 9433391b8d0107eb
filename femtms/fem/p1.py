"""Linear Lagrange elements on tetrahedra: the discrete form of theory.md (9)-(12)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from femtms.backend import Backend, to_host
from femtms.kernels import cpu
from femtms.mesh.order import morton_order
from femtms.mesh.tetmesh import TetMesh


@dataclass(frozen=True, eq=False)
class P1:
    """The conductivity problem in linear elements; arrays live on the device of `backend`.

    nodes (n,3) m in Morton order, tets (m,4), sigma (m,1) or (m,6) S/m; starts (n+1,) and meeting (4m,) say which
    tetrahedra meet at each node; permutation (n,) gives the mesh's node for each of ours.
    """

    backend: Backend
    nodes: Any
    tets: Any
    sigma: Any
    starts: Any
    meeting: Any
    permutation: np.ndarray

    @classmethod
    def build(cls, mesh: TetMesh, sigma: np.ndarray, backend: Backend) -> tuple["P1", sparse.csr_array]:
        """The discrete problem, and K (n,n) in S on the host, where the multigrid hierarchy is made."""
        permutation = morton_order(mesh.nodes)
        new_id = np.empty(len(permutation), np.int32)
        new_id[permutation] = np.arange(len(permutation), dtype=np.int32)
        nodes, tets = mesh.nodes[permutation], new_id[mesh.tets]
        starts, meeting = cpu.incidence(tets, len(nodes))

        indptr, indices, values = cpu.stiffness(nodes, tets, sigma, starts, meeting)
        stiffness = sparse.csr_array((values, indices, indptr), shape=(len(nodes), len(nodes)))
        on_device = backend.xp.ascontiguousarray
        p1 = cls(
            backend=backend,
            nodes=on_device(nodes),
            tets=on_device(tets),
            sigma=on_device(sigma),
            starts=on_device(starts),
            meeting=on_device(meeting),
            permutation=permutation,
        )
        return p1, stiffness

    def load(self, dadt: Any) -> Any:
        """b (n,) in A from ∂A/∂t (m,3) in V/m at the centroids, for the mean in tetrahedra: theory.md (10, 11)."""
        return self.backend.kernels.load(self.nodes, self.tets, self.sigma, dadt, self.starts, self.meeting)

    def field(self, dadt: Any, phi: Any) -> Any:
        """E (m,3) in V/m at the centroids from ∂A/∂t (m,3) V/m and φ (n,) V: theory.md (12)."""
        grad_phi = self.backend.kernels.gradient(self.nodes, self.tets, phi)
        return -dadt - grad_phi

    def in_mesh_order(self, phi: Any) -> np.ndarray:
        """φ (n,) of our nodes as a NumPy array in the order of the mesh's nodes."""
        result = np.empty(len(self.permutation))
        result[self.permutation] = to_host(phi)
        return result
