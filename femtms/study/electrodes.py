"""Electrodes and other places that a study names: which names a head has is known without a mesh."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from femtms.errors import FemtmsError
from femtms.head.fiducials import FIDUCIALS
from femtms.head.sphere import LayeredSphere
from femtms.io.electrode_files import read_electrodes
from femtms.io.fiducials import ESTIMATE
from femtms.io.heads import built_in_heads, built_in_landmarks
from femtms.spelling import closest
from femtms.study.design import StudyHead


def electrodes_of(head: StudyHead) -> tuple[str, ...]:
    """Names of the electrodes and places of a head.  Raises FemtmsError for a file of them that cannot be read."""
    return (*_electrodes(head.source, head.fiducials), *head.places)


@cache
def _electrodes(source: str, fiducials: str | None) -> tuple[str, ...]:
    if fiducials is None:
        return tuple(built_in_landmarks(source))
    all_of_them = tuple(LayeredSphere().landmarks)
    if fiducials == ESTIMATE:
        return all_of_them
    own = tuple(read_electrodes(fiducials))
    return (*own, *all_of_them) if set(FIDUCIALS) <= set(own) else own


def check_electrode(name: str, heads: Sequence[StudyHead], others: Iterable[str] = ()) -> None:
    """Raise FemtmsError when none of the heads has such an electrode or place; without heads, none that is built in.

    others  names of places besides those of the heads, which may be faults themselves
    """
    known = [*(electrode for head in heads for electrode in electrodes_of(head)), *others]
    built_in = [electrode for head in built_in_heads() for electrode in _electrodes(head, None)]
    if name.lower() in {electrode.lower() for electrode in (known if heads else [*known, *built_in])}:
        return
    if name.lower() not in {electrode.lower() for electrode in built_in}:
        close = closest(name, [*known, *built_in])
        meant = f"did you mean {close}?" if close else "or give [x, y, z] in mm"
        raise FemtmsError(f"'{name}' is no electrode of the 10-10 system; {meant}")
    raise FemtmsError(
        f"'{name}' is an electrode, which heads from files do not have: give [x, y, z], or to the heads "
        f"'fiducials' or 'electrodes: estimate'"
    )


def electrodes_in(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """The electrodes that the plain value of a head, a place or results names, and where in it."""
    if isinstance(value, str):
        yield (), value
    if not isinstance(value, Mapping):
        return
    for key in ("at", "around", "towards"):
        if isinstance(value.get(key), str):
            yield (key,), value[key]
    for key in ("targets", "places"):
        points = value.get(key)
        for name, point in points.items() if isinstance(points, Mapping) else ():
            if isinstance(point, str):
                yield (key, name), point
