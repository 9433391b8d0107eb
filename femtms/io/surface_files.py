"""Surfaces from files in mm: .gii of neuroimaging, .stl, .vtp."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.io.files import check_size, existing_file
from femtms.io.gifti import read_gifti
from femtms.io.names import printable
from femtms.io.stl import read_stl
from femtms.io.vtp import read_vtp
from femtms.mesh.surface import Surface

log = logging.getLogger("femtms")

_READERS = {".gii": read_gifti, ".stl": read_stl, ".vtp": read_vtp}


def read_surface(path: str | Path) -> Surface:
    """A triangle surface in mm, head coordinates: .gii (GIFTI), .stl or .vtp (VTK PolyData); its `tissue` is its name.

    GIFTI files are taken to the coordinates of the scanner, see `femtms.io.gifti.read_gifti`.  A closed surface whose
    triangles go round the other way is turned, so that normals point outward; for an open one the file is believed.
    Raises FemtmsError for another suffix, a damaged file, and what is no surface in mm.
    """
    path = existing_file(path)
    check_surface_file(path)
    name = surface_name(path)
    surface = _READERS[path.suffix.lower()](path, name)
    if not np.isfinite(surface.nodes).all():
        first = int(np.flatnonzero(~np.isfinite(surface.nodes).all(axis=1))[0])
        raise FemtmsError(f"{path}: nodes must be finite; node {first} is {surface.nodes[first]}")
    check_size(1e3 * surface.nodes.min(axis=0), 1e3 * surface.nodes.max(axis=0), path)
    if surface.is_watertight and surface.volume < 0:
        log.warning("%s: its triangles go round clockwise as seen from outside: they are turned", path.name)
        surface = replace(surface, triangles=surface.triangles[:, ::-1])
    return surface


def check_surface_file(path: Path) -> None:
    """Raise FemtmsError unless the name says one of the formats that are read."""
    if path.suffix.lower() not in _READERS:
        raise FemtmsError(
            f"{path}: a surface must be a .gii, .stl or .vtp file; got '{path.suffix}' "
            f"(FreeSurfer's own: mris_convert FILE FILE.gii)"
        )


def surface_name(path: str | Path) -> str:
    """What a surface from a file is called: `lh.midthickness` of `lh.midthickness.surf.gii`."""
    stem = Path(path).name
    for suffix in (Path(path).suffix, ".surf"):
        stem = stem.removesuffix(suffix)
    return printable(stem)
