"""Diffusion tensors with a known direction, as a scanner's software would write them."""

import nibabel
import numpy as np


def along(direction, parallel=1.7e-3, across=0.3e-3):
    """Tensor (3,3) of a bundle of fibres, in mm²/s."""
    u = np.asarray(direction, float) / np.linalg.norm(direction)
    return across * np.eye(3) + (parallel - across) * np.outer(u, u)


def rotation(axis, angle):
    """Right-handed rotation (3,3) about an axis."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def centred(axes, voxel_mm, shape):
    """Affine (4,4) with voxel axes along the columns of `axes` (3,3), the middle of the grid at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(axes, float) * voxel_mm
    affine[:3, 3] = -affine[:3, :3] @ (0.5 * (np.array(shape) - 1))
    return affine


def fsl_components(tensors, affine):
    """What `dtifit --save_tensor` has for tensors (…,3,3) in head coordinates: each component by its definition.

    FSL's axes are unit vectors along the voxels' i, j and k, but against i where the storage is neurological.
    """
    i, j, k = (affine[:3, a] / np.linalg.norm(affine[:3, a]) for a in range(3))
    if np.dot(np.cross(i, j), k) > 0:
        i = -i
    pairs = ((i, i), (i, j), (i, k), (j, j), (j, k), (k, k))
    return np.stack([np.einsum("a,...ab,b->...", u, tensors, v) for u, v in pairs], axis=-1)


def centres(affine, shape):
    """Voxel centres (nx,ny,nz,3) in mm."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def write_fsl(path, tensors, affine, dtype=np.float32):
    """A file of six volumes; tensors (nx,ny,nz,3,3) in head coordinates."""
    nibabel.save(nibabel.Nifti1Image(fsl_components(tensors, affine).astype(dtype), affine), path)
    return path


def uniform(tensor, shape):
    """The same tensor in every voxel (nx,ny,nz,3,3)."""
    return np.broadcast_to(tensor, (*shape, 3, 3))
