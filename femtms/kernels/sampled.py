"""Slopes of A that is sampled on a grid: only maps need them, so they exist for the CPU alone."""

import numpy as np

from femtms.core import call

ON_THE_RIM = 1e-6  # of a voxel: points so little outside the grid are in it


def cubic_slopes(points, matrix, offset, values, rotation):
    """∂A_i/∂x_j (n,3,3) in T of `cubic_potential`, whose arguments these are; 0 outside the grid."""
    points, matrix, offset, values, rotation = (
        np.ascontiguousarray(x, np.float64) for x in (points, matrix, offset, values, rotation)
    )
    slopes = np.empty((len(points), 3, 3))
    call("cubic_slopes", len(points), points, matrix, offset, *values.shape[:3], values, rotation, slopes)
    return slopes @ matrix
