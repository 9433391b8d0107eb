"""Which tetrahedron holds which point of a regular grid."""

import numpy as np

from femtms.arrays import transformed
from femtms.kernels import cpu


def rasterised(nodes: np.ndarray, tets: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Index of the tetrahedron at every grid point, (nx,ny,nz) int32, -1 outside the mesh.

    nodes (n,3) and affine (4,4) must be in the same unit; affine maps grid indices to head coordinates.
    A point on a shared face goes to the tetrahedron with the lowest index, so the result is unique.
    """
    to_grid = np.linalg.inv(affine)
    x = transformed(nodes, to_grid)
    return cpu.rasterise_tets(x, tets, np.array(shape))
