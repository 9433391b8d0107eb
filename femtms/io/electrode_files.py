"""Fiducials and electrodes from files: CSV with a header or without, BIDS electrodes.tsv, EEG positions of SimNIBS."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.fiducials import known_as
from femtms.io.files import existing_file, is_number, text_lines
from femtms.io.packed import read_json, shown

_IN_MM = {"m": 1e3, "cm": 10.0, "mm": 1.0, "": 1.0}
_NAMES = ("name", "label", "electrode", "channel", "landmark", "fiducial", "position", "site")
_AXIS = re.compile(r"(?:pos_?|coord_?|loc_?)?([xyz])[ _]*[\[(]?(mm|cm|m|)[\])]?")  # x, pos_x, x_mm, x (mm), …
# First cells of the rows of SimNIBS's files; those of coils have a direction and are no places on the skin.
_SIMNIBS = ("electrode", "referenceelectrode", "fiducial", "generic")
_SIMNIBS_OTHERS = ("coilpos",)
_EMPTY = ("", "n/a")
# Coordinate systems of BIDS whose axes go through the fiducials: they say nothing of where the head is in its image.
_OF_THE_FIDUCIALS = ("ctf", "eeglab", "eeglab-hj", "captrak", "elektaneuromag", "4dbti", "kityokogawa", "chietiitab")


def read_electrodes(path: str | Path) -> dict[str, np.ndarray]:
    """Fiducials and electrodes of a text file: name -> (3,) mm in head coordinates, as they are in the file.

    Rows have a name, x, y and z.  In CSV (commas, semicolons or tabs) a header says which column is which and may say
    the unit (x_mm, x_cm, x_m); without one they are name, x, y, z in mm.  Also BIDS `electrodes.tsv`, with units and
    fiducials of the `coordsystem.json` beside it, and the EEG positions of SimNIBS: type, x, y, z, name.  Nasion, inion
    and the preauricular points are called Nz, Iz, LPA and RPA, however they are spelt.  Lines that begin with # are
    comments, and rows with n/a for a coordinate are left out.

    Raises FemtmsError for anything else, with the line that is wrong.
    """
    path = existing_file(path)
    lines = text_lines(path, "electrodes must be text (CSV)")
    rows = [(i, line) for i, line in enumerate(lines, 1) if line.strip(" \t,;") and not line.lstrip().startswith("#")]
    if not rows:
        raise FemtmsError(f"{path}: there must be rows with a name, x, y and z; there are none")
    separator = next((mark for mark in "\t;," if mark in rows[0][1]), ",")
    cells = [(i, [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]) for i, line in rows]
    beside = coordsystem_of(path)
    system = {} if beside is None else _system(beside)
    unit_mm = _unit_of(beside, system, "EEG")

    points = {} if beside is None else _landmarks(beside, system)
    lines_of: dict[str, int] = {}
    for number, name, words in _rows(path, cells, unit_mm):
        if any(word.lower() in _EMPTY for word, _ in words):
            continue
        where = f"{path}, line {number}"
        if not name or not all(is_number(word) for word, _ in words):
            raise FemtmsError(f"{where}: must be a name and x, y, z, three numbers; got '{_line(rows, number)}'")
        point = np.array([float(word) * mm for word, mm in words])
        if not np.isfinite(point).all():
            raise FemtmsError(f"{where}: coordinates must be finite; got '{_line(rows, number)}'")
        name = known_as(name)
        if name.lower() in lines_of:
            raise FemtmsError(f"{where}: each name must be there once; '{name}' is in line {lines_of[name.lower()]}")
        lines_of[name.lower()] = number
        points[name] = point
    if not points:
        raise FemtmsError(f"{path}: there must be at least one position; got none")
    return points


def _line(rows: list[tuple[int, str]], number: int) -> str:
    """The beginning of a line, for messages."""
    return dict(rows)[number].strip()[:60]


def _rows(
    path: Path, cells: list[tuple[int, list[str]]], unit_mm: float
) -> list[tuple[int, str, list[tuple[str, float]]]]:
    """Line, name, and x, y, z as words with their unit in mm, of each row."""
    if cells[0][1][0].lower() in (*_SIMNIBS, *_SIMNIBS_OTHERS) and is_number("".join(cells[0][1][1:2])):
        return _simnibs_rows(path, cells)
    first = [cell.lower() for cell in cells[0][1]]
    wide = next((number for number, row in cells if sum(map(is_number, row)) > 3 and is_number(row[-1])), None)
    if wide is not None and not any(cell in _NAMES for cell in first):
        raise FemtmsError(
            f"{path}, line {wide}: must have three numbers after the name; it has more: a decimal comma must be a point"
        )
    columns, units = [0, 1, 2, 3], [unit_mm] * 3
    if not (len(first) >= 4 and all(is_number(cell) or cell in _EMPTY for cell in first[1:4])):
        names = [i for i, cell in enumerate(first) if cell in _NAMES]
        axes = {found[1]: (i, found[2]) for i, cell in enumerate(first) if (found := _AXIS.fullmatch(cell))}
        if not names or len(axes) < 3:
            raise FemtmsError(
                f"{path}, line {cells[0][0]}: must be a header with name, x, y and z, or name,x,y,z in mm; "
                f"got '{','.join(cells[0][1])[:60]}'"
            )
        columns = [names[0], *(axes[axis][0] for axis in "xyz")]
        units = [_IN_MM[axes[axis][1]] * (1.0 if axes[axis][1] else unit_mm) for axis in "xyz"]
        cells = cells[1:]
    short = next((number for number, row in cells if len(row) <= max(columns)), None)
    if short is not None:
        raise FemtmsError(f"{path}, line {short}: must have a name, x, y and z; it has too few cells")
    return [
        (number, row[columns[0]], [(row[i], mm) for i, mm in zip(columns[1:], units, strict=True)])
        for number, row in cells
    ]


def _simnibs_rows(path: Path, cells: list[tuple[int, list[str]]]) -> list[tuple[int, str, list[tuple[str, float]]]]:
    """The same of a file of SimNIBS: the name follows the numbers, and rows without one are left out."""
    found = []
    for number, row in cells:
        kind = row[0].lower()
        if kind not in (*_SIMNIBS, *_SIMNIBS_OTHERS):
            raise FemtmsError(
                f"{path}, line {number}: must begin with Electrode, ReferenceElectrode, Fiducial or Generic; "
                f"got '{row[0][:60]}'"
            )
        name = next((cell for cell in row[4:] if cell and not is_number(cell)), "")
        if kind in _SIMNIBS and name:
            found.append((number, name, [(word, 1.0) for word in row[1:4]]))
    return found


# --- BIDS ------------------------------------------------------------------------------------------------------------


def coordsystem_of(path: Path) -> Path | None:
    """The coordsystem.json that belongs to an electrodes.tsv: its entities (sub-…, space-…) are among those of it."""
    if not path.name.lower().endswith("electrodes.tsv"):
        return None
    own = set(path.name.split("_")[:-1])
    found = [beside for beside in path.parent.glob("*coordsystem.json") if set(beside.name.split("_")[:-1]) <= own]
    return max(found, key=lambda beside: beside.name.count("_"), default=None)


def _system(path: Path) -> Mapping[str, object]:
    """What a coordsystem.json says.  Raises FemtmsError for coordinates that are relative to the fiducials."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise FemtmsError(f"{path}: must be a JSON object; got {shown(content)}")
    name = content.get("EEGCoordinateSystem", "")
    if str(name).lower() in _OF_THE_FIDUCIALS:
        raise FemtmsError(
            f"{path}: electrodes must be in the coordinates of the head's image; EEGCoordinateSystem is {name}, whose "
            f"axes go through the fiducials"
        )
    return content


def _unit_of(path: Path | None, system: Mapping[str, object], what: str) -> float:
    """A unit of length in mm; what nothing is said of is in mm."""
    key = f"{what}CoordinateUnits"
    unit = system.get(key, "n/a")
    if unit == "n/a":
        return 1.0
    if not isinstance(unit, str) or unit.lower() not in ("m", "cm", "mm"):
        raise FemtmsError(f"{path}: {key} must be m, cm or mm; got {shown(unit)}")
    return _IN_MM[unit.lower()]


def _landmarks(path: Path, system: Mapping[str, object]) -> dict[str, np.ndarray]:
    """The fiducials of a coordsystem.json, name -> (3,) mm, where they are in the system of the electrodes."""
    found = system.get("AnatomicalLandmarkCoordinates", {})
    its_system = system.get("AnatomicalLandmarkCoordinateSystem")
    if its_system is not None and its_system != system.get("EEGCoordinateSystem"):
        return {}
    unit = "AnatomicalLandmark" if "AnatomicalLandmarkCoordinateUnits" in system else "EEG"
    mm = _unit_of(path, system, unit)
    points = {}
    for name, numbers in found.items() if isinstance(found, dict) else ():
        try:
            point = mm * np.array(numbers, dtype=np.float64)
        except (TypeError, ValueError):
            point = np.empty(0)
        if point.shape != (3,) or not np.isfinite(point).all():
            raise FemtmsError(
                f"{path}: AnatomicalLandmarkCoordinates must be three finite numbers; {name} is {shown(numbers)}"
            )
        points[known_as(name)] = point
    return points
