"""Whether tissue numbers can be those of a head: which tissue lies outside which, by the areas on which they touch."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.label_map import PRESETS, LabelMap
from femtms.tissue import AIR, Tissue, name_of

# From the inside outward; each separates the one before it from all that is beyond.
_CSF = (Tissue.CSF,)
_LAYERS = (
    (Tissue.WM,),
    (Tissue.GM,),
    _CSF,
    (Tissue.BONE, Tissue.COMPACT_BONE, Tissue.SPONGY_BONE),
    (Tissue.SCALP, Tissue.MUSCLE, Tissue.FAT, Tissue.CARTILAGE),
)
_BRAIN = 3  # layers that are in the skull
# In the heads that were tried an inner tissue has at most 0.6 of the outer one's area with what is beyond both (bone
# with air, where the neck is cut); numbers that are mixed up give 10 and more.
_MOST = 1.5


@dataclass(frozen=True, eq=False)
class Contacts:
    """On how much area the labels of a head touch each other.

    labels  (k,) ascending; the first is 0, air
    areas   (k,k) mm², symmetric
    """

    labels: np.ndarray
    areas: np.ndarray

    @classmethod
    def of_pairs(cls, low: np.ndarray, high: np.ndarray, areas: np.ndarray) -> "Contacts":
        """From faces: the labels (f,) on their two sides, and areas (f,) in mm²."""
        labels = np.unique(np.concatenate([[AIR], low, high]))
        pairs = np.searchsorted(labels, low) * len(labels) + np.searchsorted(labels, high)
        one_way = np.bincount(pairs, areas, minlength=len(labels) ** 2).reshape(len(labels), len(labels))
        return cls(labels, one_way + one_way.T)

    @classmethod
    def of_voxels(cls, data: np.ndarray, voxel_mm: np.ndarray) -> "Contacts":
        """Of a label volume (nx,ny,nz); what touches the border of the volume touches nothing there."""
        low, high, areas = [], [], []
        for axis in range(3):
            one, other = np.moveaxis(data, axis, 0)[:-1], np.moveaxis(data, axis, 0)[1:]
            differ = one != other
            low.append(one[differ])
            high.append(other[differ])
            areas.append(np.full(len(low[-1]), np.prod(voxel_mm) / voxel_mm[axis]))
        return cls.of_pairs(np.concatenate(low), np.concatenate(high), np.concatenate(areas))

    def mapped(self, label_map: LabelMap) -> "Contacts | None":
        """The contacts of the tissues that a map makes of the labels; None where it does not name them all."""
        tissues = label_map.tissue_numbers(int(self.labels[-1]))[self.labels]
        if (tissues < 0).any():
            return None
        low, high = np.broadcast_arrays(tissues[:, None], tissues[None])
        differ = low < high
        return Contacts.of_pairs(low[differ], high[differ], self.areas[differ])

    def between(self, some: Iterable[int], others: Iterable[int]) -> float:
        """Area in mm² on which some tissues touch others."""
        rows, columns = np.isin(self.labels, list(some)), np.isin(self.labels, list(others))
        return float(self.areas[np.ix_(rows, columns)].sum())


def misplaced(contacts: Contacts) -> str | None:
    """What of these tissues is not where a head has it, as a clause; None where all can be true.

    A tissue that lies deeper in a head than another one must not have more area than that with what is beyond both.
    """
    present = [(i, layer) for i, layer in enumerate(_LAYERS) if np.isin(layer, contacts.labels).any()]
    if all(i < _BRAIN for i, _ in present):
        present = [(i, layer) for i, layer in present if layer != _CSF]  # of a brain alone mostly its ventricles
    for i, inner in present:
        for j, outer in present:
            if j <= i:
                continue
            beyond = [int(AIR), *(tissue for layer in _LAYERS[j + 1 :] for tissue in layer)]
            inside, outside = contacts.between(inner, beyond), contacts.between(outer, beyond)
            if inside > _MOST * outside:
                deep, shallow = (_names(layer, contacts.labels) for layer in (inner, outer))
                if contacts.between(inner, [AIR]) > 0.5 * inside:
                    return f"{deep} forms the surface against air and {shallow} lies within it"
                return f"{shallow} lies within {deep}"
    return None


def only_brain(contacts: Contacts) -> str | None:
    """That several tissues of the brain are all there is, as a clause; None for a head with a skull or a scalp."""
    present = [layer for layer in _LAYERS if np.isin(layer, contacts.labels).any()]
    has_others = len(contacts.labels) - 1 > len(present)  # layers of the brain have one tissue each
    if len(present) < 2 or has_others or any(layer in _LAYERS[_BRAIN:] for layer in present):
        return None
    names = " and ".join(_names(layer, contacts.labels) for layer in present)
    return f"there is only {names}, and {_names(present[-1], contacts.labels)} forms the surface against air"


def foreign(contacts: Contacts) -> str | None:
    """That labels are foreign that a preset explains, as a clause; None for tissue numbers and numbers of one's own."""
    unknown = [int(label) for label in contacts.labels[1:] if label not in Tissue._value2member_map_]
    has_skin = any(np.isin(layer, contacts.labels).any() for layer in _LAYERS[_BRAIN:])
    if not unknown or has_skin or not fitting(contacts):
        return None
    verb = "is" if len(unknown) == 1 else "are"
    return f"{', '.join(map(str, unknown[:5]))} {verb} no tissue numbers, and none of the others is a skull or a scalp"


def fitting(contacts: Contacts) -> list[str]:
    """The presets under which the labels could be those of a head."""
    found = []
    for name, label_map in PRESETS.items():
        mapped = contacts.mapped(label_map)
        if mapped is not None and len(mapped.labels) > 2 and misplaced(mapped) is None:
            found.append(name)
    return found


class Trust(Enum):
    """Who says which tissues there are."""

    NOBODY = "numbers alone"
    NAMES = "names in the file, or a preset"
    USER = "a map of the user's own, or --as-numbered"

    @classmethod
    def of(cls, labels: Any, as_numbered: bool, is_named: bool = False) -> "Trust":
        """Of what somebody gave: a map (or its name, or None), and whether the file has names for its tissues."""
        if as_numbered or (labels is not None and not (isinstance(labels, str) and labels.lower() in PRESETS)):
            return cls.USER
        return cls.NAMES if is_named or labels is not None else cls.NOBODY


def check_anatomy(contacts: Contacts, trust: Trust, raw: Contacts | None = None) -> tuple[str, ...]:
    """A note on what is misplaced in a head that a user insists on; nothing for a plausible one.

    raw  the contacts of the labels before they were mapped, where they were and these are known

    Raises FemtmsError for misplaced tissues, and without any names also for a brain alone and foreign numbers, with the
    presets that would fit.
    """
    doubt = misplaced(contacts)
    if doubt is None and trust is Trust.NOBODY:
        doubt = only_brain(contacts) or foreign(contacts)
    if doubt is None:
        return ()
    if trust is Trust.USER:
        return (f"the order of the tissues is not that of a head: {doubt}",)
    numbers = contacts if trust is Trust.NOBODY else raw
    presets = [] if numbers is None else fitting(numbers)
    fit = f" ({' or '.join(presets)} would fit)" if presets else ""
    raise FemtmsError(
        f"the numbers must be tissue numbers, with the tissues in the order of a head; {doubt}: say which tissue each "
        f"number is by --labels{fit}, or insist with --as-numbered (as_numbered=True)"
    )


def _names(layer: Iterable[int], labels: np.ndarray) -> str:
    return ", ".join(name_of(tissue) for tissue in layer if tissue in labels)
