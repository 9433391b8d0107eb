"""How many tetrahedra a head will have, about, without meshing it."""

from collections.abc import Mapping

import numpy as np

from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.mesh.sizes import DEFAULT_SIZE_MM, OTHER, SizeMM
from femtms.tissue import Tissue, tag_of

# Measured with colin27 (3.9 L of six tissues) at 1.65 to 11 mm, within a quarter.  Interfaces have edges halved, so the
# number goes with h^-1.9.  Where tissues have sizes of their own, or a sphere has a thin layer, there are more, up to
# twice as many, as the sizes of neighbours are halved towards each other.
_TETS = 14e6  # in a litre at 1 mm
_EXPONENT = -1.9
# Of all tetrahedra at one size, how many are in which tissue.
_SHARES = {Tissue.WM: 0.14, Tissue.GM: 0.37, Tissue.CSF: 0.20, Tissue.BONE: 0.16, Tissue.SCALP: 0.13}
_TETS_OF_LAYERS = 12.7  # in size³ of a sphere


def expected_tets(head: LabelVolume | LayeredSphere, size_mm: SizeMM) -> float:
    """About how many tetrahedra `mesh_head` will make of a head; size_mm is as it takes it."""
    if isinstance(head, LayeredSphere):
        return _in_layers(head, size_mm)
    return expected_in_litres(1e-3 * head.voxel_ml * np.count_nonzero(head.data), size_mm)


def expected_in_litres(litres: float, size_mm: SizeMM) -> float:
    """The same for so many litres of a head with the usual tissues."""
    sizes = _by_tissue(size_mm)
    return _TETS * litres * sum(share * _size(sizes, tissue) ** _EXPONENT for tissue, share in _SHARES.items())


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


def _by_tissue(size_mm: SizeMM) -> dict[int | None, float]:
    """Size in mm by tissue number, None for the others."""
    if not isinstance(size_mm, Mapping):
        return {None: float(size_mm)}
    return {None: DEFAULT_SIZE_MM} | {
        None if tissue == OTHER else tag_of(tissue): float(size) for tissue, size in size_mm.items()
    }


def _size(sizes: Mapping[int | None, float], tissue: int) -> float:
    return sizes.get(tissue, sizes[None])
