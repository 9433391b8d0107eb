"""Fields as files."""

from pathlib import Path

from femtms.field.field import Field
from femtms.io.meshes import write_with_data


def save_field(field: Field, path: Path, overwrite: bool = False) -> None:
    """Write mesh and field: .vtu with E, magnE, potential, tissue; .msh with E, magnE per element and v per node.

    E and magnE in V/m, potentials in V, nodes in mm.  The names in .msh are those that programs of this field read.
    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    potential = "v" if path.suffix.lower() == ".msh" else "potential"
    cell_data = {"E": field.E, "magnE": field.magnE}
    at_nodes = field.potential[: len(field.mesh.nodes)]  # of quadratic elements the rest is on edges
    write_with_data(field.mesh, path, cell_data, {potential: at_nodes}, overwrite)
