"""K φ = b: everything that depends on the head alone is done once, each right-hand side then costs little."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.errors import NotConverged
from femtms.kernels import cpu
from femtms.solver.amg import Multigrid
from femtms.solver.csr import Csr
from femtms.solver.direct import Direct, Factorised
from femtms.solver.guess import EarlierSolutions
from femtms.solver.pcg import Iterates, pcg
from femtms.solver.solution import Solution

MAX_ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class Linear:
    """The linear elements on the mesh of quadratic ones: what the solver has below its finest level.

    stiffness is their K (n,n), and interpolation (N,n) makes quadratic functions of linear ones; both are CSR matrices
    on the device.  unknowns (n,) are the numbers that the nodes have among the quadratic unknowns.
    """

    stiffness: Any
    interpolation: Any
    unknowns: Any

    def ties(self, ties: Any, backend: Backend) -> Any:
        """What ties (n,) of the nodes, see `_ties`, are for the quadratic unknowns (N,); -1 for those not tied."""
        xp = backend.xp
        tied = self.unknowns[xp.flatnonzero(ties == xp.arange(len(ties)))]
        result = xp.full(self.interpolation.shape[0], -1, np.int32)
        result[tied] = tied
        return result

    def prolongation(self, scale: Any, coarse_scale: Any, backend: Backend) -> Any:
        """S^-1 P S_c: the interpolation P between unknowns that are scaled by S (N,) and S_c (n,)."""
        kernels, p = backend.kernels, self.interpolation
        data = kernels.scaled_rows(p, 1 / scale) * coarse_scale[p.indices]
        return kernels.csr((p.indptr, p.indices, data), p.shape)


@dataclass(frozen=True, eq=False)
class PotentialSolver:
    """Solves K φ = b with the diagonal of K scaled to one: (S K S) y = S b, φ = S y, S = diag(K)^-1/2: theory.md (13).

    scale (n,1) is the diagonal of S on the device; hierarchy is what makes the solve cheap, and prints as a table; kept
    is the memory of the last block, by its number of columns.
    """

    backend: Backend
    matrix: Csr
    scale: Any
    hierarchy: Multigrid | Factorised
    earlier: EarlierSolutions | None = None
    kept: dict[int, Iterates] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        stiffness: Any,
        ground: int | None,
        backend: Backend,
        direct: Direct | None = None,
        reuse: int = 0,
        linear: Linear | None = None,
    ) -> "PotentialSolver":
        """Ground K, scale it and make the multigrid hierarchy, or the factors of a direct method if that is asked for.

        stiffness is a CSR matrix on the device; ground is a node, or None for any; reuse is the number of earlier
        solutions that give first guesses; linear is for K of quadratic elements, and ground is then a node of it.
        """
        ties = _ties(stiffness if linear is None else linear.stiffness, ground, backend.kernels)
        if linear is not None:
            coarse, coarse_scale = _scaled(linear.stiffness, ties, backend)
            ties = linear.ties(ties, backend)
        scaled, scale = _scaled(stiffness, ties, backend)
        matrix = Csr.on(backend, scaled, np.float64)
        # K has the constants for its null space, so S K S has S^-1 1
        hierarchy: Multigrid | Factorised
        if direct is not None:
            hierarchy = Factorised.build(scaled, direct, backend)
        elif linear is None:
            hierarchy = Multigrid.build(scaled, 1 / scale, backend)
        else:
            below = Multigrid.build(coarse, 1 / coarse_scale, backend)
            hierarchy = below.raised(matrix, linear.prolongation(scale, coarse_scale, backend))
        earlier = EarlierSolutions(matrix, reuse, backend) if reuse else None
        return cls(backend, matrix, scale[:, None], hierarchy, earlier)

    def solve(self, b: Any, rtol: float) -> Solution:
        """φ for b (n,k) in A, each column to a relative residual of rtol.  Raises NotConverged."""
        start = time.perf_counter()
        scaled = self.scale * b
        if isinstance(self.hierarchy, Multigrid):
            guess = self.earlier.guess(scaled) if self.earlier else None
            y, iterations = pcg(self._iterates(b.shape[1]), scaled, rtol, MAX_ITERATIONS, guess)
            if self.earlier:
                self.earlier.remember(y)
        else:
            y, iterations = self.hierarchy.apply(scaled), np.zeros(b.shape[1], np.int64)
        self.backend.synchronise()
        solved = time.perf_counter()
        residuals = to_host(_relative_residuals(self.matrix, y, scaled, self.backend))
        worst = float(np.max(np.where(np.isfinite(residuals), residuals, np.inf)))
        # the recursive residual that stops conjugate gradients drifts from the true one by rounding only: allow twice
        if worst > 2 * rtol:
            raise NotConverged(
                f"{self.hierarchy.name}: {int(iterations.max())} iterations, residual {worst:.1e} > {rtol:.1e}: are "
                f"there very flat tetrahedra, or conductivities that differ by many orders of magnitude? A direct "
                f"method takes those, too: Simulator(..., solver=Direct())"
            )
        return Solution(
            phi=self.scale * y,
            iterations=iterations,
            residuals=residuals,
            seconds={"solve": solved - start, "residual": time.perf_counter() - solved},
            method=self.hierarchy.name,
            operator_complexity=self.hierarchy.operator_complexity,
            bytes=self.matrix.bytes + self.hierarchy.bytes + 2 * scaled.nbytes,
            device=self.backend.description,
        )

    def release(self) -> None:
        """Give back the memory that is kept for the next block."""
        self.kept.clear()

    def _iterates(self, k: int) -> Iterates:
        """Memory for k right-hand sides, kept from one block to the next of that size."""
        assert isinstance(self.hierarchy, Multigrid)
        if k not in self.kept:
            self.release()  # before more is taken
            self.kept[k] = Iterates(self.matrix, self.hierarchy, k, self.backend)
        return self.kept[k]


def _scaled(stiffness: Any, ties: Any, backend: Backend) -> tuple[Any, Any]:
    """S K S with K tied to ground, and the diagonal (n,) of S: theory.md (13, 14)."""
    kernels = backend.kernels
    tied = _tied(stiffness, ties, kernels)
    scale = 1 / backend.xp.sqrt(kernels.diagonal(tied))
    return kernels.csr((tied.indptr, tied.indices, kernels.scaled_symmetrically(tied, scale)), tied.shape), scale


def _relative_residuals(matrix: Csr, x: Any, b: Any, backend: Backend) -> Any:
    """‖b - A x‖/‖b‖ (k,) of each column in float64; 0 where b and x are zero."""
    xp, dots = backend.xp, backend.kernels.column_dots
    r = xp.empty_like(b)
    backend.kernels.spmm(matrix, x, r)
    xp.subtract(b, r, out=r)
    norm_b = xp.sqrt(dots(b, b))
    return xp.sqrt(dots(r, r)) / xp.where(norm_b > 0, norm_b, 1.0)


def grounded(stiffness: Any, ground: int | None, kernels: Any = cpu) -> Any:
    """K with one node of each connected piece tied to ground, which makes it definite: theory.md (14).

    The tie is a conductance as large as K_gg.  No current flows through it, because the currents b of a closed body
    add up to zero: φ_g = 0, and E is that of the floating body.  K keeps its size and its sparsity.
    kernels are those of the device that K is on.
    """
    return _tied(stiffness, _ties(stiffness, ground, kernels), kernels)


def _ties(stiffness: Any, ground: int | None, kernels: Any) -> Any:
    """For each node (n,) int32 the node that ties its piece to ground: the lowest, or `ground` where that is."""
    ties = kernels.pieces(stiffness)
    if ground is not None:
        ties[ties == ties[ground]] = ground
    return ties


def _tied(stiffness: Any, ties: Any, kernels: Any) -> Any:
    return kernels.csr((stiffness.indptr, stiffness.indices, kernels.tied(stiffness, ties)), stiffness.shape)
