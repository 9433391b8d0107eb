"""What a study may name as a head, a coil, a map of labels or a surface, and the files that are meant."""

from pathlib import Path

from femtms.errors import FemtmsError
from femtms.head.label_map import PRESETS
from femtms.io.catalogue import SUFFIXES, catalogue, coil_suffix
from femtms.io.heads import built_in_heads
from femtms.io.surface_files import check_surface_file
from femtms.spelling import closest
from femtms.study.files import Files


def head_sources(text: str, files: Files) -> tuple[str | Path, ...]:
    """A built-in name, or files.  Raises FemtmsError when there is neither."""
    if text in built_in_heads():
        return (text,)
    try:
        return files.all(text)
    except FemtmsError as error:
        raise _or_a_name(error, text, list(built_in_heads()), "heads") from None


def coil_sources(text: str, files: Files) -> tuple[str | Path, ...]:
    """A name of the catalogue as it is written there, or files; those of the user's folder of coils are files, too.

    Raises FemtmsError when there is neither, and for files that are no coils.
    """
    try:
        found = files.all(text)
    except FemtmsError as error:
        named = {known.lower(): coil for known, coil in catalogue().items()}.get(text.lower())
        if named is not None:
            return (named.name if named.file is None else named.file.absolute(),)
        raise _or_a_name(error, text, list(catalogue()), "coils") from None
    others = [path for path in found if coil_suffix(path) is None]
    if others:
        raise FemtmsError(f"a coil file must be one of {', '.join(SUFFIXES)}; got {others[0]}")
    return found


def labels_source(text: str, files: Files) -> str:
    """The name of a built-in map of labels, or the absolute path of a CSV file.  Raises FemtmsError."""
    if text.lower() in PRESETS:
        return text.lower()
    try:
        return str(files.one(text))
    except FemtmsError as error:
        raise _or_a_name(error, text, list(PRESETS), "maps of labels") from None


def surface_source(text: str, files: Files) -> str:
    """The absolute path of a surface.  Raises FemtmsError when there is none, and for another suffix."""
    path = files.one(text)
    check_surface_file(path)
    return str(path)


def _or_a_name(error: FemtmsError, text: str, names: list[str], what: str) -> FemtmsError:
    """The same error with the names that there are, for what may have been meant as one."""
    if "/" in text or Path(text).suffix:
        return error
    close = closest(text, names)
    meant = f"did you mean '{close}'?" if close else f"built-in {what} are {', '.join(names)}"
    return FemtmsError(f"{error}; {meant}")
