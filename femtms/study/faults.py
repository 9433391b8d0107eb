"""What is wrong with a study, collected: all of it is told at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_core import ErrorDetails

from femtms.errors import FemtmsError, StudyFaults
from femtms.spelling import closest
from femtms.study.document import At, Document
from femtms.study.kinds import is_number
from femtms.study.model import KEYS

# What pydantic says, as what a value must be.
_MUST: dict[str, str] = {
    "string_type": "must be text",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping, KEY: VALUE",
    "model_type": "must be a mapping, KEY: VALUE",
    "model_attributes_type": "must be a mapping, KEY: VALUE",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "finite_number": "must be a finite number",
    "greater_than": "must be > {gt:g}",
    "greater_than_equal": "must be ≥ {ge:g}",
    "less_than": "must be < {lt:g}",
    "less_than_equal": "must be ≤ {le:g}",
    "literal_error": "must be {expected}",
    "string_too_short": "must be text of at least {min_length} character",
    "string_too_long": "must be text of at most {max_length} characters",
}


class Faults:
    """The faults of a study so far, as state."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._told: list[tuple[At, str]] = list(document.faults)
        self._not_plain = {at for at, _ in document.faults}

    def add(self, at: At, sentence: str) -> None:
        """One more, with where it is; of what is no plain data there is nothing more to say."""
        if at not in self._not_plain:
            self._told.append((at, sentence))

    def add_errors(self, at: At, errors: Iterable[ErrorDetails]) -> None:
        """What pydantic found wrong with the value at a place."""
        for error in errors:
            self.add(*_told(at, error))

    @contextmanager
    def at(self, at: At) -> Iterator[None]:
        """A FemtmsError that the block raises is a fault at this place."""
        try:
            yield
        except FemtmsError as error:
            self.add(at, str(error))

    def check(self) -> None:
        """Raise StudyFaults when there are any, in the order of their lines."""
        if self._told:
            told = sorted(self._told, key=lambda fault: self.document.line(fault[0]))
            raise StudyFaults(dict.fromkeys(self.document.fault(*fault) for fault in told))


def _told(at: At, error: ErrorDetails) -> tuple[At, str]:
    """Where in the file an error is, and what is wrong, in our words."""
    kind, value, loc = error["type"], error["input"], error["loc"]
    keys = tuple(key for key in loc if not (isinstance(key, str) and key.startswith("<") and key.endswith(">")))
    where: At = (*at, *(key for key in keys if key != "[key]"))
    if kind == "missing":
        return where[:-1], f"'{where[-1]}' must be given"
    if kind == "extra_forbidden":
        return where, unknown_key(str(loc[-1]), _keys_at(at, loc[:-1]))
    context: dict[str, Any] = error.get("ctx", {})
    if kind == "value_error":
        return where, str(context["error"])
    must = _MUST[kind].format(**context) if kind in _MUST else error["msg"]
    return where, f"{must}; got {_shown(value)}"


def unknown_key(key: str, known: tuple[str, ...]) -> str:
    """What to say of a key that means nothing, with what may be meant."""
    close = closest(key, known)
    return "is no key here; " + (f"did you mean '{close}'?" if close else f"the keys are {', '.join(known)}")


def _keys_at(at: At, loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that there may be: those of the innermost entry that is known."""
    return next(KEYS[str(key)] for key in reversed((*at, *loc)) if str(key) in KEYS)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping with {', '.join(map(str, value))}"[:80] if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list, {value!r:.60}" if value else "an empty list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:60] if is_number(value) else f"'{value!s:.60}'"
