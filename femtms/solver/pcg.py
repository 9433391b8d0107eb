"""Preconditioned conjugate gradients for a block of right-hand sides, each on its own.

Saad 2003, Iterative Methods for Sparse Linear Systems, Alg. 9.1.  Columns share the products with A but no number:
a column stops by its own residual, and its bits do not depend on which other columns are in the block.
"""

from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.errors import NotConverged
from femtms.solver.amg import Multigrid
from femtms.solver.csr import Csr


def pcg(
    matrix: Csr,
    b: Any,
    multigrid: Multigrid,
    rtol: float,
    max_iterations: int,
    backend: Backend,
    guess: Any = None,
) -> tuple[Any, np.ndarray]:
    """Solution x (n,k) and iterations (k,), at most max_iterations; each column ends at ‖b - A x‖ ≤ rtol ‖b‖.

    matrix (n,n), b (n,k) and a first guess (n,k), or None for zero, all float64; the preconditioner is one V-cycle of
    multigrid, in float32.
    Whether it got there is for the caller to see.  Raises NotConverged for a right-hand side that is not finite.
    """
    xp, kernels = backend.xp, backend.kernels
    norm_b = xp.sqrt(kernels.column_dots(b, b))
    if not bool(xp.isfinite(norm_b).all()):
        raise NotConverged("PCG: the right-hand side is not finite; is a source inside or on the head?")

    def ratio(a: Any, b: Any) -> Any:
        # 0 for a finished column, which then stands still
        return xp.where(active, a / xp.where(active, b, 1.0), 0.0)

    columns = np.arange(b.shape[1])  # which of the right-hand sides the block still holds
    solution, iterations_of = None, np.zeros(b.shape[1], np.int64)
    x, r, p = xp.zeros_like(b), b.copy(), xp.zeros_like(b)  # step 1
    ap, buffers = xp.empty_like(b), multigrid.buffers(b.shape[1])
    norm_r, target, rz = norm_b, rtol * norm_b, xp.ones_like(norm_b)
    if guess is not None:
        x = guess.copy()
        kernels.spmm(matrix, x, ap)
        r -= ap
        norm_r = xp.sqrt(kernels.column_dots(r, r))
    active, iterations = ~(norm_r <= target), xp.zeros(b.shape[1], np.int64)  # a zero column is solved by zero

    for iteration in range(max_iterations):
        # a look at the device's numbers makes the host wait for it: not in every iteration on a GPU
        if iteration % backend.check_every == 0:
            going = to_host(active)
            if not going.any():
                break
            if 2 * going.sum() <= len(going):  # standing still costs as much as going on
                solution = xp.zeros_like(b) if solution is None else solution
                solution[:, columns], iterations_of[columns] = x, to_host(iterations)
                columns, chosen = columns[going], xp.asarray(np.flatnonzero(going))
                x, r, p = (xp.take(a, chosen, axis=1) for a in (x, r, p))
                norm_r, target, rz, iterations = (a[chosen] for a in (norm_r, target, rz, iterations))
                active = xp.ones(len(columns), bool)
                ap, buffers = xp.empty_like(x), multigrid.buffers(len(columns))
        # scaled to length one, or float32 could underflow near convergence
        kernels.narrow(ratio(1.0, norm_r), r, buffers[0].b)
        z = multigrid.cycle(buffers)
        rz_next = norm_r * kernels.column_dots(r, z)
        kernels.turn(norm_r, ratio(rz_next, rz), z, p)  # steps 7, 8; p is zero at first
        rz = rz_next
        alpha = ratio(rz, kernels.spmm_dots(matrix, p, ap))  # step 3
        norm_r = xp.sqrt(kernels.advance(alpha, p, ap, x, r))  # steps 4, 5
        iterations += active
        active &= ~(norm_r <= target)  # NaN stays active, and fails below

    iterations_of[columns] = to_host(iterations)
    if solution is None:
        solution = x
    else:
        solution[:, columns] = x
    return solution, iterations_of
