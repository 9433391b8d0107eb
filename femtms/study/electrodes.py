"""Whether the heads of a study have the electrodes that it names; those that are built in are known without a mesh."""

from collections.abc import Iterable, Iterator
from typing import Any

from femtms.io.heads import built_in_landmarks
from femtms.study.design import Point
from femtms.study.document import At
from femtms.study.faults import Faults


def electrodes_of(heads: Iterable[str]) -> set[str]:
    """Names, in small letters, of the electrodes that any head has; those from files have none."""
    return {name.lower() for head in set(heads) for name in built_in_landmarks(head)}


def check_electrodes(points: Iterable[tuple[At, Point]], known: set[str], faults: Faults) -> None:
    """A fault for each point that names an electrode that is not known.

    Where some heads have it and others do not, the cases of the others fail in the run.
    """
    for at, point in points:
        if isinstance(point, str) and point.lower() not in known:
            why = "is none of the 10-10 system" if known else "is none: heads from files have no electrodes"
            faults.add(at, f"must be an electrode of the heads, or [x, y, z] in mm; '{point}' {why}")


def points_in(at: At, entry: Any) -> Iterator[tuple[At, Point]]:
    """The points that an entry of heads, places, towards or results has."""
    if entry is None:
        return
    if isinstance(entry, str | tuple):
        yield at, entry
        return
    for key in ("at", "around", "towards"):
        if getattr(entry, key, None) is not None:
            yield (*at, key), getattr(entry, key)
    for name, point in getattr(entry, "targets", {}).items():
        yield (*at, "targets", name), point
