"""K φ = b: everything that depends on the head alone is done once, each right-hand side then costs little."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from femtms.backend import Backend
from femtms.kernels import coarsen
from femtms.solver.amg import Multigrid
from femtms.solver.csr import Csr
from femtms.solver.pcg import pcg

MAX_ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class PotentialSolver:
    """Solves K φ = b with the diagonal of K scaled to one: (S K S) y = S b, φ = S y, S = diag(K)^-1/2: theory.md (13).

    scale (n,1) is the diagonal of S on the device.
    """

    backend: Backend
    matrix: Csr
    scale: Any
    multigrid: Multigrid

    @classmethod
    def build(cls, stiffness: sparse.csr_array, ground: int | None, backend: Backend) -> "PotentialSolver":
        """Ground K, scale it and make the multigrid hierarchy.  ground is a node, or None for any."""
        tied = grounded(stiffness, ground)
        diagonal = tied.diagonal()
        scale = 1 / np.sqrt(diagonal)
        scaled = sparse.csr_array((coarsen.scaled_symmetrically(tied, scale), tied.indices, tied.indptr), tied.shape)
        # K has the constants for its null space, so S K S has S^-1 1
        multigrid = Multigrid.build(scaled, np.sqrt(diagonal), backend)
        return cls(backend, Csr.on(backend, scaled, np.float64), backend.xp.asarray(scale[:, None]), multigrid)

    def solve(self, b: Any, rtol: float) -> tuple[Any, np.ndarray, np.ndarray]:
        """φ (n,k) in V, iterations (k,) and relative residuals (k,) of the scaled system, for b (n,k) in A."""
        y, iterations, residuals = pcg(self.matrix, self.scale * b, self.multigrid, rtol, MAX_ITERATIONS, self.backend)
        return self.scale * y, iterations, residuals


def grounded(stiffness: sparse.csr_array, ground: int | None) -> sparse.csr_array:
    """K with one node of each connected piece tied to ground, which makes it definite: theory.md (14).

    The tie is a conductance as large as K_gg.  No current flows through it, because the currents b of a closed body
    add up to zero: φ_g = 0, and E is that of the floating body.  K keeps its size and its sparsity.
    """
    n = stiffness.shape[0]
    pieces, piece = sparse.csgraph.connected_components(stiffness, directed=False)
    first = np.full(pieces, n)
    np.minimum.at(first, piece, np.arange(n))
    if ground is not None:
        first[piece[ground]] = ground
    data = stiffness.data.copy()
    for node in first:
        row = slice(stiffness.indptr[node], stiffness.indptr[node + 1])
        data[row] *= np.where(stiffness.indices[row] == node, 2, 1)
    return sparse.csr_array((data, stiffness.indices, stiffness.indptr), shape=stiffness.shape)
