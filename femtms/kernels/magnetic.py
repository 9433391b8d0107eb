"""B of a coil at points: only maps need it, so it exists for the CPU alone."""

import numba
import numpy as np

from femtms.kernels.jit import njit
from femtms.kernels.sampled import cubic_slopes
from femtms.kernels.sources import MU0_OVER_4PI


@njit(parallel=True)
def dipole_flux(points, positions, moments):
    """B (n,3) in T of magnetic dipoles: μ0/4π Σ (3 (m·r) r/|r|² - m)/|r|³.

    points (n,3) m, positions (d,3) m, moments (d,3) A·m².  Jackson 1999, eq. 5.56.
    """
    b = np.zeros((len(points), 3))
    for i in numba.prange(len(points)):
        for d in range(len(positions)):
            x, y, z = points[i, 0] - positions[d, 0], points[i, 1] - positions[d, 1], points[i, 2] - positions[d, 2]
            r2 = x * x + y * y + z * z
            w = MU0_OVER_4PI / (r2 * np.sqrt(r2))
            s = 3.0 * (moments[d, 0] * x + moments[d, 1] * y + moments[d, 2] * z) / r2
            b[i, 0] += w * (s * x - moments[d, 0])
            b[i, 1] += w * (s * y - moments[d, 1])
            b[i, 2] += w * (s * z - moments[d, 2])
    return b


@njit(parallel=True)
def current_flux(points, positions, vectors):
    """B (n,3) in T of current elements: μ0/4π Σ I dl × r/|r|³, the law of Biot and Savart.

    points, positions in m, vectors (d,3) A·m.  Jackson 1999, eq. 5.4.
    """
    b = np.zeros((len(points), 3))
    for i in numba.prange(len(points)):
        for d in range(len(positions)):
            x, y, z = points[i, 0] - positions[d, 0], points[i, 1] - positions[d, 1], points[i, 2] - positions[d, 2]
            r2 = x * x + y * y + z * z
            w = MU0_OVER_4PI / (r2 * np.sqrt(r2))
            b[i, 0] += w * (vectors[d, 1] * z - vectors[d, 2] * y)
            b[i, 1] += w * (vectors[d, 2] * x - vectors[d, 0] * z)
            b[i, 2] += w * (vectors[d, 0] * y - vectors[d, 1] * x)
    return b


def sampled_flux(points, matrix, offset, values, rotation):
    """B (n,3) in T at points (n,3) m: the curl of `cubic_potential`, whose arguments these are; 0 outside the grid."""
    slope = cubic_slopes(points, matrix, offset, values, rotation)
    return np.stack([slope[:, i, j] - slope[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1)
