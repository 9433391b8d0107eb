"""The coils of a study."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from femtms.errors import FemtmsError
from femtms.study.design import StudyCoil
from femtms.study.document import At
from femtms.study.faults import Faults
from femtms.study.files import Files
from femtms.study.model import CoilEntry
from femtms.study.naming import names_from
from femtms.study.sources import coil_sources
from femtms.study.unique import named


def coils_of(entries: Iterable[tuple[At, Any]], files: Files, faults: Faults) -> list[StudyCoil]:
    """All of them: a pattern makes one of each of its files."""
    found: list[tuple[At, str | Path, tuple[str, ...]]] = []
    for at, entry in entries:
        path, name = (entry.path, entry.name) if isinstance(entry, CoilEntry) else (entry, None)
        with faults.at(at):
            sources = coil_sources(path, files)
            if name is not None and len(sources) > 1:
                raise FemtmsError(f"'name' is for one coil; {len(sources)} files match '{path}'")
            for source in sources:
                own = names_from(source) if isinstance(source, Path) else (source,)
                found.append((at, source, own if name is None else (name,)))
    names = named("coil", [(at, own) for at, _, own in found], faults)
    return [StudyCoil(name, str(source)) for name, (_, source, _) in zip(names, found)]
