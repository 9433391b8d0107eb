"""First guesses from earlier solutions: the next coil pose is rarely far from all that were solved before.

Fischer 1998, Comput Methods Appl Mech Engrg 163:193: the guess is the A-orthogonal projection of the solution onto the
span of earlier ones.
"""

from typing import Any

from femtms.backend import Backend
from femtms.solver.csr import Csr


class EarlierSolutions:
    """An A-orthonormal basis of the span of the latest solutions of A x = b; forgets all when it is full.

    A result then depends, within the tolerance of the solver, on what was solved before.
    """

    def __init__(self, matrix: Csr, size: int, backend: Backend) -> None:
        self._matrix = matrix
        self._backend = backend
        self._basis = backend.xp.zeros((size, matrix.shape[0]))
        self._count = 0

    def guess(self, b: Any) -> Any:
        """The best x (n,k) in the span, in the norm of A, for b (n,k)."""
        known = self._basis[: self._count]
        return self._backend.xp.ascontiguousarray(known.T @ (known @ b))

    def remember(self, x: Any) -> None:
        """Add solutions x (n,k) to the span."""
        xp = self._backend.xp
        for column in x.T:
            if self._count == len(self._basis):
                self._count = 0
            known = self._basis[: self._count]
            v = xp.ascontiguousarray(column)[:, None]
            whole, av = self._norm(v)
            for _ in range(2):  # once more, for what rounding left
                v = v - known.T @ (known @ av)
                rest, av = self._norm(v)
            if rest > 1e-8 * whole:  # else it is in the span already
                self._basis[self._count] = v[:, 0] / rest
                self._count += 1

    def _norm(self, v: Any) -> tuple[float, Any]:
        """sqrt(v·A v) and A v, for v (n,1)."""
        av = self._backend.xp.empty_like(v)
        return float(self._backend.kernels.spmm_dots(self._matrix, v, av)[0]) ** 0.5, av
