"""summary.json: what was computed, from what, how, and what came out."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from femtms.coil.coil import Coil
from femtms.conductivity.summary import conductivity_summary
from femtms.errors import FemtmsError
from femtms.field.field import Field
from femtms.head.sphere import LayeredSphere
from femtms.io.coil_files import coil_files
from femtms.io.files import existing_file, file_provenance
from femtms.io.heads import head_provenance
from femtms.io.label_maps import Labels, label_map_provenance
from femtms.io.packed import read_json as read_any_json
from femtms.io.packed import shown
from femtms.io.result_models import FieldResult, checked
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import Simulator
from femtms.tissue import name_of

_LIBRARIES = ("femtms", "numpy", "scipy", "meshio", "nibabel", "matplotlib")


def head_summary(mesh: TetMesh, sigma: np.ndarray, device: str) -> dict[str, Any]:
    """With what and of which head something was computed, for JSON; sigma (m,1) or (m,6) in S/m."""
    return {
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        "device": device,
        "mesh": {
            "nodes": len(mesh.nodes),
            "tets": len(mesh.tets),
            "volume_ml": 1e6 * float(mesh.volumes.sum()),
            "labels_ml": {name_of(tag): ml for tag, ml in mesh.labels_ml.items()},
            "notes": list(mesh.notes),
        },
        "conductivity_S_per_m": conductivity_summary(mesh, sigma),
    }


def field_summary(field: Field, sim: Simulator, seconds: Mapping[str, float]) -> dict[str, Any]:
    """What was computed, how, and what came out, for JSON."""
    return head_summary(field.mesh, field.sigma, field.device) | {
        "coil": field.coil.name,
        "pose_mm": field.pose.matrix.tolist(),
        "didt": field.didt,
        "solver": solver_summary(sim) | {"iterations": field.iterations, "residual": field.residual},
        "seconds": rounded(seconds),
        "tissues": {name: summary.as_dict() for name, summary in field.summary().items()},
    }


def solver_summary(sim: Simulator) -> dict[str, Any]:
    """The elements, the method, what a step of it costs in products with K, and its memory."""
    hierarchy = sim.hierarchy
    return {
        "order": sim.order,
        "recovery": sim.recovery,
        "unknowns": sim.unknowns,
        "rtol": sim.rtol,
        "method": hierarchy.name,
        "operator_complexity": round(hierarchy.operator_complexity, 4),
        "bytes": int(hierarchy.bytes),
    }


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Stage -> seconds with the digits that mean something."""
    return {name: round(value, 4) for name, value in seconds.items()}


def inputs_summary(
    head: str | Path | LayeredSphere,
    coils: Sequence[tuple[str | Path, Coil, str | Path | None]],
    sigma: Mapping[int | str, float] | None,
    labels: Labels | None = None,
    tissue_array: str | None = None,
    as_numbered: bool = False,
) -> dict[str, Any]:
    """Names, paths and hashes of what went in; a built-in coil is hashed by its elements.

    coils  name or file, the coil, and the file of its matrix if there is one; several of them become lists
    """
    if isinstance(head, LayeredSphere):
        of_head: dict[str, Any] = {"name": head.name, "radii_mm": list(head.radii_mm), "tags": list(head.tags)}
    else:
        of_head = head_provenance(head)
    of_coils = [coil_provenance(name, coil) for name, coil, _ in coils]
    matrices = [None if matrix is None else file_provenance(Path(matrix)) for _, _, matrix in coils]
    return {
        "head": of_head,
        "labels": None if labels is None else label_map_provenance(labels),
        "tissue_array": tissue_array,
        "as_numbered": as_numbered,
        "coil": of_coils[0] if len(coils) == 1 else of_coils,
        "matrix": matrices[0] if len(coils) == 1 else matrices,
        "sigma": {str(k): float(v) for k, v in (sigma or {}).items()},
    }


def coil_provenance(name: str | Path, coil: Coil) -> dict[str, Any]:
    """Of the coil that was made of a name: paths and hashes of its files, or name and hash of one that is built in.

    `companions` are the files beside its own that it depends on, where there are any.  Raises FemtmsError for a file
    that is gone.
    """
    files = [file_provenance(existing_file(file)) for file in coil_files(name)]
    if files:
        return files[0] | ({"companions": files[1:]} if files[1:] else {})
    arrays = [array.tobytes() for group in coil.elements for array in group.arrays]
    return {"name": coil.name, "sha256": hashlib.sha256(b"".join(arrays)).hexdigest()}


def in_A_per_us(didt: Any) -> str:
    """Rates of change in A/s, one or several, as people read them: in A/µs."""
    return ", ".join(f"{1e-6 * rate:g}" for rate in np.ravel(didt))


def write_json(path: Path, content: Any) -> None:
    """Indented JSON with a final newline; NaN is an error."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_summary(path: Path) -> dict[str, Any]:
    """The summary.json of a result.  Raises FemtmsError when it is damaged or something else."""
    what = "the summary of a result"
    return checked(read_json(path, ("tissues", "coil", "didt", "solver", "mesh"), what), FieldResult, path, what)


def read_json(path: Path, keys: Sequence[str], what: str) -> dict[str, Any]:
    """An object with some keys.  Raises FemtmsError, which says `what` it must be, when it is damaged or another."""
    content = read_any_json(path)
    if not isinstance(content, dict):
        raise FemtmsError(f"{path}: {what} must be an object; got {shown(content)}")
    missing = [key for key in keys if key not in content]
    if missing:
        raise FemtmsError(f"{path}: {what} must have {', '.join(keys)}; it lacks {', '.join(missing)}")
    return content
