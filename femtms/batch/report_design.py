"""A study's design and provenance in words, for its report."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from femtms.io.fiducials import ESTIMATE
from femtms.io.names import printable
from femtms.study.design import Design, Point, StudyConductivity, StudyHead, StudyOption, StudyPlace

_MOST_NAMES = 40
_MOST_ENTRIES = 200
_MOST_CHARACTERS = 2000
_MOST_OF_FILE = 100_000  # characters

Section = tuple[str, list[tuple[str, str]]]


def design_sections(design: Design, provenance: Mapping[str, Any]) -> list[Section]:
    """What the study computes, dimension by dimension, and from what and with what."""
    results = design.results
    kept = [("tissues", ", ".join(results.tissues)), ("fields", ", ".join(results.fields) or "none, only statistics")]
    kept += [(f"target {name}", _point(point)) for name, point in results.targets.items()]
    if results.targets:
        kept.append(("radius of targets", f"{results.target_radius_mm:g} mm"))
    kept += [(f"surface {name}", path) for name, path in results.surfaces.items()]
    sections = [
        ("Heads", [(head.name, _head(head)) for head in design.heads]),
        ("Conductivities", [(c.name, _conductivity(c)) for c in design.conductivities]),
        ("Options", [(option.name, _option(option)) for option in design.options]),
        ("Coils", [(coil.name, coil.source) for coil in design.coils]),
        ("Positions", _positions(design)),
        ("Results", kept),
        ("How they came about", list(_flat(_without_design(provenance)))),
    ]
    return [(title, _bounded(entries)) for title, entries in sections if entries]


def study_text(provenance: Mapping[str, Any]) -> str:
    """The study's file as it was written, or its beginning where it is long; empty where there was none."""
    file = provenance.get("study_file")
    text = file.get("text") if isinstance(file, Mapping) else None
    text = text if isinstance(text, str) else ""
    return text if len(text) <= _MOST_OF_FILE else text[:_MOST_OF_FILE] + "\n…"


def _without_design(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What the other sections do not say."""
    kept = dict(provenance)
    for name, said in (("inputs", "design"), ("study_file", "text")):
        if isinstance(kept.get(name), Mapping):
            kept[name] = {key: value for key, value in kept[name].items() if key != said}
    return kept


def _bounded(entries: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    kept = [(printable(term), printable(text, _MOST_CHARACTERS)) for term, text in entries[:_MOST_ENTRIES]]
    if len(entries) > _MOST_ENTRIES:
        kept.append(("…", f"{len(entries) - _MOST_ENTRIES:,} more"))
    return kept


def _head(head: StudyHead) -> str:
    parts = [head.source]
    if head.radii_mm is not None:
        parts.append("radii " + ", ".join(f"{r:g}" for r in head.radii_mm) + " mm")
    if head.labels is not None:
        parts.append(f"labels {head.labels}")
    if head.tissue_array is not None:
        parts.append(f"tissues from {head.tissue_array}")
    if head.tensors is not None:
        parts.append(f"tensors {head.tensors} in the frame {head.tensor_frame}")
    if head.fiducials is not None:
        parts.append("electrodes estimated" if head.fiducials == ESTIMATE else f"fiducials {head.fiducials}")
    parts += [f"{name} is {_point(point)}" for name, point in head.places.items()]
    parts += [f"target {name} at {_point(point)}" for name, point in head.targets.items()]
    return "; ".join(parts)


def _conductivity(conductivity: StudyConductivity) -> str:
    parts = [f"{tissue} {sigma:g} S/m" for tissue, sigma in conductivity.sigma.items()]
    parts.append("the others as built in" if parts else "as built in")
    if conductivity.anisotropy is not None:
        parts.append(f"anisotropic, {conductivity.anisotropy}")
        limits = (("ratio", conductivity.max_ratio, ""), ("σ", conductivity.max_sigma, " S/m"))
        parts += [f"largest {name} {limit:g}{unit}" for name, limit, unit in limits if limit is not None]
    return "; ".join(parts)


def _option(option: StudyOption) -> str:
    size = option.size_mm
    sizes = ", ".join(f"{k} {v:g}" for k, v in size.items()) if isinstance(size, Mapping) else f"{size:g}"
    rates = ", ".join(f"{rate:g}" for rate in (option.didt if isinstance(option.didt, tuple) else (option.didt,)))
    parts = [f"size {sizes} mm", f"order {option.order}", f"E {option.recovery}", f"rtol {option.rtol:g}"]
    parts += [f"dI/dt {rates} A/s", f"outside a coil's grid: {option.outside}"]
    return "; ".join([*parts, *(["casings may cut the scalp"] if option.allow_intersection else [])])


def _positions(design: Design) -> list[tuple[str, str]]:
    places = [design.places[i] for i in range(min(len(design.places), _MOST_NAMES))]
    names = "; ".join(_place(place) for place in places)
    more = len(design.places) - len(places)
    return [
        (f"places ({len(design.places):,})", names + (f"; {more:,} more" if more else "")),
        (f"angles ({len(design.angles):,})", _numbers(design.angles, "°")),
        (f"distances ({len(design.distances_mm):,})", _numbers(design.distances_mm, " mm")),
    ]


def _place(place: StudyPlace) -> str:
    if place.matrix is not None:
        return f"{place.name}, by its matrix"
    at = None if place.at is None else _point(place.at)
    text = place.name if at is None or place.name.startswith(at) else f"{place.name} at {at}"  # not "C3 (10, 0) at C3"
    return text + ("" if place.towards is None else f" towards {_point(place.towards)}")


def _point(point: Point) -> str:
    return point if isinstance(point, str) else "(" + ", ".join(f"{x:g}" for x in point) + ") mm"


def _numbers(values: Sequence[float], unit: str) -> str:
    """
    >>> _numbers([0, 10, 20, 30], "°"), _numbers([4, 7], " mm")
    ('0° to 30° in steps of 10°', '4, 7 mm')
    """
    steps = {round(b - a, 9) for a, b in pairwise(values)}
    if len(values) > 3 and len(steps) == 1:
        return f"{values[0]:g}{unit} to {values[-1]:g}{unit} in steps of {steps.pop():g}{unit}"
    shown = ", ".join(f"{value:g}" for value in values[:_MOST_NAMES])
    return f"{shown}{unit}" + (f"; {len(values) - _MOST_NAMES:,} more" if len(values) > _MOST_NAMES else "")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each number and text of nested JSON under its path; short mappings and lists of them in one line."""
    if isinstance(value, Mapping):
        if name and not value:
            return
        if name and all(not isinstance(v, Mapping | list) for v in value.values()):
            yield name, ", ".join(f"{k} {v}" for k, v in value.items())
            return
        for key, inner in value.items():
            yield from _flat(inner, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list) and any(isinstance(v, Mapping | list) for v in value):
        for i, inner in enumerate(value):
            yield from _flat(inner, f"{name} {i + 1}")
    elif value is not None and value != "" and value != []:
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
