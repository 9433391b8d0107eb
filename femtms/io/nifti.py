"""NIfTI files: label volumes in, field volumes out."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.io.files import existing_file, whole_file
from femtms.mesh.locate import rasterised
from femtms.mesh.tetmesh import TetMesh

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")


def is_volume(path: str | Path) -> bool:
    """Whether the name has the suffix of a label volume."""
    return str(path).lower().endswith(SUFFIXES)


def read_labels(path: str | Path) -> LabelVolume:
    """A label volume from NIfTI (.nii, .nii.gz) or any other volume that nibabel reads; coordinates are RAS mm.

    Raises FemtmsError when the file is missing, damaged, or holds something other than labels.
    """
    path = existing_file(path)
    try:
        image: Any = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
    except Exception as error:  # damaged files surface as many types, from gzip, zlib, struct and nibabel
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FemtmsError(f"{path}: cannot be read as a label volume ({reason})") from error
    return LabelVolume(data, image.affine, path.name)


def write_magnitude(path: Path, mesh: TetMesh, magnE: np.ndarray, grid: tuple[np.ndarray, tuple[int, ...]], note: str) -> None:
    """|E| (V/m) at the voxel centres of a grid (affine in mm, shape) as float32 NIfTI; 0 outside the head."""
    affine, shape = grid
    nx, ny, nz = shape
    owner = rasterised(1e3 * mesh.nodes, mesh.tets, affine, (nx, ny, nz))
    data = np.where(owner >= 0, magnE[np.maximum(owner, 0)], 0).astype(np.float32)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note[:79].encode("ascii", "replace")
    with whole_file(path, overwrite=False) as temporary:
        nibabel.save(image, temporary)


def covering_grid(mesh: TetMesh, voxel_mm: float = 1.0) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine (4,4) in mm and shape of an upright grid around a mesh that came without a label volume."""
    low, high = 1e3 * mesh.nodes.min(axis=0), 1e3 * mesh.nodes.max(axis=0)
    first = np.floor(low / voxel_mm) - 1
    shape = tuple(int(n) for n in np.ceil(high / voxel_mm) - first + 2)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = voxel_mm * first
    return affine, shape


def write_json(path: Path, content: Any) -> None:
    """JSON with sorted-as-given keys and a final newline."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
