"""Points of grids and tetrahedra; `cpu.py` passes these functions on."""

import numpy as np

from femtms.core import call


def trilinear(x, volume, outside):
    """Values (n,) float32 of volume (nx,ny,nz) float32 at x (n,3) in voxel indices; `outside` beyond its samples."""
    x, volume = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(volume, np.float32)
    values = np.empty(len(x), np.float32)
    call("trilinear", len(x), x, *volume.shape, volume, outside, values)
    return values


def rasterise_tets(x, tets, shape):
    """Index (nx,ny,nz) int32 of the tetrahedron at each grid point, -1 outside.  x (n,3) in grid indices."""
    x, tets = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(tets, np.int32)
    owner = np.full(shape, -1, np.int32)
    call("rasterise_tets", x, len(tets), tets, *owner.shape, owner)
    return owner
