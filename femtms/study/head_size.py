"""How many tetrahedra a head will have, about, without meshing it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from femtms.arrays import spatial_first
from femtms.head.sphere import LayeredSphere
from femtms.io.extensions import load_image
from femtms.io.heads import SPHERE, built_in_labels
from femtms.io.nifti import is_volume
from femtms.mesh.sizes import DEFAULT_SIZE_MM, OTHER, SizeMM
from femtms.study.design import StudyHead
from femtms.tissue import Tissue, tag_of

# Measured with colin27 (3.9 L of six tissues) at 1.65 to 11 mm, within a quarter.  Interfaces have edges halved, so the
# number goes with h^-1.9.  Where tissues have sizes of their own, or a sphere has a thin layer, there are more, up to
# twice as many, as the sizes of neighbours are halved towards each other.
_FILLED = 0.55  # share of a label volume that is head
_TETS = 14e6  # in a litre at 1 mm
_EXPONENT = -1.9
# Of all tetrahedra at one size, how many are in which tissue.
_SHARES = {Tissue.WM: 0.14, Tissue.GM: 0.37, Tissue.CSF: 0.20, Tissue.BONE: 0.16, Tissue.SCALP: 0.13}
_TETS_OF_LAYERS = 12.7  # in size³ of a sphere
_BYTES_PER_TET = 50  # of a mesh file, its nodes included


def tets_of(head: StudyHead, size_mm: SizeMM) -> float | None:
    """About how many, from the extent of the label volume, the radii of spheres, or the size of a mesh file.

    None when the file does not say.
    """
    if head.source == SPHERE:
        return _in_layers(LayeredSphere(head.radii_mm) if head.radii_mm else LayeredSphere(), size_mm)
    path = built_in_labels(head.source) or Path(head.source)
    if not is_volume(path):
        return path.stat().st_size / _BYTES_PER_TET if path.is_file() else None
    litres = _litres(path)
    if litres is None:
        return None
    sizes = _by_tissue(size_mm)
    in_one_mm = _TETS * _FILLED * litres
    return sum(in_one_mm * share * _size(sizes, tissue) ** _EXPONENT for tissue, share in _SHARES.items())


def _in_layers(sphere: LayeredSphere, size_mm: SizeMM) -> float:
    """A layer has at most twice its thickness as its size, which is the finest one times a power of two."""
    sizes = _by_tissue(size_mm)
    radii = np.array(sphere.radii_mm)
    thickness = np.diff(radii, prepend=0.0)
    wanted = np.minimum([_size(sizes, tag) for tag in sphere.tags], 2 * thickness)
    rounded = wanted.min() * 2.0 ** np.floor(np.log2(wanted / wanted.min()) + 1e-9)
    h = np.minimum(rounded, thickness)  # edges in thin tissue are halved
    volumes = 4 / 3 * np.pi * np.diff(radii**3, prepend=0.0)
    return float((_TETS_OF_LAYERS * volumes / h**3).sum())


def _litres(path: Path) -> float | None:
    """Of the box of voxels, which the header says."""
    try:
        image = load_image(path)
        shape, affine = spatial_first(image.shape)[:3], np.asarray(image.affine)
    except Exception:  # a damaged file: the run says what is wrong with it
        return None
    return float(np.prod(np.array(shape, dtype=float)) * abs(np.linalg.det(affine[:3, :3]))) * 1e-6


def _by_tissue(size_mm: SizeMM) -> dict[int | None, float]:
    """Size in mm by tissue number, None for the others."""
    if not isinstance(size_mm, Mapping):
        return {None: float(size_mm)}
    return {None: DEFAULT_SIZE_MM} | {
        None if tissue == OTHER else tag_of(tissue): float(size) for tissue, size in size_mm.items()
    }


def _size(sizes: Mapping[int | None, float], tissue: int) -> float:
    return sizes.get(tissue, sizes[None])
