"""A of a coil on a grid: NIfTI (nx,ny,nz,3), or (nx,ny,nz,s,3) for s stimulators, in T·m per A; affine in mm."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.arrays import spatial_first, transformed
from femtms.coil.coil import Coil
from femtms.coil.pose import IDENTITY
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.errors import FemtmsError, in_one_line
from femtms.io.ccd import DIDT, box_in, header_of, header_text, max_didt_in
from femtms.io.companions import stem_of, with_companions, written_with_companions
from femtms.io.extensions import load_image
from femtms.io.files import bounded_memory, existing_file
from femtms.io.gzip_stream import data_of
from femtms.io.names import printable
from femtms.io.nifti import check_length
from femtms.io.nifti_frame import affine_in_mm, has_orientation
from femtms.io.units import in_m, in_mm
from femtms.memory import available_memory
from femtms.plausible import GRID

SUFFIXES = (".nii", ".nii.gz")
_BYTES_PER_NUMBER = 32  # the values, and copies on the way
_DESCRIPTION = 79  # bytes that the header has for text
_COMMENT = nibabel.nifti1.extension_codes["comment"]
_CHUNK = 2**16  # points that A is computed at together


def is_a_field(path: str | Path) -> bool:
    """Whether a file is NIfTI with a vector at each voxel, and so a coil and not labels; false for damaged ones."""
    if not str(path).lower().endswith(SUFFIXES):
        return False
    try:
        image = load_image(Path(path))
        shape = spatial_first(image.shape)
    except Exception:  # whoever reads it will say what is wrong
        return False
    return len(shape) in (4, 5) and shape[-1] == 3


def read_a_field(path: str | Path, outside: str = "error") -> Coil:
    """A coil whose A is sampled in a NIfTI file; its description may have `key=value;…` as the header of a .ccd has.

    outside  what A is outside the grid: "error", or "zero"

    A casing (.stl, mm) and a pulse (.tsv) of the same name are read, too.  Raises FemtmsError for another shape, a
    damaged file, a grid that is not in mm, and one that the memory cannot hold.
    """
    path = existing_file(path)
    try:
        with bounded_memory(path):
            values, affine_mm, header = _content(path)
    except FemtmsError:
        raise
    except Exception as error:  # damaged files surface as many types, from gzip, zlib, struct and nibabel
        reason = in_one_line(error, 200)
        raise FemtmsError(f"{path}: cannot be read as a sampled A ({reason})") from error
    number = values.shape[3]
    try:
        _check_extent(values.shape[:3], affine_mm)
        affine = affine_mm.copy()
        affine[:3] = in_m(affine[:3])
        limits, resolution = box_in(header)
        coil = Coil(
            name=printable(header.get("coilname", stem_of(path))),
            elements=tuple(SampledField(values[:, :, :, s], affine, outside, s) for s in range(number)),
            source=printable(path.name),
            brand=printable(header.get("brand", "")),
            stimulators=tuple(
                Stimulator(name=printable(name), max_didt=None if limit is None else max_didt_in({DIDT: limit}))
                for name, limit in zip(*(_each(header, key, number) for key in ("stimulator", DIDT)))
            ),
            limits=limits,
            resolution=resolution,
        )
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error
    return with_companions(coil, path)


def _content(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Values (nx,ny,nz,s,3), affine in mm, and what is known besides."""
    image = load_image(Path(path))
    shape = spatial_first(image.shape)
    if len(shape) not in (4, 5) or shape[-1] != 3:
        raise FemtmsError(
            f"{path}: a sampled A must be (nx,ny,nz,3), or (nx,ny,nz,s,3) for s stimulators; got {shape}"
            + (": is it a label volume?" if len(shape) == 3 else "")
        )
    if image.get_data_dtype().kind not in "fiu":
        raise FemtmsError(f"{path}: a sampled A must be of real numbers; got {image.get_data_dtype()}")
    if not has_orientation(image, path):  # nibabel makes one up, mirrored
        raise FemtmsError(
            f"{path}: a sampled A must have an affine that leads to the coil's frame; it has none (the codes of sform "
            f"and qform are 0)"
        )
    affine_mm = affine_in_mm(image, path)
    check_length(image, path)
    need, there = _BYTES_PER_NUMBER * int(np.prod(shape, dtype=object)), available_memory()
    if there is not None and need > there:
        raise FemtmsError(
            f"{path}: a grid of {shape} needs about {need / 2**30:.3g} GiB of memory; {there / 2**30:.3g} GiB are there"
        )
    values = data_of(image, np.float64).reshape(*shape[:3], -1, 3)
    return values, affine_mm, _description(image.header)


def _check_extent(shape: Sequence[int], affine_mm: np.ndarray) -> None:
    extent = float(np.max(np.linalg.norm(affine_mm[:3, :3], axis=0) * np.array(shape)))
    low, high = GRID.possible
    if not low <= extent <= high:
        raise FemtmsError(f"the grid must be in mm; it would be {extent:.3g} mm across{GRID.hint(extent)}")


def _each(header: dict[str, str], key: str, number: int) -> list[Any]:
    """The value of a key for each stimulator: as many as there are, separated by commas, or one for all."""
    absent = "" if key == "stimulator" else None
    if key not in header:
        return [absent] * number
    words = [word.strip() for word in header[key].split(",")]
    if len(words) != number:
        words = [header[key]] * number
    return [absent if word.lower() in ("", "none") else word for word in words]


def write_a_field(
    coil: Coil,
    path: Path,
    overwrite: bool = False,
    limits: Any = None,
    resolution: Any = None,
) -> None:
    """A of a coil as NIfTI, and its casing and pulse beside it as .stl and .tsv.

    limits      (3,2) m, the box to sample; None for that of the coil
    resolution  (3,) m or one number, the voxels' edges; None for that of the coil

    A coil that is sampled on one grid keeps its values and that grid when neither is given.  Values are written in
    double precision.  A grid that single precision would move is written as NIfTI-2, any other as NIfTI-1.
    Raises FemtmsError without limits or resolution, and for a grid point at an element, where A is infinite.
    """
    fields = [in_coil_frame(group) for group in coil.elements if isinstance(group, SampledField)]
    same = all(f.values.shape == fields[0].values.shape and np.array_equal(f.affine, fields[0].affine) for f in fields)
    if limits is None and resolution is None and len(fields) == len(coil.elements) and same:
        affine = fields[0].affine
        values = np.zeros((*fields[0].values.shape[:3], len(coil.stimulators), 3))
        for field in fields:
            values[:, :, :, field.stimulator] += field.values
    else:
        affine, shape = _grid(coil, path, limits, resolution)
        values = _sampled(coil, path, affine, shape)
    affine_mm = np.eye(4)
    affine_mm[:3] = in_mm(affine[:3])
    exact = np.array_equal(affine_mm, affine_mm.astype(np.float32))
    kind = nibabel.Nifti1Image if exact else nibabel.Nifti2Image
    image = kind(values[:, :, :, 0] if values.shape[3] == 1 else values, affine_mm)
    image.header.set_xyzt_units("mm")
    _describe(image, header_text(coil, path))
    with written_with_companions(coil, path, overwrite) as temporary:
        nibabel.save(image, temporary)


def in_coil_frame(field: SampledField) -> SampledField:
    """The same field with its grid and its vectors in the frame of the coil: its pose becomes part of the affine."""
    if np.array_equal(field.pose.matrix, IDENTITY.matrix):
        return field
    matrix = field.pose.matrix.copy()
    matrix[:3, 3] = field.pose.centre
    return replace(field, values=field.values @ field.pose.rotation.T, affine=matrix @ field.affine, pose=IDENTITY)


def _grid(coil: Coil, path: Path, limits: Any, resolution: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine (4,4) in m and shape of an upright grid that covers the limits."""
    limits = coil.limits if limits is None else np.asarray(limits, np.float64)
    resolution = coil.resolution if resolution is None else np.broadcast_to(np.asarray(resolution, np.float64), 3)
    if limits is None or resolution is None:
        raise FemtmsError(
            f"{path}: to be sampled, coil '{coil.name}' must have limits and a resolution; "
            f"give them with --limits-mm and --resolution-mm (limits (3,2) and resolution in m)"
        )
    if np.shape(limits) != (3, 2) or not (np.isfinite(limits).all() and (limits[:, 0] < limits[:, 1]).all()):
        raise FemtmsError(f"limits must be (3,2) in m, low < high; got {np.asarray(limits).tolist()}")
    if not (np.isfinite(resolution).all() and (resolution > 0).all()):
        raise FemtmsError(f"the resolution must be > 0 in m; got {resolution.tolist()}")
    steps = np.ceil((limits[:, 1] - limits[:, 0]) / resolution - 1e-6)  # 0.6 / 0.003 is a little more than 200
    numbers = 3 * len(coil.stimulators) * np.prod(steps + 1)
    there = available_memory()
    if steps.max() > np.iinfo(np.int16).max - 1 or (there is not None and _BYTES_PER_NUMBER * numbers > there):
        raise FemtmsError(
            f"{path}: a grid of {numbers:.3g} numbers is too large; use a larger resolution or less limits"
        )
    affine = np.diag([*resolution, 1.0])
    affine[:3, 3] = limits[:, 0]
    return affine, tuple(int(n) + 1 for n in steps)


def _sampled(coil: Coil, path: Path, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A (nx,ny,nz,s,3) in T·m per A of what each stimulator drives, at the points of a grid."""
    values = np.zeros((int(np.prod(shape)), len(coil.stimulators), 3))
    for start in range(0, len(values), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(values)))
        points = transformed(np.column_stack(np.unravel_index(rows, shape)).astype(np.float64), affine)
        for s in range(len(coil.stimulators)):
            own = tuple(group for group in coil.elements if group.stimulator == s)
            if own:
                with np.errstate(divide="ignore", invalid="ignore"):
                    values[rows, s] = replace(coil, elements=own).vector_potential(points)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))[0])
        x, y, z = 1e3 * transformed(np.array(np.unravel_index(row, shape), np.float64), affine)
        raise FemtmsError(
            f"{path}: A is infinite at the point ({x:g}, {y:g}, {z:g}) mm of the grid, where coil '{coil.name}' has an "
            f"element; choose other limits or another resolution"
        )
    return values.reshape(*shape, -1, 3)


def _describe(image: Any, text: str) -> None:
    """Put `key=value;…` into the header's description as far as it fits; into an extension, too, if it does not."""
    words = text.split(";")
    while len(";".join(words).encode()) > _DESCRIPTION:
        words.pop()
    image.header["descrip"] = ";".join(words).encode()
    if ";".join(words) != text:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", text.encode()))


def _description(header: Any) -> dict[str, str]:
    """key -> value of the description and of comments in extensions."""
    texts: list[bytes | str] = [bytes(header["descrip"])]
    texts += [e.get_content() for e in header.extensions if e.get_code() == _COMMENT]
    found: dict[str, str] = {}
    for text in texts:
        content = text if isinstance(text, str) else text.split(b"\0")[0].decode("utf-8", "replace")
        found |= header_of(content)
    return found
