"""B of a coil at points: only maps need it, so it exists for the CPU alone."""

import numpy as np

from femtms.core import call
from femtms.kernels.launch import portions
from femtms.kernels.sampled import cubic_slopes
from femtms.kernels.sources import MU0_OVER_4PI


def dipole_flux(points, positions, moments):
    """B (n,3) in T of magnetic dipoles: μ0/4π Σ (3 (m·r) r/|r|² - m)/|r|³.

    points (n,3) m, positions (d,3) m, moments (d,3) A·m².  Jackson 1999, eq. 5.56.
    """
    return _flux("dipole_flux", points, positions, moments)


def current_flux(points, positions, vectors):
    """B (n,3) in T of current elements: μ0/4π Σ I dl × r/|r|³, the law of Biot and Savart.

    points, positions in m, vectors (d,3) A·m.  Jackson 1999, eq. 5.4.
    """
    return _flux("current_flux", points, positions, vectors)


def _flux(kernel, points, positions, vectors):
    points, positions, vectors = (np.ascontiguousarray(x, np.float64) for x in (points, positions, vectors))
    b = np.empty((len(points), 3))
    for part in portions(len(points), len(positions)):
        rows = part.stop - part.start
        call(kernel, rows, points[part], len(positions), positions, vectors, MU0_OVER_4PI, b[part])
    return b


def sampled_flux(points, matrix, offset, values, rotation):
    """B (n,3) in T at points (n,3) m: the curl of `cubic_potential`, whose arguments these are; 0 outside the grid."""
    slope = cubic_slopes(points, matrix, offset, values, rotation)
    return np.stack([slope[:, i, j] - slope[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1)
