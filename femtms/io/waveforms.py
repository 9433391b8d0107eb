"""Pulses of stimulators: .tsv with the columns time, signal and perhaps fit."""

import csv
from pathlib import Path

import numpy as np

from femtms.coil.stimulator import Waveform
from femtms.errors import FemtmsError
from femtms.io.files import existing_file
from femtms.io.names import printable

_COLUMNS = ("time", "signal", "fit")


def read_waveform(path: str | Path) -> Waveform:
    """The pulse in a table with tabs, a header row, and the columns time (s), signal and, where there is one, fit.

    The waveform is named after the file; other columns are left out.  Raises FemtmsError with the line that is wrong.
    """
    path = existing_file(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [
                (i, row)
                for i, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1)
                if any(row)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FemtmsError(f"{path}: a waveform must be a table as text ({error!s:.80})") from error
    header = [word.strip().lower() for word in rows[0][1]] if rows else []
    missing = [name for name in _COLUMNS[:2] if name not in header]
    if missing:
        raise FemtmsError(
            f"{path}: a waveform must have a header row with time, signal and perhaps fit, separated by tabs; "
            f"'{missing[0]}' is missing"
        )
    if len(rows) < 2:
        raise FemtmsError(f"{path}: a waveform must have at least one row of numbers; got none")
    wanted = [header.index(name) for name in _COLUMNS if name in header]
    values = np.array([_numbers(path, line, row, wanted) for line, row in rows[1:]])
    try:
        return Waveform(printable(path.stem), *values.T)
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error


def _numbers(path: Path, line: int, row: list[str], wanted: list[int]) -> list[float]:
    try:
        return [float(row[column]) for column in wanted]
    except (ValueError, IndexError):
        raise FemtmsError(f"{path}, line {line}: must be numbers, one for each column; got {row!r:.60}") from None


def write_waveform(waveform: Waveform, path: Path) -> None:
    """The pulse as such a table, with all digits; its name is left to that of the file."""
    present = [name for name in _COLUMNS if getattr(waveform, name) is not None]
    columns = [getattr(waveform, name).tolist() for name in present]
    lines = ["\t".join(present), *("\t".join(map(repr, row)) for row in zip(*columns)), ""]
    path.write_text("\n".join(lines), encoding="ascii")
