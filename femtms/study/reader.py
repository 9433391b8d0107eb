"""From a study file to its design; all that is wrong with it is told at once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from femtms.errors import StudyFaults
from femtms.study.coils import coils_of
from femtms.study.design import Design, StudyConductivity, StudyHead, StudyOption, StudyResults
from femtms.study.document import At, Document
from femtms.study.electrodes import check_electrode, electrodes_in
from femtms.study.faults import Faults, unknown_key
from femtms.study.files import Files
from femtms.study.heads import heads_of
from femtms.study.kinds import Broken
from femtms.study.model import STANDARD, ResultsEntry, StudyFile, is_one_place
from femtms.study.places import Matrices
from femtms.study.positions import places_of
from femtms.study.unique import check_once
from femtms.tissue import name_of, tag_of

MOST_CASES = 100_000_000

Entries = list[tuple[At, Any]]  # each with where it is

_LISTS = ("conductivities", "options", "coils", "places")


def design_of(document: Document) -> Design:
    """The design of what a file says.  Raises StudyFaults."""
    faults, files = Faults(document), Files(document.folder)
    file = _validated(document, files, faults)
    the_heads = heads_of(_entries("heads", file.heads, faults), files, faults)
    _check_electrodes(document.values, the_heads, faults)
    conductivities, options, coils, places = (_entries(key, getattr(file, key), faults) for key in _LISTS)
    name, towards, angles, distances_mm, results = (
        _whole(key, file, faults) for key in ("name", "towards", "angles", "distances_mm", "results")
    )
    results = results or ResultsEntry()

    the_conductivities = [(at, _conductivity(entry)) for at, entry in conductivities]
    the_options = [(at, StudyOption(**entry.model_dump())) for at, entry in options]
    the_coils = coils_of(coils, files, faults)
    the_places = places_of(places, towards, files, faults)
    check_once("conductivity", [(at, one.name) for at, one in the_conductivities], faults)
    check_once("option", [(at, one.name) for at, one in the_options], faults)
    _check_tensors(the_conductivities, [head for _, head in the_heads], faults)
    _check_targets(the_heads, results, faults)
    if distances_mm and len(distances_mm) > 1 and any(isinstance(run, Matrices) for run in the_places.runs):
        faults.add(("distances_mm",), "must be one number where places are matrices: these say the distance themselves")

    faults.check()

    design = Design(
        name or (Path(document.file).stem if document.file else "study"),
        tuple(head for _, head in the_heads),
        tuple(conductivity for _, conductivity in the_conductivities),
        tuple(option for _, option in the_options),
        tuple(the_coils),
        the_places,
        angles,
        distances_mm,
        _results(results),
    )
    if design.cases > MOST_CASES:
        raise StudyFaults([document.fault((), f"must have at most {MOST_CASES:,} cases; it has {design.cases:,}")])
    return design


def _validated(document: Document, files: Files, faults: Faults) -> StudyFile:
    """The file with what is not as it must be marked in it: the rest can be looked at all the same."""
    values, keys = document.values, tuple(StudyFile.model_fields)
    if not isinstance(values, dict):
        raise StudyFaults([document.fault((), f"a study must be a mapping with the keys {', '.join(keys)}")])
    for key in values:
        if key not in keys:
            faults.add((key,), unknown_key(str(key), keys))
    required = [key for key, field in StudyFile.model_fields.items() if field.is_required()]
    for key in required:
        if key not in values:
            faults.add((), f"'{key}' must be given")
    known = {key: value for key, value in values.items() if key in keys}
    return StudyFile.model_validate({key: [] for key in required} | known, context=files)


def _entries(key: str, section: Any, faults: Faults) -> Entries:
    """The entries of a section with their places, without those that are faults."""
    entries: Entries = [((key, i), entry) for i, entry in enumerate(section)] if isinstance(section, list) else []
    if not isinstance(section, list):
        entries = [((key,), section)]
    elif not entries and key in faults.document.values:
        faults.add((key,), "must have at least one entry; got an empty list")
    for at, entry in entries:
        if isinstance(entry, Broken):
            faults.add_errors(at, entry.errors)
    return [(at, entry) for at, entry in entries if not isinstance(entry, Broken)]


def _whole(key: str, file: StudyFile, faults: Faults) -> Any:
    """A section that is not a list of entries; None for one that is a fault."""
    value = getattr(file, key)
    if isinstance(value, Broken):
        faults.add_errors((key,), value.errors)
        return None
    return value


def _conductivity(entry: Any) -> StudyConductivity:
    return StudyConductivity(STANDARD) if entry == STANDARD else StudyConductivity(**entry.model_dump())


def _results(entry: ResultsEntry) -> StudyResults:
    tissues = entry.tissues if isinstance(entry.tissues, list) else [entry.tissues]
    fields = entry.fields if isinstance(entry.fields, list) else [entry.fields]
    return StudyResults(
        tuple(name_of(tag_of(tissue)) for tissue in tissues),
        dict(entry.targets),
        entry.target_radius_mm,
        tuple(dict.fromkeys(fields)),
        dict(entry.surfaces),
    )


def _check_tensors(
    conductivities: Sequence[tuple[At, StudyConductivity]], heads: Sequence[StudyHead], faults: Faults
) -> None:
    """A fault for each conductivity that needs tensors which a head does not have."""
    without = [head.name for head in heads if head.tensors is None]
    for at, conductivity in conductivities:
        if conductivity.anisotropy is not None and without:
            lacking = f"'{without[0]}' has" if len(without) == 1 else f"'{without[0]}' and {len(without) - 1} more have"
            faults.add(at, f"anisotropy needs the tensors of every head; {lacking} none: give 'tensors'")


def _check_electrodes(values: Mapping[str, Any], heads: Sequence[tuple[At, StudyHead]], faults: Faults) -> None:
    """A fault for each electrode that no head has, of the plain values of a study: also where entries are broken.

    Where some heads have it and others do not, the cases of the others fail in the run.
    """
    of_heads = _listed("heads", values.get("heads"))
    places = {name for _, entry in of_heads for name in _places_of(entry)}
    wholes: Entries = [((key,), values.get(key)) for key in ("towards", "results")]
    for at, entry in [*_listed("places", values.get("places")), *wholes]:
        _check_entry(at, entry, [head for _, head in heads], places, faults)
    for at, entry in of_heads:
        if isinstance(entry, dict):  # its targets and places are for it alone
            _check_entry(at, entry, [head for where, head in heads if where == at], _places_of(entry), faults)


def _check_entry(at: At, entry: Any, heads: Sequence[StudyHead], others: Iterable[str], faults: Faults) -> None:
    for where, electrode in electrodes_in(entry):
        if electrode and electrode.isprintable():  # else that is the fault
            with faults.at((*at, *where)):
                check_electrode(electrode, heads, others)


def _listed(key: str, section: Any) -> Entries:
    """The plain entries of a section, each with where it is; three numbers are one place."""
    if isinstance(section, list) and not (key == "places" and is_one_place(section)):
        return [((key, i), entry) for i, entry in enumerate(section)]
    return [((key,), section)]


def _places_of(head: Any) -> list[str]:
    """Names of the places of a head, from its plain value."""
    places = head.get("places") if isinstance(head, dict) else None
    return [str(name) for name in places] if isinstance(places, dict) else []


def _check_targets(heads: Sequence[tuple[At, StudyHead]], results: ResultsEntry, faults: Faults) -> None:
    """A fault for each target of a head that the results do not have."""
    for at, head in heads:
        for name in head.targets:
            if name not in results.targets:
                there = ", ".join(results.targets) or "none"
                faults.add((*at, "targets", name), f"must be one of the targets of 'results', which are {there}")
