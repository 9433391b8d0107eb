"""Dipole lists (.ccd): text, positions in m."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.errors import FemtmsError
from femtms.io.coil_box import limits_of, resolution_of
from femtms.io.companions import with_companions, written_with_companions
from femtms.io.files import existing_file, text_lines
from femtms.io.names import printable
from femtms.io.units import in_mm, per_microsecond, per_second

_WORDS = {Currents: "current elements whose wires are not known", SampledField: "A that is sampled on a grid"}

DIDT = "didtmax"  # as `header_of` has the key
LARGEST_M = 2.0  # a coil farther than this from its own origin was written in another unit


def read_ccd(path: str | Path) -> Coil:
    """A dipole list: a header line, the number of dipoles, a comment, then rows x y z (m) and mx my mz (A·m² per A).

    The header is `# name version …; key=value; …`: dIdtmax in A/µs, x, y and z as `low,high` in mm, resolution (one
    number or three) in mm, coilname, brand, stimulator, in any case; `none` means that a value is not known, and other
    keys are left out.  A casing (.stl, mm) and a pulse (.tsv) of the same name are read, too: see `with_companions`.
    Raises FemtmsError with the line that is wrong.
    """
    path = existing_file(path)
    lines = text_lines(path, "a .ccd file must be text")
    first = next((line.lstrip() for line in lines if line.strip()), "")
    header = header_of(first) if first.startswith("#") else {}
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
    if farthest > LARGEST_M:
        raise FemtmsError(f"{path}: positions must be in m; the farthest is {farthest:.4g} (is it in mm?)")
    try:
        limits, resolution = box_in(header)
        max_didt = max_didt_in(header)
    except FemtmsError as error:
        raise FemtmsError(f"{path}, line 1: {error}") from error
    coil = Coil(
        name=printable(header.get("coilname", path.stem)),
        elements=(Dipoles(values[:, :3], values[:, 3:]),),
        source=printable(path.name),
        brand=printable(header.get("brand", "")),
        stimulators=(Stimulator(name=printable(header.get("stimulator", "")), max_didt=max_didt),),
        limits=limits,
        resolution=resolution,
    )
    return with_companions(coil, path)


def header_of(line: str) -> dict[str, str]:
    """key -> value of the header, keys in lower case; those whose value is `none` are left out."""
    pairs = [part.split("=", 1) for part in line.lstrip("# ").split(";") if "=" in part]
    return {k.strip().lower(): v.strip() for k, v in pairs if v.strip() and v.strip().lower() != "none"}


def _row(path: Path, number: int, line: str) -> list[float]:
    try:
        row = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        row = []
    if len(row) != 6 or not np.isfinite(row).all():
        raise FemtmsError(f"{path}, line {number}: must be six finite numbers x y z mx my mz; got '{line[:60]}'")
    return row


def max_didt_in(header: dict[str, str]) -> float | None:
    """Largest dI/dt in A/s from the header's A/µs."""
    if DIDT not in header:
        return None
    try:
        value = float(header[DIDT])
    except ValueError:
        value = float("nan")
    if not 0 < 1e6 * value < float("inf"):
        raise FemtmsError(f"dIdtmax must be a number > 0 in A/µs; got '{header[DIDT]:.40}'")
    return float(per_second(value))


def box_in(header: dict[str, str]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Limits (3,2) m, when all three axes have them, and resolution (3,) m, when there is one."""
    limits = resolution = None
    pairs = [_numbers(header[axis]) for axis in ("x", "y", "z") if axis in header]
    if len(pairs) == 3:
        limits = limits_of(pairs)
    if "resolution" in header:
        resolution = resolution_of(_numbers(header["resolution"]))
    return limits, resolution


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise FemtmsError(
            f"limits and resolution must be numbers in mm, separated by commas; got '{text:.40}'"
        ) from None


def write_ccd(coil: Coil, path: Path, overwrite: bool = False) -> None:
    """A coil of dipoles with one stimulator as .ccd, and its casing and pulse beside it as .stl and .tsv.

    All numbers are written with all their digits.  The brand of the stimulator has no place in this format.
    Raises FemtmsError for a coil that is made of something else, and for names that the header cannot hold.
    """
    dipoles = [group for group in coil.elements if isinstance(group, Dipoles)]
    if len(dipoles) < len(coil.elements):
        others = " and ".join(sorted({_WORDS[type(g)] for g in coil.elements if not isinstance(g, Dipoles)}))
        raise FemtmsError(f"{path}: a .ccd file holds dipoles; coil '{coil.name}' has {others}: write it as .tcd")
    if len(coil.stimulators) != 1:
        raise FemtmsError(
            f"{path}: a .ccd file holds a coil with one stimulator; coil '{coil.name}' has {len(coil.stimulators)}: "
            f"write it as .tcd"
        )
    rows = np.concatenate([np.column_stack([d.positions, d.vectors]) for d in dipoles]).tolist()
    header = header_text(coil, path)
    title = coil.name.replace("=", " ")  # the header's `=` are between keys and values
    lines = [f"# {title} version 1.0 number of elements; {header}", str(len(rows))]
    lines += ["# centers and weighted directions of the elements (magnetic dipoles)"]
    lines += [" ".join(map(repr, row)) for row in rows]
    with written_with_companions(coil, path, overwrite) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")


def header_text(coil: Coil, path: Path) -> str:
    """`key=value;` of all that is known of a coil; several stimulators have their names and limits between commas.

    Raises FemtmsError for names that would be read as something else.
    """
    several = len(coil.stimulators) > 1
    names = [s.name for s in coil.stimulators]
    pairs = {"coilname": coil.name, "brand": coil.brand, "stimulator": _listed(names) if any(names) else ""}
    for key, value in pairs.items():
        again = header_of(f"# {key}={printable(value, most=None)};")  # as it will be read
        if value and again != {key: value}:
            raise FemtmsError(
                f"{path}: {key} must be one line of printable characters without ';', without blanks at its ends, and "
                f"not 'none'; got {value!r:.60}"
            )
    if several and any("," in name for name in names):
        raise FemtmsError(f"{path}: names of several stimulators must be without ','; got {names!r:.80}")
    limits = [s.max_didt for s in coil.stimulators] if several else [coil.max_didt]
    if any(limit is not None for limit in limits):
        pairs["dIdtmax"] = _listed([None if limit is None else float(per_microsecond(limit)) for limit in limits])
    if coil.limits is not None:
        pairs |= {axis: _listed(row) for axis, row in zip("xyz", in_mm(coil.limits).tolist())}
    if coil.resolution is not None:
        pairs["resolution"] = _listed(in_mm(coil.resolution).tolist())
    return "".join(f"{key}={value};" for key, value in pairs.items() if value)


def _listed(values: Sequence[float | str | None]) -> str:
    """With commas; what is not known is `none`."""
    return ",".join("none" if v in (None, "") else str(v).removesuffix(".0") for v in values)
