"""Names within a dimension: made where none is given, and each of them once."""

from collections.abc import Iterable, Sequence

from femtms.errors import FemtmsError
from femtms.study.document import At
from femtms.study.faults import Faults
from femtms.study.naming import check_name, distinct


def named(what: str, candidates: Sequence[tuple[At, Sequence[str]]], faults: Faults) -> list[str]:
    """One name for each of what stands at a place and has some candidates, see `distinct`; what is wrong is a fault."""
    names = distinct([options for _, options in candidates])
    checked = []
    for name, (at, _) in zip(names, candidates):
        try:
            checked.append(check_name(name))
        except FemtmsError as error:
            faults.add(at, f"{error}; that of this {what} would be {name!r:.60}: give it one by 'name'")
            checked.append(name)
    check_once(what, [(at, name) for name, (at, _) in zip(checked, candidates)], faults)
    return checked


def check_once(what: str, names: Iterable[tuple[At, str]], faults: Faults) -> None:
    """A fault for each name that is there already."""
    first: dict[str, At] = {}
    for at, name in names:
        if name in first:
            other = f"[{first[name][1]}]" if len(first[name]) > 1 else ""
            faults.add(at, f"each {what} must have a name of its own; '{name}' is that of {first[name][0]}{other} too")
        first.setdefault(name, at)
