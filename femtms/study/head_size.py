"""How many tetrahedra a head of a study will have, about, from what its file says without being read."""

from pathlib import Path

import numpy as np

from femtms.arrays import spatial_first
from femtms.head.sphere import LayeredSphere
from femtms.io.extensions import load_image
from femtms.io.heads import SPHERE, built_in_labels
from femtms.io.nifti import is_volume
from femtms.mesh.expected import expected_in_litres, expected_tets
from femtms.mesh.sizes import SizeMM
from femtms.study.design import StudyHead

_FILLED = 0.55  # share of a label volume that is head
_BYTES_PER_TET = 50  # of a mesh file, its nodes included


def tets_of(head: StudyHead, size_mm: SizeMM) -> float | None:
    """About how many, from the extent of the label volume, the radii of spheres, or the size of a mesh file.

    None when the file does not say.
    """
    if head.source == SPHERE:
        return expected_tets(LayeredSphere(head.radii_mm) if head.radii_mm else LayeredSphere(), size_mm)
    path = built_in_labels(head.source) or Path(head.source)
    if not is_volume(path):
        return path.stat().st_size / _BYTES_PER_TET if path.is_file() else None
    litres = _litres(path)
    return None if litres is None else expected_in_litres(_FILLED * litres, size_mm)


def _litres(path: Path) -> float | None:
    """Of the box of voxels, which the header says."""
    try:
        image = load_image(path)
        shape, affine = spatial_first(image.shape)[:3], np.asarray(image.affine)
    except Exception:  # a damaged file: the run says what is wrong with it
        return None
    return float(np.prod(np.array(shape, dtype=float)) * abs(np.linalg.det(affine[:3, :3]))) * 1e-6
