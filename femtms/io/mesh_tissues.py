"""Which tissue each tetrahedron of a mesh file is: the array that says so, and what its numbers mean."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.label_map import LabelMap
from femtms.head.labels import MOST_TISSUES
from femtms.io.msh_counts import GmshGroups
from femtms.io.names import printable
from femtms.spelling import meant
from femtms.tissue import AIR, MAX_TAG, Tissue, name_of, says_another, tissue_in

log = logging.getLogger("femtms")

# Names under which programs of this field store the tissue of an element, in the order in which they are looked for.
TAG_NAMES = (
    "gmsh:physical",
    "tissue",
    "tag",
    "tags",
    "label",
    "labels",
    "medit:ref",
    "cell_tags",
    "material",
    "region",
    "subdomain",
    "gmsh:geometrical",
)
_PHYSICAL = "gmsh:physical"
_OF_FORMATS = (_PHYSICAL, "medit:ref", "tissue")  # where the format has it, or femtms puts it
_GEOMETRICAL = "gmsh:geometrical"  # volumes of a model: they stand in for tissues where there are no groups
_WHOLE = 1e-3
# Names that modellers give without thinking of a tissue.
_SAYS_NOTHING = re.compile(
    r"(?:physical|volume|vol|region|domain|tissue|material|mat|label|body|group|part|tag|\W|_|\d)*"
)


def tissue_array(
    raw: Any, blocks: list[int], path: Path, wanted: str | None, is_mapped: bool
) -> tuple[str, np.ndarray]:
    """The name of the array that has the tissues of the tetrahedra, and its whole numbers (m,) int64.

    wanted     the array that was asked for; None for the one under a name of TAG_NAMES, whatever its case
    is_mapped  the numbers are labels of a map: 0 and numbers beyond MAX_TAG are possible

    Raises FemtmsError when there is none, when several would do and say different things, and for too many tissues.
    """
    arrays = {name: _labels(raw, name, blocks) for name in raw.cell_data}
    if wanted is not None:
        name = _wanted(arrays, wanted, path)
        values = arrays[name]
        if values is None:
            raise FemtmsError(
                f"{path}: '{name}' must have a whole number for each tetrahedron to say which tissue it is; it has not"
            )
        return name, _checked(values, name, path, is_mapped)
    fitting = {name: values for name, values in arrays.items() if values is not None and _fits(values, is_mapped)}
    known = sorted((n for n in fitting if n.lower() in TAG_NAMES), key=lambda n: TAG_NAMES.index(n.lower()))
    if not known:
        others = ", ".join(f"'{printable(n)}' ({v.min():,} to {v.max():,})" for n, v in fitting.items())
        raise FemtmsError(
            f"{path}: every tetrahedron must have a tissue number from 1 to {MAX_TAG:,}, as whole numbers under "
            f"one of {', '.join(TAG_NAMES)}; "
            + (
                f"arrays of another name that fit: {others}; if one of them is the tissue, choose it with "
                f"--tissue-array NAME (tissue_array=)"
                if others
                else f"the file's element data: {_described(arrays) or 'none'}"
            )
        )
    # volumes stand in for groups, and one number for all says nothing beside an array with several
    of_tissues = [n for n in known if n.lower() != _GEOMETRICAL] or known
    several = [n for n in of_tissues if fitting[n].min() < fitting[n].max()]
    first = (several or of_tissues)[0]
    differ = [n for n in several if not np.array_equal(fitting[n], fitting[first])]
    if differ:
        raise FemtmsError(
            f"{path}: one array must say which tissue a tetrahedron is; {', '.join(map(repr, [first, *differ]))} say "
            f"different things: choose one with --tissue-array NAME (tissue_array=)"
        )
    if first.lower() not in _OF_FORMATS:
        log.info("%s: tissues from the array '%s'", path.name, printable(first))
    return first, _checked(fitting[first], first, path, is_mapped)


def _described(arrays: Mapping[str, np.ndarray | None]) -> str:
    """The arrays, with what speaks against each."""
    return ", ".join(
        f"{printable(name)} ({'not whole numbers' if values is None else f'{values.min():,} to {values.max():,}'})"
        for name, values in arrays.items()
    )


def _labels(raw: Any, name: str, blocks: list[int]) -> np.ndarray | None:
    """Whole numbers (m,) int64 of an array, or None where it has something else."""
    parts = [np.asarray(raw.cell_data[name][i]) for i in blocks]
    if len({part.shape[1:] for part in parts}) != 1:
        return None
    values = np.concatenate(parts)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    whole = np.rint(values.astype(np.float64))
    if (np.abs(values - whole) > _WHOLE).any() or np.abs(whole).max(initial=0) >= 2**53:
        return None
    if name.lower() == _PHYSICAL:
        whole = np.abs(whole)  # a sign is the orientation
    return whole.astype(np.int64)


def _fits(values: np.ndarray, is_mapped: bool) -> bool:
    """Whether numbers can be those of tissues: files without physical groups carry zeros in their place."""
    if is_mapped:
        return bool(values.min(initial=0) >= 0 and values.max(initial=0) > 0)
    return bool(values.min(initial=1) > 0 and values.max(initial=1) <= MAX_TAG)


def _wanted(arrays: Mapping[str, Any], wanted: str, path: Path) -> str:
    """The array of this name, in any case of its letters."""
    if not isinstance(wanted, str):
        raise FemtmsError(f"{path}: tissue_array must be the name of an array; got {type(wanted).__name__}")
    if wanted in arrays:
        return wanted
    alike = [name for name in arrays if name.lower() == wanted.lower()]
    if len(alike) == 1:
        return alike[0]
    have = ", ".join(map(printable, arrays)) or "none"
    raise FemtmsError(
        f"{path}: --tissue-array (tissue_array=) must name one of the file's arrays of element data ({have}); "
        f"got '{wanted}'{meant(wanted, arrays)}"
    )


def _checked(values: np.ndarray, name: str, path: Path, is_mapped: bool) -> np.ndarray:
    """The numbers of the array.  Raises FemtmsError where they cannot be those of tissues."""
    if not is_mapped and not _fits(values, False):
        raise FemtmsError(
            f"{path}: tissue numbers must be from 1 to {MAX_TAG:,}; '{name}' has {values.min():,} to {values.max():,} "
            f"(--labels or labels= says which tissue a number is)"
        )
    different = len(np.unique(values))
    if not is_mapped and different > MOST_TISSUES:
        raise FemtmsError(
            f"{path}: a head must have at most {MOST_TISSUES} tissues; '{name}' has {different:,} different numbers: "
            f"say which tissue each one is by --labels (labels=), or choose another array with --tissue-array"
        )
    return values


def check_groups(groups: GmshGroups, array: str, path: Path) -> None:
    """Raise FemtmsError for a volume in several physical groups, where the array has their numbers."""
    if array.lower() != _PHYSICAL:
        return
    for volume, numbers in groups.of_volumes.items():
        if len(set(map(abs, numbers))) > 1:
            shown = ", ".join(f"{n} '{printable(groups.names[n])}'" if n in groups.names else str(n) for n in numbers)
            raise FemtmsError(
                f"{path}: an element must be in one physical group, which says its tissue; volume {volume} is in "
                f"{len(numbers)}: {shown}: keep one, or use volumes (--tissue-array gmsh:geometrical --labels MAP)"
            )


def map_of_names(numbers: np.ndarray, names: Mapping[int, str], array: str, path: Path) -> LabelMap | None:
    """Which tissue each of these numbers is by the names of their groups; None where the names leave it to the numbers.

    array  that has the numbers

    Raises FemtmsError where names and numbers contradict each other: where a group without a name that says a tissue
    has the number of one, among groups that are numbered in another way, or under a name that means something else;
    and where no element is in the groups that are named.
    """
    if array.lower() == _GEOMETRICAL and any(tissue_in(name) is not None for name in names.values()):
        raise FemtmsError(
            f"{path}: the elements must be in the physical groups whose names say tissues; they are in none: say which "
            f"tissue each volume is by --tissue-array gmsh:geometrical --labels MAP"
        )
    if array.lower() != _PHYSICAL:
        return None
    used = {int(n): names[int(n)] for n in numbers if int(n) in names}
    said = {n: tissue for n, name in used.items() if (tissue := tissue_in(name)) is not None}
    shown = ", ".join(f"{n} is '{printable(names[n])}'" for n in sorted(said))
    rest = [int(n) for n in numbers if int(n) not in said]
    is_renumbered = any(n != tissue for n, tissue in said.items())
    for n in rest:
        is_tissue = n in Tissue._value2member_map_
        if n < 1 or (is_tissue and (is_renumbered or says_another(used.get(n, "")))):
            what = f"is '{printable(used[n])}'" if n in used else "has no name"
            others = f"{shown}, but" if shown else "here"
            raise FemtmsError(
                f"{path}: the names of the physical groups must say the tissue of each; {others} {n}, the number of "
                f"{name_of(n)}, {what}: say which tissue each number is by --labels (labels=)"
            )
    unknown = [n for n in rest if n in used and not _SAYS_NOTHING.fullmatch(used[n].lower())]
    if unknown:
        words = ", ".join(f"{n} '{printable(used[n])}'" for n in unknown)
        log.warning("%s: the names of some physical groups say no tissue; their numbers count: %s", path.name, words)
    if not is_renumbered:
        return None
    log.info("%s: tissues by the names of the physical groups: %s", path.name, shown)
    return LabelMap(said | {n: n for n in rest}, "names of the physical groups")


def mapped(values: np.ndarray, label_map: LabelMap, path: Path) -> np.ndarray:
    """Tissue numbers (m,) of the tetrahedra with these labels (m,), 0 for air.

    Raises FemtmsError when a label is not named by the map.
    """
    labels, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    tissues = np.array([label_map.tissues.get(int(label), -1) for label in labels])
    unknown = tissues < 0
    if unknown.any():
        if label_map.rest is None:
            shown = ", ".join(f"{label} ({n:,} tetrahedra)" for label, n in zip(labels[unknown], counts[unknown]))
            raise FemtmsError(
                f"{path}: the map '{label_map.name}' must name every label of the mesh; it does not name {shown:.200}: "
                f"give a CSV map with rows for them, or with a row *,TISSUE for the rest"
            )
        tissues[unknown] = label_map.rest
    return tissues[index.ravel()]


def without_air(tets: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The tetrahedra (m,4) that are tissue and their tags (m,), and a note on those that are air."""
    is_air = tags == AIR
    if not is_air.any():
        return tets, tags, ()
    return tets[~is_air], tags[~is_air], (f"{np.count_nonzero(is_air):,} tetrahedra are air and were left out",)
