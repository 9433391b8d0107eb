"""What somebody may have meant by a name that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, whatever the case of its letters; None where none is.

    >>> closest("figure8-70m", ["double-cone", "figure8-70mm"]), closest("c 3", ["C3", "C4"]), closest("x", ["C3"])
    ('figure8-70mm', 'C3', None)
    """
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_lower, 1)
    return by_lower[found[0]] if found else None


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not there: "; did you mean 'C3'?", or nothing."""
    close = closest(name, known)
    return "" if close is None else f"; did you mean '{close}'?"
