"""Pulses of stimulators: .tsv with the columns time, signal and perhaps fit."""

from pathlib import Path

import numpy as np

from femtms.coil.stimulator import Waveform
from femtms.errors import FemtmsError
from femtms.io.files import existing_file, is_number, text_lines
from femtms.io.names import printable

_COLUMNS = ("time", "signal", "fit")


def read_waveform(path: str | Path) -> Waveform:
    """The pulse in a table as text: time (s), signal and, where all rows have one, fit; separated by tabs or commas.

    These are the first columns, or those that a header calls time, signal and fit; others are left out.  The waveform
    has the name that the header gives to its signal (`# Time<tab>MagPro_X100<tab>MagPro_X100_fit`), else that of the
    file.  Raises FemtmsError with the line that is wrong.
    """
    path = existing_file(path)
    lines = text_lines(path, "a waveform must be a table as text")
    heads = [_cells(line.lstrip("# ")) for line in lines if line.startswith("#")]
    rows = [(i, _cells(line)) for i, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if rows and not any(map(is_number, rows[0][1])):
        heads.append(rows.pop(0)[1])
    if not rows:
        raise FemtmsError(f"{path}: a waveform must have at least one row of numbers; got none")
    # other comments have other numbers of words
    header = next((cells for cells in reversed(heads) if len(cells) == len(rows[0][1]) > 1), [])
    words = [word.lower().strip("\"'") for word in header]
    is_named = all(name in words for name in _COLUMNS[:2])
    wanted = [words.index(name) for name in _COLUMNS if name in words] if is_named else [0, 1, 2]
    if not is_named and _COLUMNS[0] in words:
        time = words.index(_COLUMNS[0])
        wanted = [time, *(column for column in range(3) if column != time)][:3]
    if not all(len(cells) > wanted[-1] and cells[wanted[-1]] for _, cells in rows):
        wanted = wanted[:2]
    values = np.array([_numbers(path, line, cells, wanted) for line, cells in rows])
    name = path.stem if is_named or len(header) < 2 else header[wanted[1]].strip("\"'") or path.stem
    try:
        return Waveform(printable(name), *values.T)
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error


def _cells(line: str) -> list[str]:
    """Those of a line, between tabs where it has any, else between commas, semicolons or blanks."""
    separator = next((c for c in "\t,;" if c in line), None)
    return [cell.strip() for cell in line.split(separator)]


def _numbers(path: Path, line: int, cells: list[str], wanted: list[int]) -> list[float]:
    try:
        return [float(cells[column]) for column in wanted]
    except (ValueError, IndexError):
        raise FemtmsError(
            f"{path}, line {line}: must be numbers, time, signal and perhaps fit; got {cells!r:.60}"
        ) from None


def write_waveform(waveform: Waveform, path: Path) -> None:
    """The pulse as such a table, with all digits; its name is left to that of the file."""
    present = [name for name in _COLUMNS if getattr(waveform, name) is not None]
    columns = [getattr(waveform, name).tolist() for name in present]
    lines = ["\t".join(present), *("\t".join(map(repr, row)) for row in zip(*columns)), ""]
    path.write_text("\n".join(lines), encoding="ascii")
