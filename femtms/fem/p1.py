"""Linear Lagrange elements on tetrahedra: the discrete form of theory.md (9)-(12)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.backend import Backend
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
    permutation: Any

    @classmethod
    def build(cls, mesh: TetMesh, sigma: np.ndarray, backend: Backend) -> tuple["P1", Any]:
        """The discrete problem, and K (n,n) in S as a CSR matrix on the device."""
        xp, kernels = backend.xp, backend.kernels
        nodes = xp.asarray(mesh.nodes)
        permutation = morton_order(nodes, backend)
        new_id = xp.empty(len(permutation), np.int32)
        new_id[permutation] = xp.arange(len(permutation), dtype=np.int32)
        nodes, tets = xp.ascontiguousarray(nodes[permutation]), xp.ascontiguousarray(new_id[xp.asarray(mesh.tets)])
        sigma = xp.ascontiguousarray(xp.asarray(sigma))
        starts, meeting = kernels.incidence(tets, len(nodes))
        p1 = cls(backend, nodes, tets, sigma, starts, meeting, permutation)
        return p1, kernels.csr(kernels.stiffness(nodes, tets, sigma, starts, meeting), (len(nodes), len(nodes)))

    @staticmethod
    def quadrature_points(mesh: TetMesh) -> np.ndarray:
        """Where ∂A/∂t must be known, (m,3) m: the centroids."""
        return mesh.centroids

    @property
    def unknowns(self) -> int:
        """How many there are: the nodes."""
        return len(self.permutation)

    def at_centroids(self, dadt: Any) -> Any:
        """(m,3) of values at the quadrature points: the same."""
        return dadt

    def load(self, dadt: Any) -> Any:
        """b (n,) in A from ∂A/∂t (m,3) in V/m at the centroids, for the mean in tetrahedra: theory.md (10, 11)."""
        return self.backend.kernels.load(self.nodes, self.tets, self.sigma, dadt, self.starts, self.meeting)

    def field(self, dadt: Any, phi: Any) -> Any:
        """E (m,3) in V/m at the centroids from ∂A/∂t (m,3) V/m and φ (n,) V: theory.md (12)."""
        return self.backend.kernels.electric_field(self.nodes, self.tets, dadt, phi)

    def in_mesh_order(self, phi: Any) -> Any:
        """φ (n,) or (n,k) of our nodes in the order of the mesh's nodes."""
        result = self.backend.xp.empty_like(phi)
        result[self.permutation] = phi
        return result
