"""Electrodes that a study names: only the built-in heads have some, and those are known without a mesh."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from femtms.errors import FemtmsError
from femtms.io.heads import built_in_heads, built_in_landmarks
from femtms.spelling import closest
from femtms.study.design import Point


@cache
def electrodes_of(head: str) -> tuple[str, ...]:
    """Names of the electrodes of a head by its built-in name; one from a file has none."""
    return tuple(built_in_landmarks(head))


def check_electrode(name: str) -> str:
    """The name.  Raises FemtmsError when no built-in head has such an electrode."""
    known = [electrode for head in built_in_heads() for electrode in electrodes_of(head)]
    if name.lower() not in {electrode.lower() for electrode in known}:
        close = closest(name, known)
        meant = f"did you mean {close}?" if close else "or give [x, y, z] in mm"
        raise FemtmsError(f"'{name}' is no electrode of the 10-10 system; {meant}")
    return name


def electrodes_in(entry: Any) -> Iterator[tuple[tuple[str, ...], Point]]:
    """The electrodes that an entry of heads, places or results names, and where in it."""
    if isinstance(entry, str):
        yield (), entry
    for key in ("at", "around", "towards"):
        if isinstance(getattr(entry, key, None), str):
            yield (key,), getattr(entry, key)
    for name, point in getattr(entry, "targets", {}).items():
        if isinstance(point, str):
            yield ("targets", name), point
