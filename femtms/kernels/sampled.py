"""A that is sampled on a grid, at points: cubic polynomials through the four nearest samples along each axis.

The stencil is local.  A spline through all samples would be smoother and more exact where A is smooth, but where the
grid holds the coil, the huge values near a wire would ring through many voxels around.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit

ON_THE_RIM = 1e-6  # of a voxel: points so little outside the grid are in it


@njit(inline="always")
def _stencil(x, n, w, slope):
    """First of the four samples around x in an axis of n; their weights (4,) and the slopes of these go to w and slope.

    Next to the rim the four are those at the rim, so that cubic polynomials stay exact there.
    """
    first = min(max(int(np.floor(x)) - 1, 0), n - 4)
    u = x - first
    w[0] = -(u - 1) * (u - 2) * (u - 3) / 6
    w[1] = u * (u - 2) * (u - 3) / 2
    w[2] = -u * (u - 1) * (u - 3) / 2
    w[3] = u * (u - 1) * (u - 2) / 6
    slope[0] = -((u - 2) * (u - 3) + (u - 1) * (u - 3) + (u - 1) * (u - 2)) / 6
    slope[1] = ((u - 2) * (u - 3) + u * (u - 3) + u * (u - 2)) / 2
    slope[2] = -((u - 1) * (u - 3) + u * (u - 3) + u * (u - 1)) / 2
    slope[3] = ((u - 1) * (u - 2) + u * (u - 2) + u * (u - 1)) / 6
    return first


@njit(inline="always")
def _index(x, y, z, matrix, offset, shape, index):
    """Voxel indices of a point go to index (3,), those outside moved onto the rim; whether it is inside."""
    inside = True
    for d in range(3):
        i = matrix[d, 0] * x + matrix[d, 1] * y + matrix[d, 2] * z + offset[d]
        index[d] = min(max(i, 0.0), shape[d] - 1.0)
        inside &= abs(i - index[d]) <= ON_THE_RIM  # not for NaN either
    return inside


@njit(parallel=True)
def _cubic(points, matrix, offset, values, rotation, a, slopes):
    """A (n,3), or with n slopes (n,3,3) also ∂A_i/∂index_j, turned by the rotation on the left; 0 outside the grid."""
    shape = values.shape
    for p in numba.prange(points.shape[0]):
        index, first = np.empty(3), np.empty(3, np.int64)
        w, dw = np.empty((3, 4)), np.empty((3, 4))
        a[p] = 0.0
        inside = _index(points[p, 0], points[p, 1], points[p, 2], matrix, offset, shape, index)
        if len(slopes):
            slopes[p] = 0.0
        if not inside:
            continue
        for d in range(3):
            first[d] = _stencil(index[d], shape[d], w[d], dw[d])
        own, along = np.zeros(3), np.zeros((3, 3))
        for i in range(4):
            for j in range(4):
                for k in range(4):
                    for c in range(3):
                        v = values[first[0] + i, first[1] + j, first[2] + k, c]
                        own[c] += w[0, i] * w[1, j] * w[2, k] * v
                        if len(slopes):
                            along[c, 0] += dw[0, i] * w[1, j] * w[2, k] * v
                            along[c, 1] += w[0, i] * dw[1, j] * w[2, k] * v
                            along[c, 2] += w[0, i] * w[1, j] * dw[2, k] * v
        for r in range(3):
            for c in range(3):
                a[p, r] += rotation[r, c] * own[c]
                if len(slopes):
                    for d in range(3):
                        slopes[p, r, d] += rotation[r, c] * along[c, d]


def cubic_potential(points, matrix, offset, values, rotation):
    """A (n,3) in T·m at points (n,3) m from samples (nx,ny,nz,3) on a grid, turned; 0 outside the grid.

    matrix (3,3) and offset (3,) make voxel indices of points; rotation (3,3) turns the vectors.
    """
    a = np.empty((len(points), 3))
    _cubic(points, matrix, offset, values, rotation, a, np.empty((0, 3, 3)))
    return a


def cubic_slopes(points, matrix, offset, values, rotation):
    """∂A_i/∂x_j (n,3,3) in T of the same; 0 outside the grid.  Only maps need it, so it exists for the CPU alone."""
    slopes = np.empty((len(points), 3, 3))
    _cubic(points, matrix, offset, values, rotation, np.empty((len(points), 3)), slopes)
    return slopes @ matrix
