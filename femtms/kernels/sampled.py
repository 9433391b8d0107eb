"""A that is sampled on a grid, at points; the splines are those of SciPy, or of CuPy on a GPU."""

import numpy as np
from scipy.interpolate import NdBSpline

ON_THE_RIM = 1e-6  # of a voxel: points so little outside the grid are in it
_POINTS = 2**18  # at a time: bounds the memory


def spline_potential(points, matrix, offset, knots, coefficients, rotation):
    """A (n,3) in T·m at points (n,3) m: the vectors of a tensor-product cubic spline, turned; 0 outside the grid.

    matrix (3,3) and offset (3,) make voxel indices of points; knots, one array for each axis, and coefficients
    (nx,ny,nz,3) are those of the spline over voxel indices; rotation (3,3) turns its vectors.
    """
    return splined(points, matrix, offset, knots, coefficients, rotation, np, NdBSpline)


def splined(points, matrix, offset, knots, coefficients, rotation, xp, spline_class):
    """spline_potential with the arrays of a module `xp` and its NdBSpline."""
    matrix, offset, coefficients, rotation = (xp.asarray(x) for x in (matrix, offset, coefficients, rotation))
    spline = spline_class(tuple(xp.asarray(t) for t in knots), coefficients, 3)
    last = xp.asarray(np.array(coefficients.shape[:3]) - 1.0)
    a = xp.empty(points.shape)
    for begin in range(0, len(points), _POINTS):
        some = slice(begin, begin + _POINTS)
        index = points[some] @ matrix.T + offset
        inside = xp.clip(index, 0.0, last)
        is_inside = (xp.abs(index - inside) <= ON_THE_RIM).all(axis=1)
        a[some] = xp.where(is_inside[:, None], spline(xp.ascontiguousarray(inside)) @ rotation.T, 0.0)
    return a
