"""The exact vector potential of a circular loop: the truth for wire windings."""

import numpy as np
from scipy.special import ellipe, ellipkm1

_MU0_OVER_4PI = 1e-7  # T·m/A


def loop_potential(points: np.ndarray, radius: float) -> np.ndarray:
    """A (n,3) in T·m of a loop of 1 A about the z axis in z = 0, anticlockwise seen from +z.

    points (n,3) and radius in m.  Jackson 1998, Classical Electrodynamics, eq. 5.37.
    """
    x, y, z = np.asarray(points, dtype=np.float64).T
    rho = np.hypot(x, y)
    total2 = (radius + rho) ** 2 + z**2
    k2 = 4 * radius * rho / total2
    bracket = ((2 - k2) * ellipkm1(1 - k2) - 2 * ellipe(k2)) / np.where(k2 > 0, k2, 1.0)
    a_phi = np.where(k2 > 0, 4 * _MU0_OVER_4PI * radius / np.sqrt(total2) * bracket, 0.0)
    safe = np.where(rho > 0, rho, 1.0)
    return np.column_stack([-a_phi * y / safe, a_phi * x / safe, np.zeros_like(a_phi)])
