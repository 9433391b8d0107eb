"""The heads of a study, with the files that belong to each."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from femtms.errors import FemtmsError
from femtms.io.electrode_files import read_electrodes
from femtms.io.heads import SPHERE
from femtms.io.nifti import is_volume
from femtms.study.design import Point, StudyHead
from femtms.study.document import At
from femtms.study.faults import Faults
from femtms.study.files import Files
from femtms.study.model import HeadEntry, SphereEntry
from femtms.study.naming import entities_of, names_from
from femtms.study.sources import head_sources
from femtms.study.unique import named


def heads_of(entries: Iterable[tuple[At, Any]], files: Files, faults: Faults) -> list[tuple[At, StudyHead]]:
    """Each head with where it is from: a pattern makes one of each of its files."""
    found: list[tuple[At, StudyHead, tuple[str, ...]]] = []
    for at, entry in entries:
        with faults.at(at):
            if isinstance(entry, SphereEntry):
                name = entry.name or f"sphere {'-'.join(f'{radius:g}' for radius in entry.sphere)}"
                head = StudyHead(name, SPHERE, entry.sphere, targets=dict(entry.targets))
                found.append((at, head, (name,)))
                continue
            entry = HeadEntry.model_construct(path=entry) if isinstance(entry, str) else entry
            for head, names in _of_files(entry, files):
                found.append((at, head, names))
    names_of_all = named("head", [(at, names) for at, _, names in found], faults)
    return [(at, replace(head, name=name)) for name, (at, head, _) in zip(names_of_all, found)]


def _of_files(entry: HeadEntry, files: Files) -> list[tuple[StudyHead, tuple[str, ...]]]:
    """The heads of an entry, and what each may be called."""
    sources = head_sources(entry.path, files)
    if entry.name is not None and len(sources) > 1:
        raise FemtmsError(f"'name' is for one head; {len(sources)} files match '{entry.path}'")
    heads = []
    for source in sources:
        if entry.labels is not None and not isinstance(source, Path):
            raise FemtmsError(f"'labels' is for label volumes and meshes from files; got {source}")
        if entry.tissue_array is not None and (not isinstance(source, Path) or is_volume(source)):
            raise FemtmsError(f"'tissue_array' is for mesh files; got {source}")
        names = names_from(source, by_subject=True) if isinstance(source, Path) else (source,)
        names = names if entry.name is None else (entry.name,)
        tensors = None if entry.tensors is None else _companion_of(source, "tensors", entry.tensors, files)
        fiducials: str | None = entry.electrodes
        if entry.fiducials is not None:
            fiducials = _companion_of(source, "fiducials", entry.fiducials, files)
            read_electrodes(fiducials)  # what is wrong with it is told at once
        if str(source) == SPHERE and (fiducials is not None or entry.places):
            raise FemtmsError("'fiducials', 'electrodes' and 'places' are for label volumes and meshes; got sphere")
        targets: Mapping[str, Point] = dict(entry.targets)
        head = StudyHead(
            names[0],
            str(source),
            labels=entry.labels,
            tensors=tensors,
            tensor_frame=entry.tensor_frame,
            tissue_array=entry.tissue_array,
            as_numbered=entry.as_numbered,
            targets=targets,
            fiducials=fiducials,
            places=dict(entry.places),
        )
        heads.append((head, names))
    return heads


def _companion_of(head: str | Path, key: str, pattern: str, files: Files) -> str:
    """The one file under a key that belongs to a head, looked for from its folder and then from that of the study."""
    text = pattern
    for entity, label in (entities_of(head) if isinstance(head, Path) else {}).items():
        text = text.replace(f"{{{entity}}}", label)
    unknown = [entity for entity in ("{sub}", "{ses}") if entity in text]
    if unknown:
        raise FemtmsError(f"'{key}' has {unknown[0]}, which the path of {head} does not say")
    folders = [head.parent, files.folder] if isinstance(head, Path) else [files.folder]
    for folder in folders:
        try:
            found = files.all(text, folder)
        except FemtmsError:
            continue
        if len(found) > 1:
            raise FemtmsError(f"'{key}' must be one file for each head; {len(found)} match '{text}' for {head}")
        return str(found[0])
    looked = " nor in ".join(map(str, dict.fromkeys(folders)))
    raise FemtmsError(f"'{key}' must be a file for each head; for {head} none is '{text}' in {looked}")
