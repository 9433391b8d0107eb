"""A that is sampled on a grid, at points: cubic polynomials through the four nearest samples along each axis."""

import numpy as np

from femtms.core import call

ON_THE_RIM = 1e-6  # of a voxel: points so little outside the grid are in it


def cubic_potential(points, matrix, offset, values, rotation):
    """A (n,3) in T·m at points (n,3) m from samples (nx,ny,nz,3) on a grid, turned; 0 outside the grid.

    matrix (3,3) and offset (3,) make voxel indices of points; rotation (3,3) turns the vectors.
    """
    a = np.empty((len(points), 3))
    _at_points("cubic_potential", points, matrix, offset, values, rotation, a)
    return a


def cubic_slopes(points, matrix, offset, values, rotation):
    """∂A_i/∂x_j (n,3,3) in T of the same; 0 outside the grid.  Only maps need it, so it exists for the CPU alone."""
    slopes = np.empty((len(points), 3, 3))
    _at_points("cubic_slopes", points, matrix, offset, values, rotation, slopes)
    return slopes @ matrix


def _at_points(kernel, points, matrix, offset, values, rotation, out):
    points, matrix, offset, values, rotation = (
        np.ascontiguousarray(x, np.float64) for x in (points, matrix, offset, values, rotation)
    )
    call(kernel, len(points), points, matrix, offset, *values.shape[:3], values, rotation, out)
