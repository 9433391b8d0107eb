"""How large the tetrahedra of each tissue are: the finest size times a power of two."""

from collections.abc import Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.tissue import name_of, tag_of

DEFAULT_SIZE_MM = 4.0  # 3.9 million tetrahedra of colin27, 14 % estimated error in grey matter over C3
MAX_TETS = 100_000_000
OTHER = "other"  # stands for the tissues that a mapping of sizes does not name
_TETS_PER_CELL = 12

SizeMM = float | Mapping[str | int, float]


class Sizes(NamedTuple):
    """Lattice constants in mm.

    of_label    (l,) of each label, air's that of the coarsest tissue
    lattice_mm  the coarsest of them, with which meshing starts
    """

    of_label: np.ndarray
    lattice_mm: float


def sizes_of(size_mm: SizeMM, head: LabelVolume | LayeredSphere, tags: np.ndarray) -> Sizes:
    """Sizes of the labels whose tissue numbers are tags (l,), tags[0] = 0 being air.

    size_mm is one size, or tissue -> size, in which OTHER stands for the rest (DEFAULT_SIZE_MM if it is not there).
    A tissue's size is rounded down to the finest one times a power of two: so lattices of two sizes fit together.
    A layer of a sphere gets at most twice its thickness, as edges in thin tissue are halved.
    Raises FemtmsError when a size is out of range, a tissue is not known, or there would be too many tetrahedra.
    """
    named = dict(size_mm) if isinstance(size_mm, Mapping) else {OTHER: size_mm}
    other = _checked(named.pop(OTHER, DEFAULT_SIZE_MM))
    of_tag = {tag_of(tissue): _checked(size) for tissue, size in named.items()}
    absent = sorted(set(of_tag) - set(tags[1:].tolist()))
    if absent:
        present = ", ".join(name_of(tag) for tag in tags[1:])
        raise FemtmsError(f"size_mm must name tissues of '{head.name}' ({present}); got {name_of(absent[0])}")
    wanted = np.array([of_tag.get(int(tag), other) for tag in tags[1:]])
    if isinstance(head, LayeredSphere):
        wanted = np.minimum(wanted, 2 * np.diff(head.radii_mm, prepend=0.0))
    finest = wanted.min()
    sizes = finest * 2.0 ** np.floor(np.log2(wanted / finest) + 1e-9)
    _check_number(head, tags, sizes)
    coarsest = float(sizes.max())
    return Sizes(np.concatenate([[coarsest], sizes]), coarsest)


def _checked(size: float) -> float:
    if not (isinstance(size, Real) and np.isfinite(size) and size > 0):
        raise FemtmsError(f"size_mm must be > 0; got {size}")
    return float(size)


def _check_number(head: LabelVolume | LayeredSphere, tags: np.ndarray, sizes: np.ndarray) -> None:
    """Raise FemtmsError when there would be more than MAX_TETS."""
    if isinstance(head, LayeredSphere):
        volumes = 4 / 3 * np.pi * np.diff(np.array(head.radii_mm) ** 3, prepend=0.0)
    else:
        volumes = np.array([1e3 * head.voxel_ml * np.count_nonzero(head.data == tag) for tag in tags[1:]])
    counts = _TETS_PER_CELL * volumes / sizes**3
    if not counts.sum() <= MAX_TETS:
        most = int(np.argmax(counts))
        raise FemtmsError(
            f"size_mm={sizes[most]:.3g} for {name_of(tags[1 + most])} ({1e-3 * volumes[most]:,.4g} mL) would make "
            f"{counts[most]:,.3g} tetrahedra; at most {MAX_TETS:,} are supported: use a larger size"
        )
