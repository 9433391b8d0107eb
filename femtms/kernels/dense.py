"""The inverse of a small dense matrix: set-up only, so it exists for the CPU alone.

LAPACK would do, but its last bits depend on how many threads it has, and on the processor.
"""

import numpy as np

from femtms.core import call


def symmetric_inverse(matrix):
    """The inverse (n,n) float64 of a symmetric matrix (n,n) that is positive definite.

    Where it is only semidefinite, unknowns that others determine are left out: their rows and columns are zero.
    """
    a = np.array(matrix, dtype=np.float64, order="C")
    least = len(a) * np.finfo(np.float64).eps * np.abs(np.diagonal(a)).max()
    call("sweep", len(a), least, a)
    return -0.5 * (a + a.T)
