"""Quadratic Lagrange elements on tetrahedra: the discrete form of theory.md (30)-(33)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.fem import lagrange
from femtms.fem.element import Element
from femtms.mesh.order import inverse_of, morton_order
from femtms.mesh.tetmesh import TetMesh


@dataclass(frozen=True, eq=False)
class P2(Element):
    """The conductivity problem in quadratic elements: the unknowns are the nodes and the middles of the edges.

    dofs (m,10) are those of each tetrahedron, and weights (q,10,3) those of the quadrature times the gradients of the
    shape functions; nodes and tets are in the order of the mesh.
    """

    dofs: Any
    weights: Any

    @classmethod
    def build(cls, mesh: TetMesh, sigma: np.ndarray, backend: Backend) -> tuple["P2", Any]:
        """The discrete problem, and K (N,N) in S as a CSR matrix on the device."""
        xp, kernels = backend.xp, backend.kernels
        nodes, tets = xp.asarray(mesh.nodes), xp.asarray(mesh.tets)
        sigma = backend.array(sigma)
        permutation = morton_order(xp.asarray(lagrange.quadratic_points(mesh)), backend)
        dofs = xp.ascontiguousarray(inverse_of(permutation, xp)[xp.asarray(lagrange.quadratic_dofs(mesh))])
        starts, meeting = kernels.incidence(dofs, len(permutation))
        table = xp.asarray(lagrange.stiffness_table())
        stiffness = kernels.quadratic_stiffness(dofs, kernels.metrics(nodes, tets, sigma), table, starts, meeting)
        weights = xp.asarray(lagrange.WEIGHTS[:, None, None] * lagrange.gradients())
        p2 = cls(backend, nodes, tets, sigma, starts, meeting, permutation, dofs, weights)
        return p2, kernels.csr(stiffness, (len(permutation), len(permutation)))

    @property
    def of_nodes(self) -> Any:
        """The unknown (n,) of each node of the mesh."""
        return inverse_of(self.permutation, self.backend.xp)[: len(self.nodes)]

    def interpolation(self, mesh: TetMesh, permutation: Any) -> Any:
        """The linear functions in terms of the quadratic ones: a CSR matrix (N,n) on the device.

        permutation (n,) gives the mesh's node for each unknown of the linear elements.
        """
        n, e = len(mesh.nodes), len(mesh.edges)
        ours, column = to_host(self.permutation), inverse_of(to_host(permutation), np)
        # a node has the value of its node, the middle of an edge the mean of its two ends
        columns = np.concatenate([np.column_stack([column, column]), np.sort(column[mesh.edges], axis=1)])[ours]
        is_edge = ours >= n
        values = np.where(is_edge[:, None], 0.5, np.array([1.0, 0.0]))
        kept = np.column_stack([np.ones(n + e, bool), is_edge])
        starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
        asarray = self.backend.xp.asarray
        triple = asarray(starts), asarray(columns[kept]), asarray(values[kept])
        return self.backend.kernels.csr(triple, (n + e, n))

    @staticmethod
    def quadrature_points(mesh: TetMesh) -> np.ndarray:
        """Where ∂A/∂t must be known, (5m,3) m: five points in each tetrahedron."""
        return lagrange.quadrature_points(mesh)

    def loads(self, dadt: Any) -> Any:
        """b (N,k) in A from ∂A/∂t (k,5m,3) in V/m at the quadrature points: theory.md (32)."""
        b = self.backend.xp.empty((self.unknowns, len(dadt)))
        element, dofs = (self.nodes, self.tets, self.sigma), (self.weights, self.dofs, self.starts, self.meeting)
        for i in range(len(dadt)):
            b[:, i] = self.backend.kernels.quadratic_load(*element, dadt[i], *dofs)
        return b

    def at_centroids(self, dadt: Any) -> Any:
        """(k,m,3) of values (k,5m,3) at the quadrature points, or (m,3) of (5m,3)."""
        return self.backend.xp.ascontiguousarray(dadt[..., :: len(lagrange.POINTS), :])

    def field(self, dadt: Any, phi: Any) -> Any:
        """E (m,3) in V/m at the centroids from ∂A/∂t (m,3) V/m there and φ (N,) V: theory.md (33)."""
        return self.backend.kernels.quadratic_field(self.nodes, self.tets, self.dofs, dadt, phi)
