"""Linear Lagrange elements on tetrahedra: the discrete form of theory.md (9)-(12)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.backend import Backend
from femtms.fem.element import Element
from femtms.mesh.order import inverse_of, morton_order
from femtms.mesh.tetmesh import TetMesh


@dataclass(frozen=True, eq=False)
class P1(Element):
    """The conductivity problem in linear elements: the unknowns are the nodes, and nodes and tets have their order."""

    @classmethod
    def build(cls, mesh: TetMesh, sigma: np.ndarray, backend: Backend) -> tuple["P1", Any]:
        """The discrete problem, and K (n,n) in S as a CSR matrix on the device."""
        xp, kernels = backend.xp, backend.kernels
        nodes = xp.asarray(mesh.nodes)
        permutation = morton_order(nodes, backend)
        own = inverse_of(permutation, xp)
        nodes, tets = xp.ascontiguousarray(nodes[permutation]), xp.ascontiguousarray(own[xp.asarray(mesh.tets)])
        sigma = backend.array(sigma)
        starts, meeting = kernels.incidence(tets, len(nodes))
        p1 = cls(backend, nodes, tets, sigma, starts, meeting, permutation)
        return p1, kernels.csr(kernels.stiffness(nodes, tets, sigma, starts, meeting), (len(nodes), len(nodes)))

    @staticmethod
    def quadrature_points(mesh: TetMesh) -> np.ndarray:
        """Where ∂A/∂t must be known, (m,3) m: the centroids."""
        return mesh.centroids

    def at_centroids(self, dadt: Any) -> Any:
        """(k,m,3) of values at the quadrature points: the same."""
        return dadt

    def loads(self, dadt: Any) -> Any:
        """b (n,k) in A from ∂A/∂t (k,m,3) in V/m at the centroids, for the mean in tetrahedra: theory.md (10, 11)."""
        return self.backend.kernels.loads(self.nodes, self.tets, self.sigma, dadt, self.starts, self.meeting)

    def field(self, dadt: Any, phi: Any) -> Any:
        """E (m,3) in V/m at the centroids from ∂A/∂t (m,3) V/m and φ (n,) V: theory.md (12)."""
        return self.backend.kernels.electric_field(self.nodes, self.tets, dadt, phi)

    def strengths(self, dadt: Any, phi: Any, out: Any) -> None:
        """out (k,m) = |E| in V/m at the centroids from ∂A/∂t (k,m,3) V/m and φ (n,k) V."""
        self.backend.kernels.field_strengths(self.nodes, self.tets, dadt, phi, out)
