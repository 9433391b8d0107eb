"""Coil files: dipole lists (.ccd)."""

from pathlib import Path

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import Dipoles
from femtms.errors import FemtmsError
from femtms.io.catalogue import catalogue, find_coil
from femtms.io.files import existing_file
from femtms.io.windings import read_winding

_LARGEST_M = 2.0  # a coil farther than this from its own origin was written in mm


def load_coil(name: str | Path) -> Coil:
    """A coil by its name in the catalogue ("figure8-70mm") or from a file (.toml, .ccd).

    Raises FemtmsError for an unknown name or format, and for a damaged file.
    """
    known = find_coil(str(name))
    if known is not None and known.table is not None:
        return known.table.coil(Path())
    path = Path(name) if known is None or known.file is None else known.file
    suffix = path.suffix.lower()
    if suffix == ".ccd":
        return read_ccd(path)
    if suffix == ".toml":
        return read_winding(path)
    if path.exists():
        raise FemtmsError(f"{path}: a coil file must be .toml or .ccd; got '{path.suffix or path.name}'")
    raise FemtmsError(
        f"a coil must be a name in the catalogue ({', '.join(catalogue())}) or a .toml or .ccd file; "
        f"there is no '{name}'"
    )


def read_ccd(path: str | Path) -> Coil:
    """A dipole list: a header line, the number of dipoles, a comment, then rows x y z (m) and mx my mz (A·m² per A).

    The header is `# name version …; key=value; …`; dIdtmax is in A/µs; `none` means that a value is not known.
    Raises FemtmsError with the line that is wrong.
    """
    path = existing_file(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FemtmsError(f"{path}: a .ccd file must be text; byte {error.start} is not") from error
    header = _header(lines[0]) if lines and lines[0].startswith("#") else {}
    rows = [(i + 1, line) for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    if not rows:
        raise FemtmsError(f"{path}: a .ccd file must state the number of dipoles; it has no line with numbers")
    try:
        count = int(rows[0][1])
    except ValueError:
        raise FemtmsError(
            f"{path}, line {rows[0][0]}: must be the number of dipoles; got '{rows[0][1][:40]}'"
        ) from None
    if count < 1:
        raise FemtmsError(f"{path}, line {rows[0][0]}: a coil needs at least one dipole; got {count}")
    if len(rows) - 1 != count:
        raise FemtmsError(f"{path}: line {rows[0][0]} announces {count:,} dipoles; there are {len(rows) - 1:,}")
    values = np.array([_row(path, number, line) for number, line in rows[1:]])
    farthest = float(np.abs(values[:, :3]).max())
    if farthest > _LARGEST_M:
        raise FemtmsError(f"{path}: positions must be in m; the farthest is {farthest:.4g} (is it in mm?)")
    return Coil(
        name=header.get("coilname", path.stem),
        elements=(Dipoles(values[:, :3], values[:, 3:]),),
        max_didt=_max_didt(path, header),
        source=path.name,
    )


def _header(line: str) -> dict[str, str]:
    """key -> value of the header; keys whose value is `none` are left out."""
    pairs = [part.split("=", 1) for part in line.lstrip("# ").split(";") if "=" in part]
    return {k.strip(): v.strip() for k, v in pairs if v.strip() and v.strip().lower() != "none"}


def _row(path: Path, number: int, line: str) -> list[float]:
    try:
        row = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        row = []
    if len(row) != 6 or not np.isfinite(row).all():
        raise FemtmsError(f"{path}, line {number}: must be six finite numbers x y z mx my mz; got '{line[:60]}'")
    return row


def _max_didt(path: Path, header: dict[str, str]) -> float | None:
    """Largest dI/dt in A/s from the header's A/µs."""
    if "dIdtmax" not in header:
        return None
    try:
        value = float(header["dIdtmax"])
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise FemtmsError(f"{path}, line 1: dIdtmax must be a number > 0 in A/µs; got '{header['dIdtmax']}'")
    return 1e6 * value
