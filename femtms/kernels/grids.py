"""Points of grids and tetrahedra, compiled by numba; `cpu.py` passes these functions on."""

import numba
import numpy as np

from femtms.kernels.elements import six_volume_gradients
from femtms.kernels.jit import njit

_serial = njit()
_parallel = njit(parallel=True)


@njit(inline="always")
def _volume_gradients(nodes, tet, g):
    """g (4,3) = 6V∇λ_a; returns 6V."""
    gradients = six_volume_gradients(nodes, tet[0], tet[1], tet[2], tet[3])
    for d in range(3):
        g[1, d], g[2, d], g[3, d] = gradients[d], gradients[3 + d], gradients[6 + d]
        g[0, d] = -(g[1, d] + g[2, d] + g[3, d])
    return gradients[9]


@_parallel
def trilinear(x, volume, outside):
    """Values (n,) float32 of volume (nx,ny,nz) float32 at x (n,3) in voxel indices; `outside` beyond its samples."""
    nx, ny, nz = volume.shape
    values = np.empty(x.shape[0], np.float32)
    for i in numba.prange(x.shape[0]):
        a, b, c = int(np.floor(x[i, 0])), int(np.floor(x[i, 1])), int(np.floor(x[i, 2]))
        if a < 0 or b < 0 or c < 0 or a + 1 >= nx or b + 1 >= ny or c + 1 >= nz:
            values[i] = outside
            continue
        u, v, w = x[i, 0] - a, x[i, 1] - b, x[i, 2] - c
        f00 = (1 - w) * volume[a, b, c] + w * volume[a, b, c + 1]
        f01 = (1 - w) * volume[a, b + 1, c] + w * volume[a, b + 1, c + 1]
        f10 = (1 - w) * volume[a + 1, b, c] + w * volume[a + 1, b, c + 1]
        f11 = (1 - w) * volume[a + 1, b + 1, c] + w * volume[a + 1, b + 1, c + 1]
        values[i] = (1 - u) * ((1 - v) * f00 + v * f01) + u * ((1 - v) * f10 + v * f11)
    return values


@_serial
def rasterise_tets(x, tets, shape):
    """Index (nx,ny,nz) int32 of the tetrahedron at each grid point, -1 outside.  x (n,3) in grid indices."""
    owner = np.full((shape[0], shape[1], shape[2]), -1, np.int32)
    g = np.empty((4, 3))
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    for t in range(tets.shape[0]):
        for d in range(3):
            a, b, c, e = x[tets[t, 0], d], x[tets[t, 1], d], x[tets[t, 2], d], x[tets[t, 3], d]
            low[d] = max(0, int(np.ceil(min(a, b, c, e) - 1e-9)))
            high[d] = min(shape[d] - 1, int(np.floor(max(a, b, c, e) + 1e-9)))
        if low[0] > high[0] or low[1] > high[1] or low[2] > high[2]:
            continue
        volume = _volume_gradients(x, tets[t], g)
        x0 = x[tets[t, 0]]
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    if owner[i, j, k] >= 0:
                        continue
                    total = 0.0
                    inside = True
                    for a in range(1, 4):
                        weight = (g[a, 0] * (i - x0[0]) + g[a, 1] * (j - x0[1]) + g[a, 2] * (k - x0[2])) / volume
                        total += weight
                        inside = inside and weight >= -1e-9
                    if inside and total <= 1 + 1e-9:
                        owner[i, j, k] = t
    return owner
