"""How much of each tissue a mesh has lost or gained against its labels, and the size that would keep it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from femtms.tissue import Tissue, name_of

LARGEST_CHANGE = 0.05  # of a tissue's volume
_LARGEST_IN_BRAIN_ML = 0.5
_BRAIN = (Tissue.WM, Tissue.GM, Tissue.CSF)
# Shells of 1 mm and colin27, meshed at 2.6 to 10 mm, change with the size to the power of 1.5 to 2.5.
_POWER = 1.5


@dataclass(frozen=True)
class VolumeChange:
    """Volume of a tissue in mL by its labels and in the mesh."""

    tag: int
    labels_ml: float
    mesh_ml: float

    @property
    def relative(self) -> float:
        """Share of the labels' volume by which the mesh has more."""
        return (self.mesh_ml - self.labels_ml) / self.labels_ml

    @property
    def is_large(self) -> bool:
        """Whether it is worth a word: over 5 %, or over 0.5 mL of the brain."""
        in_brain = self.tag in _BRAIN and abs(self.mesh_ml - self.labels_ml) > _LARGEST_IN_BRAIN_ML
        return in_brain or abs(self.relative) > LARGEST_CHANGE

    def __str__(self) -> str:
        before, after = (f"{ml:.0f}" if ml >= 100 else f"{ml:.3g}" for ml in (self.labels_ml, self.mesh_ml))
        numbers = f"{before} to {after} mL ({100 * self.relative:+.2g} %)"
        return f"{name_of(self.tag)} {numbers}"


def volume_changes(labels_ml: Mapping[int, float], tags: np.ndarray, volumes: np.ndarray) -> tuple[VolumeChange, ...]:
    """The large changes, the largest first.

    labels_ml  tissue number -> mL by the labels; tags (m,) and volumes (m,) in m³ of the tetrahedra
    """
    changes = [VolumeChange(tag, ml, 1e6 * float(volumes[tags == tag].sum())) for tag, ml in labels_ml.items()]
    return tuple(sorted((c for c in changes if c.is_large), key=lambda c: -abs(c.relative)))


def volume_note(changes: tuple[VolumeChange, ...], size_mm: Mapping[int, float], voxel_mm: float) -> tuple[str, ...]:
    """A sentence on large changes, with the sizes that would keep each within 5 %; nothing without changes.

    size_mm  tissue number -> that of its tetrahedra; voxel_mm, below which labels say nothing
    """
    if not changes:
        return ()
    sizes = {
        c.tag: max(size_mm[c.tag] * (LARGEST_CHANGE / abs(c.relative)) ** (1 / _POWER), voxel_mm)
        for c in changes
        if abs(c.relative) > LARGEST_CHANGE
    }
    names = {tag: name_of(tag) if tag in Tissue._value2member_map_ else str(tag) for tag in sizes}
    smaller = [f"{names[tag]}={size:.2g}" for tag, size in sizes.items() if size < size_mm[tag]]
    remedy = f"; --size {','.join([*smaller, f'{max(size_mm.values()):.3g}'])} would keep them" if smaller else ""
    told = ", ".join(map(str, changes))
    return (f"volumes changed where tissue is too thin or too curved for this size: {told}{remedy}",)
