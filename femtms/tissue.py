"""Tissues: their numbers, names and conductivities, with one citation per value.

The numbers are those that head meshes of this field carry; surface elements carry 1000 + number.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from numbers import Integral

from femtms.errors import FemtmsError
from femtms.spelling import meant

MAX_TAG = 65_535  # of tissue numbers; what is larger in a file is damage, or no tissue number


class Tissue(IntEnum):
    """Tissue numbers."""

    WM = 1
    GM = 2
    CSF = 3
    BONE = 4
    SCALP = 5
    EYE = 6
    COMPACT_BONE = 7
    SPONGY_BONE = 8
    BLOOD = 9
    MUSCLE = 10
    CARTILAGE = 11
    FAT = 12


@dataclass(frozen=True)
class TissueProperties:
    """Conductivity (S/m) of a tissue, where the value is from, its full name, and a colour for pictures."""

    sigma: float
    source: str
    title: str
    colour: str


PROPERTIES: dict[int, TissueProperties] = {
    Tissue.WM: TissueProperties(0.126, "Wagner et al. 2004, IEEE TBME 51:1586", "white matter", "#e8e6e1"),
    Tissue.GM: TissueProperties(0.275, "Wagner et al. 2004, IEEE TBME 51:1586", "grey matter", "#9b9b9b"),
    Tissue.CSF: TissueProperties(1.654, "Wagner et al. 2004, IEEE TBME 51:1586", "cerebrospinal fluid", "#6fb7d6"),
    Tissue.BONE: TissueProperties(0.010, "Wagner et al. 2004, IEEE TBME 51:1586", "bone", "#efe2b8"),
    Tissue.SCALP: TissueProperties(0.465, "Wagner et al. 2004, IEEE TBME 51:1586", "scalp", "#e3b49a"),
    Tissue.EYE: TissueProperties(0.500, "Opitz et al. 2015, NeuroImage 109:140", "eye", "#7d9fd1"),
    Tissue.COMPACT_BONE: TissueProperties(0.008, "Opitz et al. 2015, NeuroImage 109:140", "compact bone", "#efe2b8"),
    Tissue.SPONGY_BONE: TissueProperties(0.025, "Opitz et al. 2015, NeuroImage 109:140", "spongy bone", "#dcc98f"),
    Tissue.BLOOD: TissueProperties(0.600, "Gabriel et al. 2009, Phys Med Biol 54:4863", "blood", "#b5483f"),
    Tissue.MUSCLE: TissueProperties(0.160, "Gabriel et al. 2009, Phys Med Biol 54:4863", "muscle", "#b9786b"),
    Tissue.CARTILAGE: TissueProperties(0.880, "Gabriel et al. 2009, Phys Med Biol 54:4863", "cartilage", "#a9c4c0"),
    Tissue.FAT: TissueProperties(0.078, "Gabriel et al. 2009, Phys Med Biol 54:4863", "fat", "#f1d98a"),
}

# What encloses what in a head, from the inside outward: vessels run in the CSF, and the scalp is around everything.
_DEPTHS = {
    Tissue.WM: 0,
    Tissue.GM: 1,
    Tissue.CSF: 2,
    Tissue.BLOOD: 2,
    Tissue.BONE: 3,
    Tissue.COMPACT_BONE: 3,
    Tissue.SPONGY_BONE: 3,
}

_ALIASES = {
    "white": Tissue.WM,
    "white_matter": Tissue.WM,
    "grey": Tissue.GM,
    "gray": Tissue.GM,
    "grey_matter": Tissue.GM,
    "gray_matter": Tissue.GM,
    "cerebrospinal_fluid": Tissue.CSF,
    "skull": Tissue.BONE,
    "skin": Tissue.SCALP,
    "eyes": Tissue.EYE,
}

AIR = 0  # in label volumes and label maps; a mesh has none

# What words in the name of a group of elements mean, or begin with where they are long.
_WORDS = {
    AIR: ("air", "airway", "airways", "background", "exterior"),
    Tissue.CSF: ("csf", "cerebrospinal", "liquor", "ventricle"),
    Tissue.CARTILAGE: ("cartilage",),
    Tissue.COMPACT_BONE: ("compact", "compacta"),
    Tissue.SPONGY_BONE: ("spongy", "spongiosa", "cancellous", "trabecular", "diploe"),
    Tissue.BONE: ("bone", "skull", "cranium"),
    Tissue.EYE: ("eye", "eyes", "eyeball"),
    Tissue.BLOOD: ("blood", "vessel", "artery", "arteries", "vein", "veins"),
    Tissue.MUSCLE: ("muscle",),
    Tissue.FAT: ("fat", "adipose"),
    Tissue.SCALP: ("scalp", "skin"),
    Tissue.WM: ("wm", "white"),
    Tissue.GM: ("gm", "grey", "gray", "cortex", "brain"),
}
_JOINED = {
    "cortical bone": "compact",
    "bone cortical": "compact",
    "soft tissue": "scalp",
    "softtissue": "scalp",
    "cerebro spinal": "csf",
    "brain stem": "white",
    "brainstem": "white",
    "sagittal sinus": "blood",
    "venous sinus": "blood",
    "nasal sinus": "air",
    "frontal sinus": "air",
    "nasal cavity": "air",
}
# With one of these a name means something that is no tissue of the table, or another place than the word says.
_OTHERS = (
    *("tumor", "tumour", "lesion", "cyst", "edema", "oedema", "stroke"),
    *("electrode", "gel", "implant", "metal", "saline"),
)
_ELSEWHERE = ("non", "not", "no", "without", "under", "inside", "outside", "around", "below", "above", "near")


def tissue_in(name: str) -> int | None:
    """The tissue number that the name of a group of elements says, AIR among them; None where it says none, or several.

    >>> [tissue_in(name) for name in ("Skull", "grey_matter", "2-skin", "BoneCompact", "brain WM", "volume 1", "air")]
    [4, 2, 5, 7, 1, None, 0]
    """
    words = _words_of(name)
    if says_another(name) or not set(_ELSEWHERE).isdisjoint(words):
        return None
    found = [int(tissue) for tissue, known in _WORDS.items() if any(_is(word, known) for word in words)]
    if len(found) == 2 and "brain" in words and Tissue.GM in found:
        found.remove(Tissue.GM)  # the brain's white matter
    bones = {int(Tissue.BONE), int(Tissue.COMPACT_BONE), int(Tissue.SPONGY_BONE)}
    if len(found) == 2 and bones.issuperset(found) and Tissue.BONE in found:
        found.remove(Tissue.BONE)
    return found[0] if len(found) == 1 else None


def says_another(name: str) -> bool:
    """Whether the name of a group says something that is no tissue of femtms: "tumour", "electrode 2"."""
    return any(_is(word, _OTHERS) for word in _words_of(name))


def _words_of(name: str) -> list[str]:
    words = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)).lower()
    for joined, word in _JOINED.items():
        words = words.replace(joined, word)
    return words.split()


def _is(word: str, known: Iterable[str]) -> bool:
    return any(word == one or (len(one) >= 4 and word.startswith(one)) for one in known)


def name_of(tag: int) -> str:
    """Short name of a tissue number: `name_of(2) == "gm"`; "tissue 42" where the number is not known.

    >>> name_of(2), name_of(42)
    ('gm', 'tissue 42')
    """
    return Tissue(tag).name.lower() if tag in Tissue._value2member_map_ else f"tissue {int(tag)}"


def tag_of(tissue: int | str) -> int:
    """Tissue number from a number, a short name or a common alias; case, spaces and hyphens do not matter.

    >>> tag_of("bone"), tag_of("Grey matter"), tag_of("12")
    (4, 2, 12)

    Raises FemtmsError for a name that is not known.
    """
    if not isinstance(tissue, str):
        if isinstance(tissue, bool) or not isinstance(tissue, Integral):
            raise FemtmsError(f"a tissue must be a whole number or a name; got {tissue!r}")
        return int(tissue)
    key = tissue.strip().lower().replace(" ", "_").replace("-", "_")
    if key.upper() in Tissue.__members__:
        return int(Tissue[key.upper()])
    if key in _ALIASES:
        return int(_ALIASES[key])
    if key.isdecimal():
        return int(key)
    known = [t.name.lower() for t in Tissue]
    raise FemtmsError(
        f"a tissue must be a number or one of {', '.join(known)}; got '{tissue}'{meant(key, [*known, *_ALIASES])}"
    )


def is_within(other: int, tag: int) -> bool:
    """Whether a tissue (`other`) lies at or inside the depth of another one (`tag`): wm < gm < csf < bone < scalp.

    All bones have one depth, blood has that of CSF, and the scalp is around everything.  A tissue without a place in
    this order, such as the eyes or an unknown number, is only within itself and the scalp.

    >>> is_within(Tissue.WM, Tissue.GM), is_within(Tissue.GM, Tissue.WM), is_within(Tissue.EYE, Tissue.BONE)
    (True, False, False)
    """
    if other == tag or tag == Tissue.SCALP:
        return True
    depths = {int(tissue): depth for tissue, depth in _DEPTHS.items()}
    return other in depths and tag in depths and depths[other] <= depths[tag]


def check_present(tissues: Iterable[int], tag: int, what: str) -> None:
    """Raise FemtmsError unless a tissue number is among those of a head; `what` says why it must be."""
    present = sorted({int(t) for t in tissues} - {0})
    if tag not in present:
        raise FemtmsError(f"{what}; it has {', '.join(map(name_of, present))}")
