"""One V-cycle of smoothed-aggregation multigrid in single precision, for blocks of columns.

PyAMG builds the hierarchy of the symmetrically scaled matrix on the host; the cycle runs on either device.
Vanek, Mandel & Brezina 1996, Computing 56:179; energy-minimising prolongators: Olson, Schroder & Tuminaro 2011,
SIAM J Sci Comput 33:966; Chebyshev smoothing: Adams et al. 2003, J Comput Phys 188:593.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyamg
from scipy import sparse

from femtms.backend import Backend
from femtms.solver.csr import Csr

_COARSEST = 500
_CHEBYSHEV_SPAN = 20.0  # the smoother damps eigenvalues between largest/20 and largest
_SAFETY = 1.1  # on the estimate of the largest eigenvalue: too small would amplify


@dataclass(frozen=True, eq=False)
class Level:
    """matrix has a unit diagonal; largest bounds its eigenvalues; None transfers on the coarsest level."""

    matrix: Csr
    largest: float
    prolongation: Csr | None
    restriction: Csr | None

    @cached_property
    def chebyshev(self) -> tuple[float, float, float]:
        """1/θ, ρ₁ρ₀ and 2ρ₁/δ of Saad 2003, Alg. 12.1: the numbers of Chebyshev iteration of degree 2."""
        smallest = self.largest / _CHEBYSHEV_SPAN
        theta, delta = 0.5 * (self.largest + smallest), 0.5 * (self.largest - smallest)
        sigma = theta / delta
        rho = 1 / (2 * sigma - 1 / sigma)
        return 1 / theta, rho / sigma, 2 * rho / delta


@dataclass(frozen=True, eq=False)
class Buffers:
    """What the V-cycle writes to on one level: right-hand side b, solution x and a spare y, (n,k) float32."""

    b: Any
    x: Any
    y: Any


@dataclass(frozen=True, eq=False)
class Multigrid:
    """levels from fine to coarse, and the inverse of the coarsest matrix as a (dense) Csr."""

    backend: Backend
    levels: tuple[Level, ...]
    coarse_inverse: Csr

    @classmethod
    def build(cls, matrix: sparse.csr_array, near_null: np.ndarray, backend: Backend) -> "Multigrid":
        """Hierarchy of a matrix with unit diagonal; near_null (n,) is what the smoother cannot see."""
        hierarchy = pyamg.smoothed_aggregation_solver(
            sparse.csr_matrix(matrix),
            B=near_null[:, None],
            strength=("symmetric", {"theta": 0.0}),
            smooth=("energy", {"degree": 1, "maxiter": 2}),
            presmoother=None,
            postsmoother=None,
            max_coarse=_COARSEST,
        )
        matrices = [sparse.csr_array(level.A) for level in hierarchy.levels]
        scales = [1 / np.sqrt(a.diagonal()) for a in matrices]
        scaled = [scaled_symmetrically(a, s) for a, s in zip(matrices, scales)]
        levels = []
        for i, a in enumerate(scaled):
            prolongation = restriction = None
            if i + 1 < len(scaled):
                fine, coarse = sparse.diags_array(1 / scales[i]), sparse.diags_array(scales[i + 1])
                p = sparse.csr_array(fine @ sparse.csr_array(hierarchy.levels[i].P) @ coarse)
                prolongation = Csr.on(backend, p, np.float32)
                restriction = Csr.on(backend, sparse.csr_array(p.T), np.float32)
            levels.append(Level(Csr.on(backend, a, np.float32), _largest_eigenvalue(a), prolongation, restriction))
        inverse = sparse.csr_array(np.linalg.pinv(scaled[-1].toarray(), hermitian=True))
        return cls(backend, tuple(levels), Csr.on(backend, inverse, np.float32))

    def buffers(self, k: int) -> tuple[Buffers, ...]:
        """Memory for the V-cycle of k columns."""
        empty = self.backend.xp.empty
        return tuple(
            Buffers(*(empty((level.matrix.shape[0], k), np.float32) for _ in range(3))) for level in self.levels
        )

    def cycle(self, buffers: tuple[Buffers, ...], depth: int = 0) -> Any:
        """An approximation x (n,k) of the solution for the right-hand side b of buffers[depth], in place."""
        kernels = self.backend.kernels
        level, b, x, y = self.levels[depth], buffers[depth].b, buffers[depth].x, buffers[depth].y
        if level.prolongation is None:
            kernels.spmm(self.coarse_inverse, b, x)
            return x
        # Chebyshev iteration of degree 2 on a matrix with unit diagonal (Saad 2003, Alg. 12.1), written as
        # x₁ = x + b'/θ, x₂ = x₁ + m (x₁ - x) + s (b - A x₁) with the residual b' = b - A x
        t, m, s = level.chebyshev
        kernels.relax(level.matrix, (t * (1 + m) + s, 0, -s * t, 0), b, b, b, x)  # the same from x = 0
        kernels.relax(level.matrix, (0, 1, -1, 0), x, b, b, y)  # the residual
        kernels.spmm(level.restriction, y, buffers[depth + 1].b)
        kernels.spmm_add(level.prolongation, self.cycle(buffers, depth + 1), x)
        kernels.relax(level.matrix, (1, t, -t, 0), x, b, b, y)
        kernels.relax(level.matrix, (1 + m, s, -s, -m), y, b, x, x)
        return x


def scaled_symmetrically(matrix: sparse.csr_array, s: np.ndarray) -> sparse.csr_array:
    """S A S with the diagonal matrix S = diag(s)."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    data = matrix.data * s[rows] * s[matrix.indices]
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _largest_eigenvalue(matrix: sparse.csr_array) -> float:
    """Largest eigenvalue of a symmetric matrix: estimated by Lanczos with a margin, or Gershgorin's bound if less."""
    gershgorin = float(abs(matrix).sum(axis=1).max())
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])  # seeded: results must repeat
    if matrix.shape[0] < 20:
        return gershgorin
    return min(gershgorin, _SAFETY * _lanczos(matrix, start, steps=12))


def _lanczos(matrix: sparse.csr_array, v: np.ndarray, steps: int) -> float:
    """Largest Ritz value of a symmetric matrix after a few steps from v; Saad 2003, Alg. 6.15."""
    alphas, betas = [], []
    v = v / np.linalg.norm(v)
    previous, beta = np.zeros_like(v), 0.0
    for _ in range(steps):
        w = matrix @ v - beta * previous
        alphas.append(float(w @ v))
        w -= alphas[-1] * v
        beta = float(np.linalg.norm(w))
        if beta < 1e-12:
            break
        betas.append(beta)
        previous, v = v, w / beta
    k = len(alphas)
    tridiagonal = np.diag(alphas) + np.diag(betas[: k - 1], 1) + np.diag(betas[: k - 1], -1)
    return float(np.linalg.eigvalsh(tridiagonal)[-1])
