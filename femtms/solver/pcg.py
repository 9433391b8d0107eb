"""Preconditioned conjugate gradients for a block of right-hand sides, each on its own.

Saad 2003, Iterative Methods for Sparse Linear Systems, Alg. 9.1.  Columns share the products with K but no number:
a column stops by its own residual, and its bits do not depend on which other columns are in the block.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.errors import NotConverged
from femtms.solver.csr import Csr


def pcg(
    matrix: Csr, b: Any, precondition: Callable[[Any], Any], rtol: float, max_iterations: int, backend: Backend
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Solution x (n,k), iterations (k,) and relative residuals ‖b - A x‖/‖b‖ (k,), recomputed at the end.

    matrix (n,n) float64, b (n,k) float64; precondition maps (n,k) float32 to (n,k) float32.
    Raises NotConverged when a residual is above 2 rtol at the end, or not finite.
    """
    xp, dots = backend.xp, backend.kernels.column_dots

    def preconditioned(r: Any, norm: Any) -> Any:
        # scaled to length one, or float32 could underflow near convergence
        z = precondition((r / norm).astype(np.float32))
        return z.astype(np.float64) * norm

    norm_b = xp.sqrt(dots(b, b))
    if not bool(xp.isfinite(norm_b).all()):
        raise NotConverged("PCG: the right-hand side is not finite; is a source inside or on the head?")
    x = xp.zeros_like(b)
    r, norm_r = b.copy(), norm_b  # step 1
    active = norm_b > 0  # a zero column is solved by zero
    norm_b = xp.where(active, norm_b, 1.0)
    iterations = xp.zeros(b.shape[1], np.int64)
    z = preconditioned(r, xp.where(active, norm_r, 1.0))
    p = z.copy()
    rz = dots(r, z)
    for _ in range(max_iterations):
        ap = backend.kernels.spmm(matrix, p)
        alpha = xp.where(active, rz / xp.where(active, dots(p, ap), 1.0), 0.0)  # step 3; a finished column stands still
        x += alpha * p  # step 4
        r -= alpha * ap  # step 5
        iterations += active
        norm_r = xp.sqrt(dots(r, r))
        active &= ~(norm_r <= rtol * norm_b)  # NaN stays active, and fails below
        if not bool(active.any()):
            break
        z = preconditioned(r, xp.where(active, norm_r, 1.0))  # step 6
        rz_next = dots(r, z)
        beta = xp.where(active, rz_next / xp.where(active, rz, 1.0), 0.0)  # step 7
        p = z + beta * p  # step 8
        rz = rz_next

    r = b - backend.kernels.spmm(matrix, x)
    residual = to_host(xp.sqrt(dots(r, r)) / norm_b)
    worst = float(np.max(np.where(np.isfinite(residual), residual, np.inf)))
    # the recursive residual that stops the loop drifts from the true one by rounding only: a factor of 2 is allowed
    if worst > 2 * rtol:
        raise NotConverged(
            f"PCG: {int(iterations.max())} iterations, residual {worst:.1e} > {rtol:.1e}: are there very "
            f"flat tetrahedra, or conductivities that differ by many orders of magnitude?"
        )
    return x, to_host(iterations), residual
