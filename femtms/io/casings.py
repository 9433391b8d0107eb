"""Casings of coils: .stl in mm, binary or text."""

from pathlib import Path

from femtms.io.stl import read_stl
from femtms.io.units import in_mm
from femtms.mesh.surface import Surface

CASING = "casing"  # what the surface of a coil's housing is called


def read_casing(path: str | Path) -> Surface:
    """The surface in an .stl file in mm; see `read_stl`."""
    return read_stl(path, CASING, "a casing")


def write_casing(surface: Surface, path: Path) -> None:
    """The surface as .stl text in mm with all digits, which binary .stl has no room for."""
    lines = ["solid casing"]
    for normal, corners in zip(surface.normals.tolist(), in_mm(surface.nodes)[surface.triangles].tolist()):
        lines += [f"facet normal {_row(normal)}", "outer loop"]
        lines += [f"vertex {_row(corner)}" for corner in corners]
        lines += ["endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid casing", ""]), encoding="ascii")


def _row(numbers: list[float]) -> str:
    return " ".join(map(repr, numbers))
