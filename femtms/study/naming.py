"""Names of what a study combines: given, or made from the names of files."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from femtms.errors import FemtmsError
from femtms.io.companions import stem_of

LONGEST_NAME = 100
_MOST_FOLDERS = 4  # of a file that its name may need

_ENTITIES = {entity: re.compile(rf"(?:^|_){entity}-([A-Za-z0-9]+)") for entity in ("sub", "ses")}


def check_name(name: str) -> str:
    """A name in the form in which it is compared (NFC).

    Names become parts of file names, columns and pages.  Raises FemtmsError for one that could be a path elsewhere, or
    that a terminal would obey.
    """
    name = unicodedata.normalize("NFC", name)
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise FemtmsError(f"a name must have 1 to {LONGEST_NAME} printable characters, none of them a blank at an end")
    if "/" in name or "\\" in name or name.startswith(".") or ".." in name:
        raise FemtmsError("a name must not have / or \\ or .., nor begin with a dot: it becomes a part of file names")
    return name


def entities_of(path: Path) -> dict[str, str]:
    """What BIDS says of a file, {"sub": "01", "ses": "2"}, from its name or, where that lacks it, from its folders.

    Gorgolewski et al. 2016, Sci Data 3:160044.

    >>> entities_of(Path("derivatives/sub-01/ses-2/anat/sub-01_labels.nii.gz"))
    {'sub': '01', 'ses': '2'}
    """
    found = {}
    for entity, pattern in _ENTITIES.items():
        for part in reversed(path.parts):
            match = pattern.search(part)
            if match:
                found[entity] = match[1]
                break
    return found


def names_from(path: Path, by_subject: bool = False) -> tuple[str, ...]:
    """What a file may be called, the shortest first: by its subject and session, its stem, or that with its folders.

    >>> names_from(Path("/bids/sub-01/anat/labels.nii.gz"), by_subject=True)
    ('sub-01', 'labels', 'anat labels', 'sub-01 anat labels', 'bids sub-01 anat labels')
    """
    stem = stem_of(path)
    folders = [part for part in path.parent.parts if part != path.anchor]
    names = [" ".join((*folders[len(folders) - n :], stem)) for n in range(min(_MOST_FOLDERS, len(folders)) + 1)]
    entities = entities_of(path) if by_subject else {}
    if "sub" in entities:
        names.insert(0, "_".join(f"{entity}-{label}" for entity, label in entities.items()))
    return tuple(names)


def distinct(candidates: Sequence[Sequence[str]]) -> list[str]:
    """One name for each, the shortest of its candidates that no other one has as well.

    Those without such a name keep the longest: they are the same file, or were given the same name.

    >>> distinct([["sub-01"], ["coil", "a coil"], ["coil", "b coil"]])
    ['sub-01', 'a coil', 'b coil']
    """
    level = [0] * len(candidates)
    while True:
        names = [names[i] for names, i in zip(candidates, level)]
        count = Counter(names)
        longer = [i for i, name in enumerate(names) if count[name] > 1 and level[i] + 1 < len(candidates[i])]
        if not longer:
            return names
        for i in longer:
            level[i] += 1
