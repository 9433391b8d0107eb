"""What the numbers of a foreign segmentation mean: label -> tissue.

The label numbers are facts of public documentation: FreeSurfer's colour table (FreeSurferColorLUT.txt) and its tissue
types, the atlas of SAMSEG, the labels and tissue numbers of charm, SPM's order of tissue classes (c1 to c6), the common
labels of discrete segmentations in BIDS, ROAST's masks, and the region labels of Brain2Mesh.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType

import numpy as np

from femtms.errors import FemtmsError
from femtms.tissue import AIR, MAX_TAG, Tissue, tag_of

MAX_LABEL = 2**24 - 1  # beyond this, labels that were stored as float32 are no longer exact
_MOST_IN_A_RANGE = 100_000
_MOST_LABELS = 200_000  # of a map
_REST = "*"


@dataclass(frozen=True)
class LabelMap:
    """Which tissue each label of a volume is.

    tissues  label -> tissue number, 0 for air; label 0 is air unless it is named
    name     for messages and reports
    rest     tissue number of all labels that are not named; None: such labels are an error

    Raises FemtmsError when a label or a tissue number is out of range.
    """

    tissues: Mapping[int, int]
    name: str = "labels"
    rest: int | None = None

    def __post_init__(self) -> None:
        tissues = {AIR: AIR} | {_label(label): _tissue(tissue) for label, tissue in self.tissues.items()}
        object.__setattr__(self, "tissues", MappingProxyType(tissues))
        object.__setattr__(self, "rest", None if self.rest is None else _tissue(self.rest))

    @classmethod
    def of(cls, rows: Mapping[int | str, int | str], name: str = "labels") -> "LabelMap":
        """From labels as people write them: numbers, ranges "1000-1035", "*" for the rest; tissues by number or name.

        >>> LabelMap.of({2: "wm", "3-4": "gm", 7: "air", "*": 5}).tissue_numbers(8).tolist()
        [0, -1, 1, 2, 2, -1, -1, 0, -1]

        Raises FemtmsError for what is neither, and for a label that is named twice.
        """
        tissues: dict[int, int] = {}
        rest: int | None = None
        for text, tissue in rows.items():
            labels = labels_of(text)
            if labels is None:
                rest = _tissue(tissue)
                continue
            twice = next((label for label in labels if label in tissues), None)
            if twice is not None:
                raise FemtmsError(f"{name}: each label must be named once; {twice} is named again by '{text}'")
            tissues |= dict.fromkeys(labels, _tissue(tissue))
            check_number_of_labels(len(tissues), name)
        return cls(tissues, name, rest)

    def tissue_numbers(self, last: int) -> np.ndarray:
        """Tissue numbers (last+1,) int32 of the labels 0, 1, …, last; -1 for labels that are not named."""
        table = np.full(last + 1, -1, np.int32)
        for label, tissue in self.tissues.items():
            if label <= last:
                table[label] = tissue
        return table


def check_number_of_labels(number: int, name: str) -> None:
    """Raise FemtmsError for a map of more labels than any atlas has: ranges make many of a few bytes."""
    if number > _MOST_LABELS:
        raise FemtmsError(f"{name}: a label map must name at most {_MOST_LABELS:,} labels (* names the rest)")


def labels_of(text: int | str) -> range | None:
    """The labels that a number or a text such as "1003" or "1000-1035" stands for; None for "*", the rest.

    >>> labels_of(7), labels_of("1000-1035"), labels_of("*")
    (range(7, 8), range(1000, 1036), None)

    Raises FemtmsError for anything else.
    """
    if not isinstance(text, str):
        return range(_label(text), _label(text) + 1)
    if text.strip() == _REST:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\s*[-–]\s*([0-9]{1,9}))?\s*", text)
    if not match:
        raise FemtmsError(f"a label must be a whole number ≥ 0, a range such as 1000-1035, or *; got '{text:.40}'")
    first, last = _label(int(match[1])), _label(int(match[2] or match[1]))
    if not first <= last < first + _MOST_IN_A_RANGE:
        raise FemtmsError(
            f"a range must ascend and hold at most {_MOST_IN_A_RANGE:,} labels; got '{text.strip()}' (* names the rest)"
        )
    return range(first, last + 1)


def _label(label: int) -> int:
    if isinstance(label, bool) or not isinstance(label, Integral) or not 0 <= label <= MAX_LABEL:
        raise FemtmsError(f"a label must be a whole number from 0 to {MAX_LABEL:,}; got {label!r:.40}")
    return int(label)


def _tissue(tissue: int | str) -> int:
    if isinstance(tissue, str) and tissue.strip().lower() == "air":
        return AIR
    try:
        tag = tag_of(tissue)
    except FemtmsError:
        tag = -1
    if not AIR <= tag <= MAX_TAG:
        names = ", ".join(t.name.lower() for t in Tissue)
        raise FemtmsError(f"a tissue must be air, {names} or a number from 0 to {MAX_TAG:,}; got {tissue!r:.40}")
    return tag


def _spread(groups: Mapping[int, Iterable[int | range]]) -> dict[int, int]:
    """Label -> tissue number, from tissue number -> labels and ranges of labels."""
    tissues: dict[int, int] = {}
    for tissue, labels in groups.items():
        for item in labels:
            tissues |= dict.fromkeys(item if isinstance(item, range) else (item,), int(tissue))
    return tissues


def _to(first: int, last: int) -> range:
    return range(first, last + 1)


# FreeSurfer's numbers.  Left out are those that name no tissue (exteriors, lesions, 260 bone or air) and those that
# were ventricles and are grey matter now (75, 76): they are refused rather than guessed.
_FREESURFER = _spread(
    {
        AIR: [
            *(130, 262),  # air cavities, sinuses
        ],
        Tissue.WM: [
            *(2, 41, 7, 46),  # cerebrum, cerebellum
            *(34, 66),  # crowns of the gyri
            *(77, 78, 79, 86, 87, 88, 100, 109),  # white matter of abnormal intensity
            *(85, 930),  # optic chiasm, optic nerve
            *(16, 126, 170, 173, 174, 175, 178, 267),  # brain stem and its parts, spinal cord
            *(192, 250, *_to(251, 255)),  # corpus callosum, fornix
            *_to(155, 162),  # internal capsule; the brain of babies
            *(177, 690, 691),  # vermis, cerebellum
            *(196, 200, 201, 202, 212),  # fimbria, alveus, perforant path
            *(219, 223),
            *(_to(3000, 3035), _to(4000, 4035)),  # wmparc
            *(_to(3100, 3181), _to(4100, 4181), _to(3201, 3207), _to(4201, 4207)),
            *(5001, 5002),  # far from the cortex
            *(_to(13100, 13175), _to(14100, 14175)),  # wmparc of a2009s
        ],
        Tissue.GM: [
            *(3, 42, 8, 47, 19, 20, 55, 56),  # cerebrum, cerebellum, insula, operculum
            *(9, 10, 48, 49, *_to(11, 13), *_to(50, 52), *_to(136, 139)),  # thalamus, basal ganglia, claustrum
            *(17, 18, 53, 54, 96, 97),  # hippocampus, amygdala
            *(26, 27, 28, 58, 59, 60),  # accumbens, substantia nigra, ventral diencephalon
            *(80, 81, 82, *_to(101, 108), *_to(110, 117)),  # of abnormal intensity
            *(163, 164, 169, 171, 172, 176, *_to(179, 184)),  # babies, cerebellar nuclei, vermis, dysplasia
            *(194, 195, 198, 199, *_to(203, 211), 214, *_to(216, 218), 220, 222, 225),  # parts of the hippocampus
            *(226, 227, *_to(229, 246)),
            *_to(270, 277),  # layers of the cortex
            *(_to(1000, 1035), _to(2000, 2035)),  # aparc
            *(_to(1100, 1181), _to(2100, 2181)),  # a2005s
            *(_to(11100, 11175), _to(12100, 12175)),  # a2009s
            *(11300, 12300),  # cortex of high myelin
        ],
        Tissue.CSF: [
            *(4, 5, 14, 15, 43, 44, 72, 213, 221),  # ventricles
            *(24, 122, 257),
            *(31, 63),  # choroid plexus
            *(30, 62),  # "vessel": among FreeSurfer's own tissue types these are CSF
            *(193, 197, 215),  # hippocampal fissure
            *(29, 61),  # "undetermined": SAMSEG's atlas has it in the fluid beside the hippocampus
        ],
        Tissue.BONE: [121, 129, 135, 165],  # skull as a whole, teeth
        Tissue.COMPACT_BONE: [146, 147, 915],  # outer and inner table
        Tissue.SPONGY_BONE: [142, 916],
        Tissue.SCALP: [
            *(167, 911, 118),  # skin
            *(258, 907, 119, 120, 124, 125, 127, 131, 133, *_to(152, 154), 909),  # other soft tissue, fat, mucosa
        ],
        Tissue.MUSCLE: [123, 132, 908],  # tongue; those of the eye
        Tissue.EYE: [259, 265, 266, 134, 140, *_to(143, 145), 151],
        Tissue.BLOOD: [902, 914],  # arteries, veins
    }
)

# In FreeSurfer's table 500 to 508 are parts of the hippocampus: only whole-head segmentations use them as here.
_CHARM = _spread(
    {
        AIR: [501, 517],  # air inside the head, background
        Tissue.BLOOD: [502, 514],
        Tissue.EYE: [506],
        Tissue.SCALP: [507, 509, 511],  # other tissues, mucosa, skin
        Tissue.MUSCLE: [508],
        Tissue.WM: [512, 530],  # spinal cord, optic nerve
        Tissue.COMPACT_BONE: [515],
        Tissue.SPONGY_BONE: [516],
        Tissue.CSF: [520],
    }
)

_SPM = {1: Tissue.GM, 2: Tissue.WM, 3: Tissue.CSF, 4: Tissue.BONE, 5: Tissue.SCALP, 6: AIR}
_ROAST = {1: Tissue.WM, 2: Tissue.GM, 3: Tissue.CSF, 4: Tissue.BONE, 5: Tissue.SCALP, 6: AIR}
_BRAIN2MESH = {1: Tissue.SCALP, 2: Tissue.BONE, 3: Tissue.CSF, 4: Tissue.GM, 5: Tissue.WM, 6: AIR}  # outside in
# "Non-brain" (6) and "lesion" (7) name no tissue and are refused rather than guessed.
_BIDS = {
    **{1: Tissue.GM, 2: Tissue.WM, 3: Tissue.CSF, 4: Tissue.BONE, 5: Tissue.SCALP},
    **{8: Tissue.GM, 9: Tissue.GM, 10: Tissue.WM, 11: Tissue.GM},  # cortical, subcortical, brain stem, cerebellum
}

PRESETS: Mapping[str, LabelMap] = MappingProxyType(
    {
        "freesurfer": LabelMap(_FREESURFER, "freesurfer"),
        "samseg": LabelMap(_FREESURFER | _CHARM, "samseg"),
        "spm": LabelMap(_SPM, "spm"),
        "bids": LabelMap(_BIDS, "bids"),
        "roast": LabelMap(_ROAST, "roast"),
        "brain2mesh": LabelMap(_BRAIN2MESH, "brain2mesh"),
        "simnibs": LabelMap({int(tissue): tissue for tissue in Tissue}, "simnibs"),
    }
)
