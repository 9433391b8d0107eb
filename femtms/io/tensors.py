"""Diffusion tensors from NIfTI files."""

from pathlib import Path
from typing import Any

import numpy as np

from femtms.arrays import spatial_first
from femtms.conductivity.frames import check_affine
from femtms.conductivity.tensor_volume import TensorVolume
from femtms.errors import FemtmsError, in_one_line
from femtms.io.extensions import load_image
from femtms.io.files import check_size, existing_file
from femtms.io.gzip_stream import data_of
from femtms.io.nifti import check_length
from femtms.io.nifti_frame import affine_in_mm

_SYMMETRIC_MATRIX = 1005  # NIFTI_INTENT_SYMMATRIX
_FROM_LOWER = [0, 1, 3, 2, 4, 5]  # xx, xy, xz, yy, yz, zz among xx, yx, yy, zx, zy, zz


def read_tensors(path: str | Path, frame: str = "fsl") -> TensorVolume:
    """Diffusion tensors from a NIfTI file, with respect to the axes of head coordinates.

    Six volumes (nx,ny,nz,6) are xx, xy, xz, yy, yz, zz, as `dtifit --save_tensor` of FSL writes them; where the header
    says that each voxel has a symmetric matrix (intent 1005; then mostly (nx,ny,nz,1,6)), they are its lower triangle
    row by row, xx, yx, yy, zx, zy, zz.  Any unit of diffusion will do.

    frame  the axes that the components refer to: "fsl", "voxel" or "head", see `tensor_axes` and docs/anisotropy.md

    Raises FemtmsError when the file is missing, damaged or holds something else, and when no voxel has a tensor.
    """
    path = existing_file(path)
    try:
        image = load_image(path)
        check_length(image, path)
        is_lower = _is_lower_triangle(image, path)
        affine = affine_in_mm(image, path)
        components = data_of(image, np.float32 if _fits_float32(image) else np.float64)
    except FemtmsError:
        raise
    except Exception as error:  # damaged files surface as many types, from gzip, zlib, struct and nibabel
        reason = in_one_line(error)
        raise FemtmsError(f"{path}: cannot be read as tensors ({reason})") from error
    components = components.reshape(*spatial_first(components.shape)[:3], 6)
    check_affine(affine, path.name)
    components = components[..., _FROM_LOWER] if is_lower else components
    tensors = TensorVolume.in_frame(components, affine, frame, path.name)
    check_size(tensors.corners_mm.min(axis=0), tensors.corners_mm.max(axis=0), path)
    return tensors


def _is_lower_triangle(image: Any, path: Path) -> bool:
    """Whether the components are in the order of NIfTI's symmetric matrices.  Raises FemtmsError for other shapes."""
    shape = spatial_first(image.shape)
    has_intent = "intent_code" in image.header and int(image.header["intent_code"]) == _SYMMETRIC_MATRIX
    if len(shape) < 4 or min(shape) < 1 or shape[3:] not in ((6,), (1, 6)):
        what = "×".join(map(str, shape))
        raise FemtmsError(
            f"{path}: tensors must be six volumes, xx, xy, xz, yy, yz, zz (`dtifit --save_tensor`), or symmetric 3×3 "
            f"matrices; got shape {what}"
        )
    if len(shape) == 5 and not has_intent:
        raise FemtmsError(
            f"{path}: tensors along a fifth axis must have the intent of symmetric matrices ({_SYMMETRIC_MATRIX}), "
            f"which says in which order they are; got {int(image.header.get('intent_code', 0))}"
        )
    return has_intent


def _fits_float32(image: Any) -> bool:
    """Whether single precision loses nothing: half the memory for what is mostly stored so."""
    return image.get_data_dtype() == np.float32 and getattr(image.dataobj, "slope", 1) == 1
