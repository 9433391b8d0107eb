"""Where the voxels of a volume are: the affine in mm, and what its header leaves open or says twice."""

import logging
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.arrays import spatial_first
from femtms.errors import FemtmsError, in_one_line

log = logging.getLogger("femtms")

_UNIT_BITS = 7  # of xyzt_units
_MM_OR_UNKNOWN = (0, 2)
_UNITS = {1: "m", 3: "µm"}
_SAME_MM = 0.1  # single precision and quaternions lose less


def affine_in_mm(image: Any, path: Path) -> np.ndarray:
    """The affine (4,4) of a volume from its file, voxel indices -> mm.

    What is taken where the header has no orientation, or has two, is logged.  Raises FemtmsError for another unit.
    """
    header = image.header
    unit = int(header["xyzt_units"]) & _UNIT_BITS if "xyzt_units" in header else 0
    if unit not in _MM_OR_UNKNOWN:
        raise FemtmsError(
            f"{path}: the affine must be in mm; the header's xyzt_units say {_UNITS.get(unit, f'unit {unit}')}"
        )
    if not has_orientation(image, path):
        log.warning("%s: has no orientation (%s): voxel axis i is taken to point left", path.name, _why_none(image))
    elif "qform_code" in header and header["qform_code"] > 0 and header["sform_code"] > 0:
        _compare_forms(image, path)
    return np.array(image.affine, dtype=np.float64)


def has_orientation(image: Any, path: Path) -> bool:
    """Whether a file says where left and right are: NIfTI may, Analyze does in a .mat file beside it."""
    if "qform_code" in image.header:
        return bool(image.header["qform_code"] > 0 or image.header["sform_code"] > 0)
    return not isinstance(image, nibabel.AnalyzeImage) or path.with_suffix(".mat").exists()


def _why_none(image: Any) -> str:
    return "qform and sform codes are 0" if "qform_code" in image.header else "an Analyze file has none"


def _compare_forms(image: Any, path: Path) -> None:
    """Say how far apart sform and qform put the volume, where they differ; the sform counts."""
    try:
        sform, qform = image.get_sform(), image.get_qform()
    except ValueError as error:  # the qform, which does not count
        log.warning("%s: the sform is taken; the qform is none (%s)", path.name, in_one_line(error))
        return
    ends = [(0.0, n - 1.0) for n in spatial_first(image.shape)[:3]]
    corners = np.array([[*corner, 1.0] for corner in product(*ends)])
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    if not apart <= _SAME_MM:
        log.warning("%s: the sform is taken; the qform puts voxels up to %.1f mm elsewhere", path.name, apart)
