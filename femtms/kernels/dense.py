"""The inverse of a small dense matrix: set-up only, so it exists for the CPU alone.

LAPACK would do, but its last bits depend on how many threads it has, and on the processor.
"""

import numpy as np

from femtms.kernels.jit import njit


@njit
def _swept(a, least):
    # Gauss-Jordan elimination without pivoting, which is stable for these matrices: after the sweep of all rows a is
    # minus its inverse (Goodnight 1979, Am Stat 33:149)
    n = a.shape[0]
    for k in range(n):
        d = a[k, k]
        if d <= least:
            a[k, :] = 0
            a[:, k] = 0
            continue
        pivot = a[k].copy()
        for i in range(n):
            if i != k:
                f = a[i, k] / d
                for j in range(n):
                    a[i, j] -= f * pivot[j]
                a[i, k] = f
        a[k] = pivot / d
        a[k, k] = -1 / d


def symmetric_inverse(matrix):
    """The inverse (n,n) float64 of a symmetric matrix (n,n) that is positive definite.

    Where it is only semidefinite, unknowns that others determine are left out: their rows and columns are zero.
    """
    a = np.array(matrix, dtype=np.float64, order="C")
    _swept(a, len(a) * np.finfo(np.float64).eps * float(np.abs(np.diagonal(a)).max()))
    return -0.5 * (a + a.T)
