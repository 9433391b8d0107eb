"""The catalogue of coils: those that are built in, from published geometry, and those of the user."""

import logging
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from femtms.errors import FemtmsError
from femtms.io.windings import CoilTable, coil_table, read_toml

log = logging.getLogger("femtms")

FOLDER_VARIABLE = "FEMTMS_COILS"
SUFFIXES = (".toml", ".ccd", ".tcd", ".nii", ".nii.gz")


def coil_suffix(path: str | Path) -> str | None:
    """The suffix of a coil file, in small letters; None for other names."""
    name = str(path).lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


@dataclass(frozen=True)
class CatalogueCoil:
    """What a name stands for: either a table of measures that is built in, or a file.

    name  in the catalogue; "" for a file that is not of the user's folder
    """

    name: str
    table: CoilTable | None = None
    file: Path | None = None


def catalogue() -> dict[str, CatalogueCoil]:
    """Name -> coil: the built-in ones, then those in the user's folder."""
    found = {name: CatalogueCoil(name, table) for name, table in _built_in().items()}
    for name, path in user_coils().items():
        if name.lower() in {known.lower() for known in found}:
            log.warning("%s: is hidden by the built-in coil of that name; rename the file", path)
        else:
            found[name] = CatalogueCoil(name, file=path)
    return found


@cache
def _built_in() -> dict[str, CoilTable]:
    text = files("femtms.io").joinpath("catalogue.toml").read_text(encoding="utf-8")
    tables = [coil_table(table, "catalogue.toml") for table in tomllib.loads(text)["coil"]]
    return {table.name: table for table in tables}


def find_coil(name: str) -> CatalogueCoil | None:
    """The coil of that name, in whatever case it is written; None when there is none.

    A file that is there and has the suffix of a coil is meant as such, so nobody looks for a folder of coils then.
    """
    if coil_suffix(name) is not None and Path(name).is_file():
        return None
    return {known.lower(): coil for known, coil in catalogue().items()}.get(name.lower())


def resolved(name: str | Path) -> CatalogueCoil:
    """What is meant by the name of a coil or of its file, which need not exist.  Raises FemtmsError for no name."""
    if not str(name).strip():
        raise FemtmsError("the name of a coil, or of its file, must not be empty; `femtms coils` lists the names")
    return find_coil(str(name)) or CatalogueCoil("", file=Path(name))


def user_coils() -> dict[str, Path]:
    """Name -> file of the coils in the user's folder: {} without one.

    The folder is named by the environment variable FEMTMS_COILS, or by `coils = "FOLDER"` in femtms/config.toml in the
    user's folder for configurations.  The name of a coil is that of its file.  Raises FemtmsError when the folder that
    is named does not exist.
    """
    folder, said_by = _user_folder()
    if folder is None:
        return {}
    if not folder.is_dir():
        raise FemtmsError(f"{said_by} must name a folder of coil files; there is no folder {folder}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = coil_suffix(path.name)
        if suffix is None or not path.is_file():
            continue
        name = path.name[: -len(suffix)]
        if not name.isprintable():
            log.warning("%r: is left out; the name of a coil must have printable characters only", str(path))
            continue
        if name in found:
            log.warning("%s: is hidden by %s, which has the same name", path, found[name].name)
            continue
        found[name] = path
    return found


def config_file() -> Path:
    """Where the configuration of the user is looked for."""
    if os.name == "nt":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "femtms" / "config.toml"


def _user_folder() -> tuple[Path | None, str]:
    """The folder of the user's coils, and who says so."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser(), f"the environment variable {FOLDER_VARIABLE}"
    path = config_file()
    if not path.is_file():
        return None, ""
    folder = read_toml(path).get("coils")
    if folder is None:
        return None, ""
    if not isinstance(folder, str):
        raise FemtmsError(f"{path}: coils must be the name of a folder; got {folder!r:.60}")
    return (path.parent / Path(folder).expanduser()), f"`coils` in {path}"
