"""The result of a linear solve, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """φ for a block of k right-hand sides.

    phi                  (n,k) V, on the device
    iterations           (k,) of conjugate gradients; 0 for a direct method
    residuals            (k,) ‖S b - S K φ‖/‖S b‖ with S = diag(K)^-1/2, recomputed at the end in double precision
    seconds              stage -> seconds for the whole block
    method               such as "multigrid" or "PARDISO"
    operator_complexity  entries on all levels over those of K: what a V-cycle costs.  Of a direct method: those of its
                         factors over those of K
    bytes                memory of matrices, hierarchy or factors, and of the vectors of this block
    device               what it was computed on
    """

    phi: Any
    iterations: np.ndarray
    residuals: np.ndarray
    seconds: Mapping[str, float]
    method: str
    operator_complexity: float
    bytes: int
    device: str

    def __repr__(self) -> str:
        n, k = self.phi.shape
        seconds = ", ".join(f"{name} {value:.3g} s" for name, value in self.seconds.items())
        return (
            f"Solution({n:,} unknowns, {k} right-hand sides; {self.method}, operator complexity "
            f"{self.operator_complexity:.2f}: at most {self.iterations.max()} iterations, residual "
            f"{self.residuals.max():.1e}; {seconds}; {1e-6 * self.bytes:,.0f} MB; {self.device})"
        )
