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


class Iterates:
    """The vectors and numbers of k columns, and one step of Alg. 9.1 on them.

    matrix (n,n) float64; the preconditioner is one V-cycle of multigrid, in float32.  All memory is taken here, and a
    step changes it in place without a look at any number: on a GPU it is recorded once and then is one launch.

    x, r, p, ap (n,k) float64; norm_r, target, rz (k,) float64; active (k,) bool: not there yet; iterations (k,) int64.
    """

    def __init__(self, matrix: Csr, multigrid: Multigrid, k: int, backend: Backend) -> None:
        xp, n = backend.xp, matrix.shape[0]
        self.matrix, self.multigrid, self.backend = matrix, multigrid, backend
        self.x, self.r, self.p, self.ap = (xp.empty((n, k)) for _ in range(4))
        self.buffers = multigrid.buffers(k)
        self.norm_r, self.target, self.rz = (xp.empty(k) for _ in range(3))
        self.active, self.iterations = xp.empty(k, bool), xp.empty(k, np.int64)
        self._run = backend.kernels.recording()

    def start(self, b: Any, rtol: float, guess: Any) -> None:
        """Steps 1 and 2 for right-hand sides b (n,k) and a first guess (n,k), or None for zero."""
        xp, kernels = self.backend.xp, self.backend.kernels
        norm_b = xp.sqrt(kernels.column_dots(b, b))
        if not bool(xp.isfinite(norm_b).all()):
            raise NotConverged("PCG: the right-hand side is not finite; is a source inside or on the head?")
        self.x[...] = 0 if guess is None else guess
        self.r[...] = b
        self.p[...] = 0
        if guess is not None:
            kernels.spmm(self.matrix, self.x, self.ap)
            self.r -= self.ap
        self.norm_r[...] = xp.sqrt(kernels.column_dots(self.r, self.r))
        self.target[...] = rtol * norm_b
        self.rz[...] = 1
        self.active[...] = ~(self.norm_r <= self.target)  # a zero column is solved by zero
        self.iterations[...] = 0

    def step(self) -> None:
        """Steps 3 to 8 for the columns that are active."""
        self._run(self._step)

    def _step(self) -> None:
        xp, kernels = self.backend.xp, self.backend.kernels

        def ratio(a: Any, b: Any) -> Any:
            # 0 for a finished column, which then stands still
            return xp.where(self.active, a / xp.where(self.active, b, 1.0), 0.0)

        # scaled to length one, or float32 could underflow near convergence
        kernels.narrow(ratio(1.0, self.norm_r), self.r, self.buffers[0].b)
        z = self.multigrid.cycle(self.buffers)
        rz = self.norm_r * kernels.column_dots(self.r, z)
        kernels.turn(self.norm_r, ratio(rz, self.rz), z, self.p)  # steps 7, 8; p is zero at first
        self.rz[...] = rz
        alpha = ratio(rz, kernels.spmm_dots(self.matrix, self.p, self.ap))  # step 3
        self.norm_r[...] = xp.sqrt(kernels.advance(alpha, self.p, self.ap, self.x, self.r))  # steps 4, 5
        self.iterations += self.active
        self.active &= ~(self.norm_r <= self.target)  # NaN stays active, and fails in the end

    def narrowed(self, columns: np.ndarray) -> "Iterates":
        """The same state with some columns only."""
        xp = self.backend.xp
        fewer, chosen = Iterates(self.matrix, self.multigrid, len(columns), self.backend), xp.asarray(columns)
        for name in ("x", "r", "p"):
            getattr(fewer, name)[...] = xp.take(getattr(self, name), chosen, axis=1)
        for name in ("norm_r", "target", "rz", "active", "iterations"):
            getattr(fewer, name)[...] = getattr(self, name)[chosen]
        return fewer


def pcg(iterates: Iterates, b: Any, rtol: float, max_iterations: int, guess: Any = None) -> tuple[Any, np.ndarray]:
    """Solution x (n,k) and iterations (k,), at most max_iterations; each column ends at ‖b - A x‖ ≤ rtol ‖b‖.

    b (n,k) and a first guess (n,k), or None for zero, float64.  x may be the memory of `iterates`, which the next call
    writes to.  Whether it got there is for the caller to see.  Raises NotConverged for a b that is not finite.
    """
    check_every, asarray = iterates.backend.check_every, iterates.backend.xp.asarray
    iterates.start(b, rtol, guess)
    columns = np.arange(b.shape[1])  # which of the right-hand sides are still in the block
    solution, iterations_of = None, np.zeros(b.shape[1], np.int64)
    for iteration in range(max_iterations):
        # a look at the device's numbers makes the host wait for it: not in every iteration on a GPU
        if iteration % check_every == 0:
            going = np.flatnonzero(to_host(iterates.active))
            if len(going) == 0:
                break
            if 2 * len(going) <= len(columns):  # standing still costs as much as going on
                solution = iterates.x.copy() if solution is None else solution
                solution[:, asarray(columns)], iterations_of[columns] = iterates.x, to_host(iterates.iterations)
                columns, iterates = columns[going], iterates.narrowed(going)
        iterates.step()
    iterations_of[columns] = to_host(iterates.iterations)
    if solution is None:
        return iterates.x, iterations_of
    solution[:, asarray(columns)] = iterates.x
    return solution, iterations_of
