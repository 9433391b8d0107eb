"""Coils by name or by file, and to files."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from femtms.arguments import checks_kinds
from femtms.coil.coil import Coil
from femtms.coil.elements import Dipoles
from femtms.coil.model import CoilModel
from femtms.coil.sampled import OUTSIDE
from femtms.coil.strength import check_strength
from femtms.errors import FemtmsError
from femtms.io.a_fields import read_a_field, write_a_field
from femtms.io.catalogue import catalogue, coil_suffix, resolved
from femtms.io.ccd import read_ccd, write_ccd
from femtms.io.names import printable
from femtms.io.tcd import read_tcd
from femtms.io.tcd_writer import write_tcd
from femtms.io.windings import read_winding
from femtms.spelling import meant

log = logging.getLogger("femtms")

WRITTEN = "a dipole list (.ccd), a coil model (.tcd) or a sampled A (.nii, .nii.gz)"
FORMATS = f"a winding (.toml), {WRITTEN}"


def load_coil(name: str | Path, outside: str = "error") -> Coil:
    """A coil by its name in the catalogue ("figure8-70mm") or from a file: .toml, .ccd, .tcd, .nii or .nii.gz.

    outside  what A is outside the grid of a sampled A: "error", or "zero"

    A coil of the user's folder is named after its file, so that results say what was asked for; one that is built in
    keeps its name whatever files there are.  The parts of a .tcd file that move are where it puts them initially;
    `read_tcd` lets you move them.
    Raises FemtmsError for an unknown name or format, and for a damaged file.
    """
    if outside not in OUTSIDE:
        raise FemtmsError(f"outside must be one of {', '.join(OUTSIDE)}; got '{outside}'")
    if not isinstance(name, str | Path):
        raise FemtmsError(f"a coil must be a name in the catalogue or a file; got {type(name).__name__}")
    known = resolved(name)
    if known.file is None:
        assert known.table is not None
        return known.table.coil(Path())
    coil = _read(known.file, outside)
    check_strength(coil, str(known.file))
    return replace(coil, name=known.name) if known.name else coil


def _read(path: Path, outside: str) -> Coil:
    """The coil of a file."""
    suffix = coil_suffix(path)
    if suffix == ".toml":
        return read_winding(path)
    if suffix == ".ccd":
        return read_ccd(path)
    if suffix == ".tcd":
        return read_tcd(path, outside).coil(source=printable(path.name))
    if suffix is not None:
        return read_a_field(path, outside)
    if path.is_dir():
        raise FemtmsError(f"{path}: must be the name of a coil or of its file; it is a folder")
    if path.exists():
        raise FemtmsError(f"{path}: a coil file must be {FORMATS}; got '{path.suffix or path.name}'")
    raise FemtmsError(
        f"a coil must be a name in the catalogue ({', '.join(catalogue())}) or {FORMATS}; there is no '{path}'"
        f"{meant(str(path), catalogue())}"
    )


def check_coil_suffix(path: Path) -> str:
    """The suffix of a coil that can be written.  Raises FemtmsError for another one."""
    suffix = coil_suffix(path)
    if suffix is None or suffix == ".toml":
        raise FemtmsError(f"{path}: a coil must be written as {WRITTEN}; got '{path.suffix}'")
    return suffix


@checks_kinds
def write_coil(
    coil: Coil | CoilModel,
    path: str | Path,
    overwrite: bool = False,
    limits: Any = None,
    resolution: Any = None,
) -> None:
    """Write a coil as .ccd, .tcd, .nii or .nii.gz; what is read from it is the same to the last digit.

    coil        a CoilModel keeps its moving parts in a .tcd only
    limits      (3,2) m, the box in which A is sampled for .nii and .nii.gz; None for that of the coil
    resolution  (3,) m or one number, how finely it is sampled there; None for that of the coil

    In a .ccd dipoles stand for wires, where these are known: see Winding.dipoles.
    A .ccd or NIfTI file has the casing and the pulse of the stimulator in an .stl and a .tsv of the same name beside
    it.  The files appear together or not at all.  Raises FemtmsError for another suffix, for what the format cannot
    hold (docs/coils.md), and when one of the files exists and overwrite is False.
    """
    path = Path(path)
    suffix = check_coil_suffix(path)
    sampled = suffix not in (".ccd", ".tcd")
    if not sampled and (limits is not None or resolution is not None):
        raise FemtmsError(f"{path}: limits and resolution are for a sampled A (.nii, .nii.gz); got them for {suffix}")
    if suffix == ".tcd":
        write_tcd(coil if isinstance(coil, CoilModel) else CoilModel.of(coil), path, overwrite)
        return
    if isinstance(coil, CoilModel):
        if coil.ranges:
            raise FemtmsError(
                f"{path}: the parts of coil '{coil.name}' move, which only a .tcd file can hold: write a .tcd, "
                f"or, in Python, model.coil(values), in which they stay where these put them"
            )
        coil = coil.coil()
    if sampled:
        write_a_field(coil, path, overwrite, limits, resolution)
    else:
        write_ccd(_of_dipoles(coil), path, overwrite)


def _of_dipoles(coil: Coil) -> Coil:
    """The same coil; where its wires are known, dipoles stand for them."""
    if not coil.windings or all(isinstance(group, Dipoles) for group in coil.elements):
        return coil
    made, error = coil.with_dipoles()
    log.info(
        "%s dipoles for the wires of '%s'; 5 mm away from the sheets that they fill A is within %.2g %%",
        f"{len(made.positions):,}",
        coil.name,
        1e2 * error,
    )
    return made
