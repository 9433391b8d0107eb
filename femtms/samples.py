"""Where a job samples its field besides the tetrahedra: on surfaces and at points, both from files."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.field.field import Field
from femtms.field.places import Places, in_tissue
from femtms.field.statistics import magnitude
from femtms.io.files import file_provenance
from femtms.io.points import read_points, write_points
from femtms.io.summary import read_json
from femtms.io.surface_files import check_surface_file, read_surface, surface_name
from femtms.io.surfaces import write_surface_field
from femtms.mesh.surface import Surface
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import Tissue, check_present, name_of

POINTS = "points.csv"
_ON = Tissue.GM  # what surfaces are taken to lie in: they are those of the middle of the cortex


def sample_files(surfaces: Sequence[str | Path], points: str | Path | None) -> tuple[str, ...]:
    """Names of the results.  Raises FemtmsError for two surfaces of one name, and for what is no file of a surface."""
    for path in surfaces:
        check_surface_file(Path(path))
    names = [name for path in surfaces for name in _files_of(path)]
    twice = [name for name in names if [other.lower() for other in names].count(name.lower()) > 1]
    if twice:
        raise FemtmsError(f"each surface must have a name of its own; {twice[0]} would be of several")
    return (*names, *(() if points is None else (POINTS,)))


def check_not_replaced(
    out: Path, results: Iterable[str], surfaces: Sequence[str | Path], points: str | Path | None
) -> None:
    """Raise FemtmsError when a file that is to be read is one that the results would replace.

    `results` are the names of files in `out` that are written, or that are removed with an earlier result.
    """
    for path in (*surfaces, *(() if points is None else (points,))):
        if Path(path).resolve() in {(out / name).resolve() for name in results}:
            raise FemtmsError(f"{path}: the results would replace it; move it, or choose another folder for them")


def earlier_samples(out: Path) -> tuple[str, ...]:
    """Files of surfaces and points that the result in `out`, if it holds one, says it has."""
    try:
        summary = read_json(out / "summary.json", (), "the summary of a result")
        files = [row[key] for row in summary["surfaces"].values() for key in ("file", "data_file")]
        files += [summary["points"]["file"]] if summary["points"] else []
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # none, an older one, or something else
        return ()
    known = (name for name in files if isinstance(name, str) and Path(name).name == name)
    return tuple(
        name
        for name in known
        if name == POINTS or (name.startswith("surface-") and name.isprintable() and len(os.fsencode(name)) < 256)
    )


def _files_of(path: str | Path) -> tuple[str, str]:
    """The surface with its field, and the field alone: to show it on another surface with the same nodes."""
    stem = f"surface-{surface_name(path)}"
    return f"{stem}.gii", f"{stem}.func.gii"


@dataclass(frozen=True, eq=False)
class Samples:
    """What was read: paths and their surfaces; the path of points and these (p,3) in m, or None and none."""

    surfaces: tuple[tuple[Path, Surface], ...]
    file: Path | None
    points: np.ndarray

    @classmethod
    def read(cls, surfaces: Sequence[str | Path], points: str | Path | None) -> "Samples":
        """Raises FemtmsError for files that cannot be read."""
        read = tuple((Path(path), read_surface(path)) for path in surfaces)
        return cls(read, *((None, np.zeros((0, 3))) if points is None else (Path(points), read_points(points))))

    def check_tissues(self, tissues: Iterable[int]) -> None:
        """Raise FemtmsError when the head lacks the tissue that surfaces are taken to lie in."""
        if self.surfaces:
            check_present(tissues, _ON, f"--surface is for surfaces in {name_of(_ON)}, which the head must have")

    def provenance(self) -> dict[str, Any]:
        """Paths and hashes, for JSON."""
        return {
            "surfaces": [file_provenance(path) for path, _ in self.surfaces],
            "points": None if self.file is None else file_provenance(self.file),
        }

    def placed(self, mesh: TetMesh) -> "PlacedSamples":
        """Located in the head.  Raises FemtmsError for a surface, or points, that are wholly outside."""
        surfaces = [
            (path, surface, Places.of(mesh, surface.nodes, int(_ON), what=f"nodes of surface {path.name}"))
            for path, surface in self.surfaces
        ]
        points = None if self.file is None else Places.of(mesh, self.points, what=f"points of {self.file.name}")
        return PlacedSamples(tuple(surfaces), points)


@dataclass(frozen=True, eq=False)
class PlacedSamples:
    """Surfaces and points that wait for a field."""

    surfaces: tuple[tuple[Path, Surface, Places], ...]
    points: Places | None

    def write(self, field: Field, folder: Path) -> dict[str, Any]:
        """Write the field there into a folder, and return its numbers for the summary."""
        surfaces: dict[str, Any] = {}
        for path, surface, places in self.surfaces:
            on_surface = field.on_placed(surface, places)
            both, data = _files_of(path)
            for name in (both, data):
                write_surface_field(on_surface, folder / name)
            surfaces[surface.tissue] = {"file": both, "data_file": data} | on_surface.summary()
        return {"surfaces": surfaces, "points": None if self.points is None else self._points(field, folder)}

    def _points(self, field: Field, folder: Path) -> dict[str, Any]:
        assert self.points is not None
        E = field.E_in(self.points.tets, self.points.weights)
        write_points(folder / POINTS, self.points.points, E, in_tissue(field.mesh, self.points))
        magnE = magnitude(E[~self.points.outside])
        return {"file": POINTS} | self.points.counts() | {"mean": float(magnE.mean()), "peak": float(magnE.max())}
