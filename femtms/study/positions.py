"""The places of a study from what its file says of them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from femtms.io.poses import read_pose_matrices
from femtms.study.design import Point, StudyPlace
from femtms.study.document import At
from femtms.study.faults import Faults
from femtms.study.files import Files
from femtms.study.model import AroundEntry, AtEntry, PosesEntry
from femtms.study.naming import names_from
from femtms.study.places import Disc, Matrices, Places, Run, Single
from femtms.study.unique import named


def places_of(entries: Iterable[tuple[At, Any]], towards: Point | None, files: Files, faults: Faults) -> Places:
    """All of them; towards is where the coil's y points at those that do not say it themselves."""
    runs: list[Run] = []
    names: dict[type[Run], dict[int, tuple[At, tuple[str, ...]]]] = {Single: {}, Disc: {}, Matrices: {}}
    for at, entry in entries:
        with faults.at(at):
            run, may_be_called = _run(entry, towards, files)
            names[type(run)][len(runs)] = (at, may_be_called)
            runs.append(run)
    # a place 'C3' and a grid around it share that word but no name
    named("place", list(names[Single].values()), faults)
    named("grid", list(names[Disc].values()), faults)
    for i, name in zip(names[Matrices], named("file of poses", list(names[Matrices].values()), faults)):
        runs[i] = replace(runs[i], name=name)  # type: ignore[type-var]
    many = Places(tuple(run for run in runs if not isinstance(run, Single)))
    for at, (name,) in names[Single].values():
        if many.has(name):
            faults.add(at, f"each place must have a name of its own; '{name}' is one of a grid or of a file of poses")
    return Places(tuple(runs))


def _run(entry: Any, towards: Point | None, files: Files) -> tuple[Run, tuple[str, ...]]:
    """The places of one entry, and what they, or the word before their numbers, may be called."""
    if isinstance(entry, PosesEntry):
        path = files.one(entry.poses)
        names = names_from(path) if entry.name is None else (entry.name,)
        return Matrices(names[0], read_pose_matrices(path)), names
    if isinstance(entry, AroundEntry):
        name = entry.name or shown(entry.around)
        aim = entry.towards or towards
        return Disc.of(name, entry.around, aim, entry.radius_mm, entry.spacing_mm), (name,)
    at, given, aim = (entry.at, entry.name, entry.towards) if isinstance(entry, AtEntry) else (entry, None, None)
    name = given or shown(at)
    return Single(name, StudyPlace(name, at, aim or towards)), (name,)


def shown(point: Point) -> str:
    """What a point is called: the electrode, or '(-65, -12, 64)'."""
    return point if isinstance(point, str) else f"({', '.join(f'{mm:.10g}' for mm in point)})"
