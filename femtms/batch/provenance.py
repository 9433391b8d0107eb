"""What a study is made of and with: inputs and their hashes, versions, device."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from femtms.batch.design_json import design_to_json
from femtms.batch.places import PlaceTable
from femtms.errors import FemtmsError
from femtms.io.coil_files import coil_files
from femtms.io.coils import load_coil
from femtms.io.differences import differences
from femtms.io.electrode_files import coordsystem_of
from femtms.io.fiducials import ESTIMATE
from femtms.io.files import existing_file, file_provenance
from femtms.io.heads import head_provenance
from femtms.io.label_maps import label_map_provenance
from femtms.io.summary import coil_provenance
from femtms.study.design import Design, StudyCoil, StudyHead

_LIBRARIES = (
    *("femtms", "numpy", "scipy", "meshio", "nibabel", "dask", "distributed", "dask-jobqueue", "xarray"),
    *("zarr", "numcodecs", "pyarrow", "pydantic", "cupy-cuda12x", "cupy-cuda13x"),
)
_DECIDE = ("inputs", "femtms")  # what results depend on; the rest is for the record


def provenance_of(design: Design, study_file: Path | None = None) -> dict[str, Any]:
    """Where the numbers of a study come from, for JSON.

    study_file   file that the design was read from, if any

    Raises FemtmsError when a file that the design names is not there.
    """
    return {
        "femtms": version("femtms"),
        "inputs": _inputs(design),
        "seeds": "none are used",
        "study_file": None if study_file is None else _with_text(study_file),
        "versions": _versions(),
        "host": platform.node(),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def study_differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How two provenances differ in what results depend on, a sentence each; [] where one can go on with the other."""
    return differences(*({key: provenance.get(key) for key in _DECIDE} for provenance in (there, now)))


def _inputs(design: Design) -> dict[str, Any]:
    """The design with a hash in place of every file that it names: files may be moved, but must stay the same."""
    of_file = cache(lambda path: file_provenance(existing_file(path)))  # a coil may be there more than once
    places = PlaceTable.of(design.places)
    return {
        "design": _without_files(design_to_json(design)),
        "places": {"number": len(places), "sha256": places.sha256},
        "heads": [_head(head, of_file) for head in design.heads],
        "coils": [_coil(coil) for coil in design.coils],
        "surfaces": {name: of_file(path) for name, path in design.results.surfaces.items()},
    }


def _without_files(content: dict[str, Any]) -> dict[str, Any]:
    for head in content["heads"]:
        del head["source"], head["labels"], head["tensors"], head["fiducials"]
        if not head["places"]:
            del head["places"]  # as in studies that were begun before heads had some
    for coil in content["coils"]:
        del coil["source"]
    del content["results"]["surfaces"]
    return content


def _head(head: StudyHead, of_file: Any) -> dict[str, Any]:
    labels = None if head.labels is None else label_map_provenance(head.labels)
    return {
        "name": head.name,
        "head": of_file(head.source) if Path(head.source).is_absolute() else head_provenance(head.source),
        "labels": labels,
        "tensors": None if head.tensors is None else of_file(head.tensors),
    } | _fiducials(head, of_file)


def _fiducials(head: StudyHead, of_file: Any) -> dict[str, Any]:
    if head.fiducials is None:
        return {}
    if head.fiducials == ESTIMATE:
        return {"fiducials": {"name": ESTIMATE}}
    beside = coordsystem_of(Path(head.fiducials))
    companions = {} if beside is None else {"companions": [of_file(beside)]}
    return {"fiducials": of_file(head.fiducials) | companions}


def _coil(coil: StudyCoil) -> dict[str, Any]:
    """A coil from files is not read here: one that is damaged fails its own cases, and only those."""
    try:
        files = coil_files(coil.source)
    except FemtmsError:
        if not Path(coil.source).is_absolute():
            raise
        files = (Path(coil.source),)  # the files beside it are named in what cannot be read
    if files:
        beside = files[0].parent
        hashes = {os.path.relpath(file, beside): file_provenance(existing_file(file)) for file in files}
        return {"name": coil.name, "files": hashes}
    return {"name": coil.name, "built in": coil_provenance(coil.source, load_coil(coil.source))}


def _with_text(path: Path) -> dict[str, str]:
    return file_provenance(existing_file(path)) | {"text": path.read_text(encoding="utf-8-sig")}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
