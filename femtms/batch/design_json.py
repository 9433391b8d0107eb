"""A design as JSON, without its places, and back: exactly the same, to the last digit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from femtms.errors import FemtmsError
from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)

_PARTS: dict[str, Any] = {
    "name": TypeAdapter(str),
    "heads": TypeAdapter(tuple[StudyHead, ...]),
    "conductivities": TypeAdapter(tuple[StudyConductivity, ...]),
    "options": TypeAdapter(tuple[StudyOption, ...]),
    "coils": TypeAdapter(tuple[StudyCoil, ...]),
    "angles": TypeAdapter(tuple[float, ...]),
    "distances_mm": TypeAdapter(tuple[float, ...]),
    "results": TypeAdapter(StudyResults),
}


def design_to_json(design: Design) -> dict[str, Any]:
    """All of a design but its places, for JSON; a mapping with numbers as keys becomes a list of pairs."""
    return {
        "name": design.name,
        "heads": [_plain(asdict(head)) for head in design.heads],
        "conductivities": [_plain(asdict(conductivity)) for conductivity in design.conductivities],
        "options": [_plain(asdict(option)) for option in design.options],
        "coils": [_plain(asdict(coil)) for coil in design.coils],
        "angles": list(design.angles),
        "distances_mm": list(design.distances_mm),
        "results": _plain(asdict(design.results)),
    }


def design_from_json(content: Mapping[str, Any], places: Sequence[StudyPlace]) -> Design:
    """The design that `design_to_json` wrote, with its places.  Raises FemtmsError for what is none."""
    try:
        parts = {name: part.validate_python(_restored(content[name])) for name, part in _PARTS.items()}
    except KeyError as error:
        raise FemtmsError(f"the design of a study must have {', '.join(_PARTS)}; it lacks {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FemtmsError(f"the design of the study is damaged: {where} {first['msg']}") from None
    return Design(**parts, places=places)


_BY_NUMBER = ("sigma", "size_mm")  # mappings whose keys may be numbers of tissues


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(item) for key, item in value.items()}
        return [[key, _plain(item)] for key, item in value.items()]
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _restored(value: Any) -> Any:
    """With the mappings that became lists of pairs."""
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {k: v for k, v in item} if key in _BY_NUMBER and isinstance(item, list) else item
        for key, item in value.items()
    }
