"""NIfTI files: label volumes in, field volumes out."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.arguments import checks_kinds
from femtms.errors import FemtmsError, in_one_line
from femtms.field.field import Field
from femtms.field.grid import E_on_grid, check_grid
from femtms.field.statistics import magnitude
from femtms.head.anatomy import Contacts, Trust, check_anatomy
from femtms.head.labels import LabelVolume, check_shape, check_tissues
from femtms.io.extensions import LARGEST_RATIO, load_image
from femtms.io.files import check_size, errors_at, existing_file, whole_file
from femtms.io.gzip_stream import PACKED, data_of
from femtms.io.label_maps import Labels, label_map_of
from femtms.io.nifti_frame import affine_in_mm
from femtms.memory import available_memory
from femtms.mesh.tetmesh import TetMesh

log = logging.getLogger("femtms")

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
_MOST_VOXELS = 500_000_000  # of a grid that is chosen here
_BYTES_PER_VOXEL = 26  # the most that cleaning a label volume takes: the nearest tissue of every voxel of air


def is_volume(path: str | Path) -> bool:
    """Whether the name has the suffix of a label volume."""
    return str(path).lower().endswith(SUFFIXES)


def read_labels(path: str | Path, labels: Labels | None = None, as_numbered: bool = False) -> LabelVolume:
    """A label volume from NIfTI (.nii, .nii.gz) or any other volume that nibabel reads; coordinates are RAS mm.

    Axes of length 1 before or after the three in space are left out.

    labels       which tissue each label is: the name of a preset ("freesurfer", "samseg", "spm", "bids", "roast",
                 "brain2mesh", "simnibs"), a CSV file (see `read_label_map`), a mapping such as {2: "wm",
                 "1000-1035": "gm"} or a LabelMap; None when the labels are tissue numbers already
    as_numbered  take the labels as tissue numbers even where the tissues do not lie as in a head

    Raises FemtmsError when the file is missing, damaged, too large for the memory or holds something other than labels,
    when a label has no tissue, when labels that are tissue numbers are too many or too large, and when tissues lie
    where no head has them (see `femtms.head.anatomy`).
    """
    label_map = None if labels is None else label_map_of(labels)
    volume = _read_volume(existing_file(path))
    raw = None if label_map is None else Contacts.of_voxels(volume.data, volume.voxel_mm)
    if label_map is None:
        check_tissues(volume)
    else:
        volume = volume.mapped(label_map)
    with errors_at(volume.name):
        contacts = Contacts.of_voxels(volume.data, volume.voxel_mm)
        doubts = check_anatomy(contacts, Trust.of(labels, as_numbered), raw)
    for doubt in doubts:
        log.warning("%s: %s", volume.name, doubt)
    return replace(volume, notes=volume.notes + doubts)


def _read_volume(path: Path) -> LabelVolume:
    """The labels as they are in the file."""
    try:
        image = load_image(path)
        check_length(image, path)
        check_shape(image.shape, path.name)
        _check_memory(image, path)
        affine = affine_in_mm(image, path)
        data = data_of(image)
    except FemtmsError:
        raise
    except Exception as error:  # damaged files surface as many types, from gzip, zlib, struct and nibabel
        reason = in_one_line(error)
        raise FemtmsError(f"{path}: cannot be read as a label volume ({reason})") from error
    labels = LabelVolume(data, affine, path.name)
    if len(labels.tissues):
        check_size(*labels.box_mm, path)
    return labels


def check_length(image: Any, path: Path) -> None:
    """Raise FemtmsError when the header announces more than the file can hold, before memory is taken for it."""
    announced = int(np.prod([int(n) for n in image.shape], dtype=object)) * image.get_data_dtype().itemsize
    file = image.file_map["image"].filename or path
    there = os.path.getsize(file)
    if announced > there * (LARGEST_RATIO if str(file).lower().endswith(PACKED) else 1):
        shape = "×".join(str(n) for n in image.shape)
        raise FemtmsError(
            f"{path}: the header announces {shape} voxels, {announced:,} bytes; the file has {there:,}: it is damaged"
        )


def _check_memory(image: Any, path: Path) -> None:
    """Raise FemtmsError when there is not the memory to mesh so many voxels, before any is taken."""
    voxels = int(np.prod([int(n) for n in image.shape], dtype=object))
    need, there = _BYTES_PER_VOXEL * voxels, available_memory()
    if there is not None and need > there:
        shape = "×".join(str(n) for n in image.shape)
        raise FemtmsError(
            f"{path}: {shape} voxels need about {need / 2**30:.3g} GiB of memory; {there / 2**30:.3g} GiB are there: "
            f"crop the volume to the head, or resample it to larger voxels"
        )


@checks_kinds
def write_nifti(
    field: Field,
    path: str | Path,
    grid: tuple[np.ndarray, Sequence[int]] | None = None,
    quantity: str = "magnE",
    overwrite: bool = False,
) -> None:
    """Write |E| or E in V/m at the voxel centres of a grid as NIfTI (.nii, .nii.gz), single precision.

    grid      affine (4,4) in mm and shape (3,), such as those of the label volume; None for 1 mm around the mesh
    quantity  "magnE"; or "E" for the three components in head coordinates (right, anterior, superior), the fourth axis

    Each voxel has the field at its centre, of the tissue there: see `Field.on_grid`.  0 in air, which viewers show as
    nothing; no tissue has a field of exactly 0.
    Raises FemtmsError for another suffix, quantity or grid, or when the file exists and overwrite is False.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise FemtmsError(f"{path}: a field on a grid must be written as .nii or .nii.gz; got '{path.suffix}'")
    if quantity not in ("magnE", "E"):
        raise FemtmsError(f"quantity must be 'magnE' or 'E'; got '{quantity}'")
    affine, shape = covering_grid(field.mesh) if grid is None else grid
    affine, size = check_grid(affine, shape)
    data = np.zeros((size[0] * size[1] * size[2], 3 if quantity == "E" else 1), np.float32)
    with whole_file(path, overwrite) as temporary:
        for voxels, E in E_on_grid(field, affine, size):
            data[voxels] = E if quantity == "E" else magnitude(E)[:, None]
        image = nibabel.Nifti1Image(data.reshape(*size, *((3,) if quantity == "E" else ())), affine)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = f"{quantity}, V/m, {field.didt:g} A/s; 0 in air"[:79].encode("ascii", "replace")
        nibabel.save(image, temporary)


def covering_grid(mesh: TetMesh, voxel_mm: float = 1.0) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine (4,4) in mm and shape of an upright grid around a mesh that came without a label volume."""
    low, high = 1e3 * mesh.nodes.min(axis=0), 1e3 * mesh.nodes.max(axis=0)
    first = np.floor(low / voxel_mm) - 1
    shape = tuple(int(n) for n in np.ceil(high / voxel_mm) - first + 2)
    if np.prod(np.array(shape, dtype=np.float64)) > _MOST_VOXELS:
        return covering_grid(mesh, 2 * voxel_mm)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = voxel_mm * first
    return affine, shape
