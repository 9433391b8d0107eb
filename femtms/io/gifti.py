"""Surfaces from GIFTI files (.gii), in the coordinates of the scanner."""

import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import bounded_memory, errors_at
from femtms.io.names import printable
from femtms.io.units import in_m
from femtms.mesh.surface import Surface

log = logging.getLogger("femtms")

_INTENTS = nibabel.nifti1.intent_codes.niistring
_SPACES = nibabel.nifti1.xform_codes
_IN_THE_HEAD = (_SPACES["NIFTI_XFORM_SCANNER_ANAT"], _SPACES["NIFTI_XFORM_ALIGNED_ANAT"])
_SPACE_NAMES = {int(code): _SPACES.niistring[code] for code in _SPACES.value_set()}
# Of a volume in FreeSurfer's own coordinates: its axes are taken to point left, inferior and anterior.
_CONFORMED = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def read_gifti(path: Path, name: str) -> Surface:
    """The surface of a .gii file.

    A matrix to the space of the scanner, or one aligned with it, is applied, as the specification (GIFTI 1.0, 2011)
    has it; one to Talairach or MNI space is not.  FreeSurfer's own coordinates, which the file's VolGeom entries give
    away, are taken to those of the scanner; a log line says so.  Files of `mris_convert --to-scanner` by FreeSurfer
    before December 2022 have these entries, too, and nothing tells them apart: they are moved once more.
    Raises FemtmsError for a file that is damaged or has no nodes, or no triangles.
    """
    try:
        with bounded_memory(path):
            image = nibabel.gifti.GiftiImage.from_bytes(path.read_bytes())  # so that no other file is read
            points, triangles = (_only(image, intent, path) for intent in ("POINTSET", "TRIANGLE"))
            nodes_mm = np.array(points.data, dtype=np.float64)
            corners = np.array(triangles.data)
    except FemtmsError:
        raise
    except Exception as error:  # nibabel reports damage by many types
        reason = in_one_line(error, 120)
        raise FemtmsError(f"{path}: cannot be read as GIFTI ({reason})") from error
    if nodes_mm.ndim != 2 or nodes_mm.shape[1] != 3 or corners.ndim != 2 or corners.shape[1] != 3:
        raise FemtmsError(f"{path}: nodes must be (n,3) and triangles (f,3); got {nodes_mm.shape} and {corners.shape}")
    if corners.dtype.kind not in "iu":
        raise FemtmsError(f"{path}: triangles must be whole numbers; got {corners.dtype}")
    matrix = _to_head(points, path)
    if np.linalg.det(matrix[:3, :3]) < 0:
        corners = corners[:, ::-1]
    structure = printable(points.meta.get("AnatomicalStructurePrimary", ""))
    with errors_at(str(path)):
        return Surface(in_m(nodes_mm @ matrix[:3, :3].T + matrix[:3, 3]), corners, name, structure)


def _only(image: Any, intent: str, path: Path) -> Any:
    """The one array of an intent."""
    found = [array for array in image.darrays if _INTENTS[array.intent] == f"NIFTI_INTENT_{intent}"]
    if len(found) != 1:
        others = ", ".join(dict.fromkeys(str(_INTENTS[array.intent]) for array in image.darrays)) or "nothing"
        raise FemtmsError(
            f"{path}: a surface must have one array of nodes (NIFTI_INTENT_POINTSET) and one of triangles "
            f"(NIFTI_INTENT_TRIANGLE); it has {len(found)} of NIFTI_INTENT_{intent}: {others}"
        )
    return found[0]


def _to_head(points: Any, path: Path) -> np.ndarray:
    """Matrix (4,4), mm, from the coordinates in the file to those of the scanner."""
    system = points.coordsys
    own, other = int(system.dataspace), int(system.xformspace)
    if own in _IN_THE_HEAD:
        return np.eye(4)
    matrix = np.array(system.xform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise FemtmsError(f"{path}: the matrix of its coordinate system must be a finite, invertible 4×4 matrix")
    is_identity = np.abs(matrix - np.eye(4)).max() < 1e-6
    if other in _IN_THE_HEAD and not is_identity:
        log.info("%s: its matrix to %s is applied", path.name, _SPACE_NAMES[other])
        return matrix
    freesurfer = _from_freesurfer(points.meta, path)
    if freesurfer is not None and np.abs(freesurfer - np.eye(4)).max() > 1e-6:
        shift = ", ".join(f"{c:.2f}" for c in freesurfer[:3, 3])
        log.warning(
            "%s: is in FreeSurfer's own coordinates, and is moved by (%s) mm to those of the scanner", path.name, shift
        )
        return freesurfer
    if not is_identity:
        log.warning(
            "%s: its matrix to %s is not applied: coordinates are taken to be those of the head",
            path.name,
            _SPACE_NAMES.get(other, "another space"),
        )
    return np.eye(4)


def _from_freesurfer(meta: Any, path: Path) -> np.ndarray | None:
    """Matrix (4,4), mm, from FreeSurfer's surface coordinates to the scanner's; None for a file without them.

    The volume's centre is their origin, and its axes are taken to point left, inferior and anterior.
    """
    entries = [f"VolGeom{axis}_{side}" for axis in "XYZC" for side in "RAS"]
    if not all(entry in meta for entry in entries):
        return None
    try:
        axes = np.array([float(meta[entry]) for entry in entries]).reshape(4, 3).T
    except ValueError as error:
        raise FemtmsError(f"{path}: its VolGeom entries must be numbers ({error!s:.60})") from error
    matrix = np.eye(4)
    matrix[:3, :3] = axes[:, :3] @ _CONFORMED.T
    matrix[:3, 3] = axes[:, 3]
    if not np.isfinite(matrix).all() or abs(abs(np.linalg.det(matrix)) - 1) > 1e-2:
        raise FemtmsError(f"{path}: its VolGeom entries must be the axes and the centre of a volume; they are not")
    return matrix
