"""Quadratic Lagrange elements on tetrahedra: the discrete form of theory.md (30)-(33)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.fem import lagrange
from femtms.mesh.order import morton_order
from femtms.mesh.tetmesh import TetMesh


@dataclass(frozen=True, eq=False)
class P2:
    """The conductivity problem in quadratic elements; arrays live on the device of `backend`.

    nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m; dofs (m,10): the unknowns of each tetrahedron, which are
    numbered in Morton order; starts and meeting (10m,) say which tetrahedra meet at each unknown; weights (q,10,3) of
    the quadrature; permutation (N,) gives the mesh's unknown, a node or n plus an edge, for each of ours.
    """

    backend: Backend
    nodes: Any
    tets: Any
    sigma: Any
    dofs: Any
    starts: Any
    meeting: Any
    weights: Any
    permutation: Any

    @classmethod
    def build(cls, mesh: TetMesh, sigma: np.ndarray, backend: Backend) -> tuple["P2", Any]:
        """The discrete problem, and K (N,N) in S as a CSR matrix on the device."""
        xp, kernels = backend.xp, backend.kernels
        nodes, tets = xp.asarray(mesh.nodes), xp.asarray(mesh.tets)
        sigma = xp.ascontiguousarray(xp.asarray(sigma))
        permutation = morton_order(xp.asarray(lagrange.quadratic_points(mesh)), backend)
        new_id = xp.empty(len(permutation), np.int32)
        new_id[permutation] = xp.arange(len(permutation), dtype=np.int32)
        dofs = xp.ascontiguousarray(new_id[xp.asarray(lagrange.quadratic_dofs(mesh))])
        starts, meeting = kernels.incidence(dofs, len(permutation))
        table = xp.asarray(lagrange.stiffness_table())
        stiffness = kernels.quadratic_stiffness(dofs, kernels.metrics(nodes, tets, sigma), table, starts, meeting)
        weights = xp.asarray(lagrange.WEIGHTS[:, None, None] * lagrange.gradients())
        p2 = cls(backend, nodes, tets, sigma, dofs, starts, meeting, weights, permutation)
        return p2, kernels.csr(stiffness, (len(permutation), len(permutation)))

    @property
    def of_nodes(self) -> Any:
        """The unknown (n,) of each node of the mesh."""
        new_id = self.backend.xp.empty(len(self.permutation), np.int32)
        new_id[self.permutation] = self.backend.xp.arange(len(self.permutation), dtype=np.int32)
        return new_id[: len(self.nodes)]

    def interpolation(self, mesh: TetMesh, permutation: Any) -> Any:
        """The linear functions in terms of the quadratic ones: a CSR matrix (N,n) on the device.

        permutation (n,) gives the mesh's node for each unknown of the linear elements.
        """
        n, e = len(mesh.nodes), len(mesh.edges)
        ours, theirs = (to_host(a) for a in (self.permutation, permutation))
        column = np.empty(n, np.int32)
        column[theirs] = np.arange(n, dtype=np.int32)
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

    @property
    def unknowns(self) -> int:
        """How many there are: nodes and edges."""
        return len(self.permutation)

    def load(self, dadt: Any) -> Any:
        """b (N,) in A from ∂A/∂t (5m,3) in V/m at the quadrature points: theory.md (32)."""
        element = self.nodes, self.tets, self.sigma
        return self.backend.kernels.quadratic_load(*element, dadt, self.weights, self.dofs, self.starts, self.meeting)

    def at_centroids(self, dadt: Any) -> Any:
        """(m,3) of values (5m,3) at the quadrature points."""
        return self.backend.xp.ascontiguousarray(dadt[:: len(lagrange.POINTS)])

    def field(self, dadt: Any, phi: Any) -> Any:
        """E (m,3) in V/m at the centroids from ∂A/∂t (m,3) V/m there and φ (N,) V: theory.md (33)."""
        return self.backend.kernels.quadratic_field(self.nodes, self.tets, self.dofs, dadt, phi)

    def in_mesh_order(self, phi: Any) -> Any:
        """φ (N,) or (N,k) of our unknowns in the order of the mesh: nodes, then edges."""
        result = self.backend.xp.empty_like(phi)
        result[self.permutation] = phi
        return result
