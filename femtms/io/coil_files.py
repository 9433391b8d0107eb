"""The files that the name of a coil stands for."""

from pathlib import Path

from femtms.io.catalogue import coil_suffix, resolved
from femtms.io.companions import companions
from femtms.io.windings import polyline_files


def coil_files(name: str | Path) -> tuple[Path, ...]:
    """All files on which the coil depends that `load_coil` makes of a name: its own, then what stands beside it.

    Beside a .ccd or NIfTI file these are its casing and its pulse, beside a .toml the lines of its wires.  A coil that
    is built in has none: ().  Raises FemtmsError for no name and for a .toml that is damaged.
    """
    path = resolved(name).file
    if path is None:
        return ()
    suffix = coil_suffix(path)
    if suffix == ".toml":
        return (path, *polyline_files(path))
    return (path,) if suffix == ".tcd" else (path, *companions(path))
