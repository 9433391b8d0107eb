"""One V-cycle of smoothed-aggregation multigrid in single precision, for blocks of columns.

The hierarchy of the symmetrically scaled matrix is made where it is used, on either device, by the same kernels; only
the coarsest matrix visits the host, for its inverse.
Vanek, Mandel & Brezina 1996, Computing 56:179; aggregates: Bell, Dalton & Olson 2012, SIAM J Sci Comput 34:C123;
energy-minimising prolongators: Olson, Schroder & Tuminaro 2011, SIAM J Sci Comput 33:966; Chebyshev smoothing: Adams
et al. 2003, J Comput Phys 188:593.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from femtms.backend import Backend, to_host
from femtms.errors import FemtmsError
from femtms.kernels.dense import symmetric_inverse
from femtms.solver.csr import Csr

_COARSEST = 500
_LARGEST_INVERSE = 5000  # unknowns of a coarsest matrix that is inverted densely
_STRONG = 0.02  # connections that aggregates follow: on heads 0 takes 45 % more iterations, 0.05 no fewer
_ENERGY_STEPS = 2  # of the minimisation of the prolongator's energy: 1 takes half as many iterations again, 3 no fewer
_SPAN = 20.0  # the smoother damps eigenvalues between largest/20 and largest
_QUADRATIC_SPAN = 8.0  # and on quadratic elements, where the linear ones below see more than aggregates do
_SAFETY = 1.1  # on the estimate of the largest eigenvalue: too small would amplify


@dataclass(frozen=True, eq=False)
class Level:
    """matrix has a unit diagonal; largest bounds its eigenvalues, and those from largest/span on are damped.

    prolongation and restriction are None on the coarsest level.
    """

    matrix: Csr
    largest: float
    span: float
    prolongation: Csr | None = None
    restriction: Csr | None = None

    @cached_property
    def chebyshev(self) -> tuple[float, float, float]:
        """1/θ, ρ₁ρ₀ and 2ρ₁/δ of Saad 2003, Alg. 12.1: the numbers of Chebyshev iteration of degree 2."""
        smallest = self.largest / self.span
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


@dataclass(frozen=True, eq=False, repr=False)
class Multigrid:
    """levels from fine to coarse, and the inverse of the coarsest matrix as a (dense) Csr."""

    backend: Backend
    levels: tuple[Level, ...]
    coarse_inverse: Csr
    name = "multigrid"

    @classmethod
    def build(cls, matrix: Any, near_null: Any, backend: Backend) -> "Multigrid":
        """Hierarchy of a CSR matrix with unit diagonal; near_null (n,) is what the smoother cannot see.

        Raises FemtmsError for a matrix of thousands of disconnected pieces, which has no small coarse level.
        """
        xp, kernels = backend.xp, backend.kernels
        levels = []
        while matrix.shape[0] > _COARSEST:
            for theta in (_STRONG, 0.0):
                strong = kernels.csr(kernels.strong_connections(matrix, theta), matrix.shape)
                aggregate, count = kernels.aggregates(strong)
                if 2 * count <= matrix.shape[0]:
                    break
            else:
                break
            triple, coarse_null = kernels.prolongator(matrix, strong, aggregate, near_null, _ENERGY_STEPS)
            p = kernels.csr(triple, (matrix.shape[0], count))
            r = kernels.csr(kernels.transposed(p), (count, matrix.shape[0]))
            coarse = kernels.csr(kernels.galerkin(r, matrix, p), (count, count))
            scale = 1 / xp.sqrt(kernels.diagonal(coarse))
            levels.append(
                Level(
                    Csr.on(backend, matrix, np.float32),
                    _largest_eigenvalue(matrix, backend),
                    _SPAN,
                    Csr.on(backend, _with_data(p, p.data * scale[p.indices], backend), np.float32),
                    Csr.on(backend, _with_data(r, kernels.scaled_rows(r, scale), backend), np.float32),
                )
            )
            matrix = _with_data(coarse, kernels.scaled_symmetrically(coarse, scale), backend)
            near_null = coarse_null / scale
        if matrix.shape[0] > _LARGEST_INVERSE:
            raise FemtmsError(
                f"the tetrahedra must hang together; they fall into so many pieces that the coarsest level of the "
                f"solver has {matrix.shape[0]:,} unknowns: is the mesh damaged?"
            )
        levels.append(Level(Csr.on(backend, matrix, np.float32), _largest_eigenvalue(matrix, backend), _SPAN))
        rows = tuple(to_host(a) for a in (matrix.data, matrix.indices, matrix.indptr))
        on_host = sparse.csr_array(rows, shape=matrix.shape)
        inverse = sparse.csr_array(symmetric_inverse(on_host.toarray()))
        return cls(backend, tuple(levels), Csr.on(backend, inverse, np.float32))

    def raised(self, matrix: Csr, prolongation: Any) -> "Multigrid":
        """The hierarchy of quadratic elements that has this one, of linear elements, below its finest level.

        matrix (N,N) float64 with unit diagonal, and prolongation (N,n), a CSR matrix on the device.
        """
        backend = self.backend
        transposed = backend.kernels.csr(backend.kernels.transposed(prolongation), prolongation.shape[::-1])
        finest = Level(
            matrix.single(),
            _largest_eigenvalue(matrix, backend),
            _QUADRATIC_SPAN,
            Csr.on(backend, prolongation, np.float32),
            Csr.on(backend, transposed, np.float32),
        )
        return Multigrid(backend, (finest, *self.levels), self.coarse_inverse)

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
        # x₁ = x + t (b - A x), x₂ = x₁ + m (x₁ - x) + s (b - A x₁)
        t, m, s = level.chebyshev
        kernels.relax(level.matrix, (t * (1 + m) + s, 0, -s * t, 0), b, b, b, x)  # both steps from x = 0
        kernels.relax(level.matrix, (0, 1, -1, 0), x, b, b, y)  # the residual
        kernels.spmm(level.restriction, y, buffers[depth + 1].b)
        kernels.spmm_add(level.prolongation, self.cycle(buffers, depth + 1), x)
        kernels.relax(level.matrix, (1, t, -t, 0), x, b, b, y)
        kernels.relax(level.matrix, (1 + m, s, -s, -m), y, b, x, x)
        return x

    @property
    def operator_complexity(self) -> float:
        """Entries of the matrices of all levels, relative to the finest: the cost of a V-cycle."""
        entries = [level.matrix.entries for level in self.levels]
        return sum(entries) / entries[0]

    @property
    def bytes(self) -> int:
        """Memory of the hierarchy on its device."""
        transfers = [m for level in self.levels for m in (level.prolongation, level.restriction) if m is not None]
        return sum(m.bytes for m in [*(level.matrix for level in self.levels), *transfers, self.coarse_inverse])

    def __repr__(self) -> str:
        lines = [f"{'level':>5}{'unknowns':>12}{'entries':>13}{'per row':>9}{'λ max':>7}"]
        for i, level in enumerate(self.levels):
            n, entries = level.matrix.shape[0], level.matrix.entries
            lines.append(f"{i:>5}{n:>12,}{entries:>13,}{entries / n:>9.1f}{level.largest:>7.2f}")
        lines.append(f"operator complexity {self.operator_complexity:.2f}, {1e-6 * self.bytes:,.0f} MB")
        return "\n".join(lines)


def _with_data(matrix: Any, data: Any, backend: Backend) -> Any:
    """The matrix with other numbers in the same places."""
    return backend.kernels.csr((matrix.indptr, matrix.indices, data), matrix.shape)


def _largest_eigenvalue(matrix: Any, backend: Backend) -> float:
    """Largest eigenvalue of a symmetric matrix: estimated by Lanczos with a margin, or Gershgorin's bound if less."""
    bound = backend.kernels.gershgorin(matrix)
    if matrix.shape[0] < 20:
        return bound
    start = np.random.default_rng(0).standard_normal((matrix.shape[0], 1))  # seeded: results must repeat
    return min(bound, _SAFETY * _lanczos(matrix, backend.xp.asarray(start), 12, backend))


def _lanczos(matrix: Any, v: Any, steps: int, backend: Backend) -> float:
    """Largest Ritz value of a symmetric matrix after a few steps from v (n,1); Saad 2003, Alg. 6.15."""
    xp, kernels = backend.xp, backend.kernels

    def norm(x: Any) -> float:
        # not that of BLAS, whose last bits depend on its threads
        return float(kernels.column_dots(x, x)[0]) ** 0.5

    alphas, betas = [], []
    v = v / norm(v)
    previous, beta = xp.zeros_like(v), 0.0
    for _ in range(steps):
        w = xp.empty_like(v)
        alphas.append(float(kernels.spmm_dots(matrix, v, w)[0]))
        w -= beta * previous
        w -= alphas[-1] * v
        beta = norm(w)
        if beta < 1e-12:
            break
        betas.append(beta)
        previous, v = v, w / beta
    k = len(alphas)
    tridiagonal = np.diag(alphas) + np.diag(betas[: k - 1], 1) + np.diag(betas[: k - 1], -1)
    return float(np.linalg.eigvalsh(tridiagonal)[-1])
