"""Fields as files."""

import json
from pathlib import Path
from typing import Any

from femtms.errors import FemtmsError
from femtms.field.field import Field
from femtms.io.meshes import write_with_data


def save_field(field: Field, path: Path, overwrite: bool = False) -> None:
    """Write mesh and field: .vtu with E, magnE, potential, tissue; .msh with E, magnE per element and v per node.

    E and magnE in V/m, potentials in V, nodes in mm.  The names in .msh are those that programs of this field read.
    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    potential = "v" if path.suffix.lower() == ".msh" else "potential"
    cell_data = {"E": field.E, "magnE": field.magnE}
    write_with_data(field.mesh, path, cell_data, {potential: field.potential}, overwrite)


def read_summary(path: Path) -> dict[str, Any]:
    """The summary.json of a result.  Raises FemtmsError when it is damaged or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON and of UTF-8
        raise FemtmsError(f"{path}: cannot be read as JSON ({error})") from error
    keys = ("tissues", "coil", "didt", "solver", "mesh")
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise FemtmsError(f"{path}: the summary of a result must have {', '.join(keys)}; it lacks {', '.join(missing)}")
    return dict(content)
