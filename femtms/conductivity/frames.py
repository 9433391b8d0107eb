"""The axes that the tensors of a file refer to, in head coordinates."""

import numpy as np
from scipy.linalg import polar

from femtms.errors import FemtmsError

FRAMES = ("fsl", "voxel", "head")


def check_affine(affine: np.ndarray, name: str) -> None:
    """Raise FemtmsError unless an affine puts voxels into space; the name is that of what it belongs to."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
        raise FemtmsError(f"{name}: the affine must be an invertible 4×4 matrix; got {affine.tolist()}")


def tensor_axes(affine: np.ndarray, frame: str = "fsl") -> np.ndarray:
    """R (3,3): its columns are the axes x, y, z of the tensors in head coordinates (right, anterior, superior).

    affine  (4,4) voxel indices -> head coordinates
    frame   "fsl": the voxel axes with x turned round where the affine is right-handed (its determinant is positive), as
            FSL's gradient tables have it and therefore the tensors of dtifit; "voxel": the voxel axes as they are
            (ANTs); "head": the axes of head coordinates themselves (MRtrix)

    The axes are the columns of the orthogonal matrix that is nearest to the unit vectors along the voxel axes (polar
    decomposition): directions turn with the grid, but neither voxels that are not cubes nor a shear stretch a tensor.

    Raises FemtmsError for another frame.
    """
    if frame not in FRAMES:
        raise FemtmsError(f"the frame of tensors must be one of {', '.join(FRAMES)}; got '{frame}'")
    if frame == "head":
        return np.eye(3)
    voxel_axes = affine[:3, :3].astype(np.float64)
    if frame == "fsl" and np.linalg.det(voxel_axes) > 0:
        voxel_axes = voxel_axes * [-1, 1, 1]
    # unit vectors, so that thick slices do not weigh more than thin ones in what is nearest
    axes: np.ndarray = polar(voxel_axes / np.linalg.norm(voxel_axes, axis=0))[0]
    return axes
