"""Coils described by their windings: a TOML file with measures, or lines of points in a CSV file."""

import csv
import io
import re
import reprlib
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from femtms.coil.coil import Coil
from femtms.coil.path import Polyline
from femtms.coil.pose import Pose
from femtms.coil.shapes import Wing, circular, cloverleaf, figure_eight, solenoid, wound_coil
from femtms.coil.stimulator import Stimulator
from femtms.coil.winding import ACCURACY, DISTANCE, Winding, check_number
from femtms.errors import FemtmsError
from femtms.io.ccd import LARGEST_M
from femtms.io.files import errors_at, existing_file, text_of
from femtms.io.names import LONGEST, printable

_LARGEST_TOML, _LARGEST_CSV = 1_000_000, 5_000_000  # bytes: far above what anybody winds
_DEEPEST = 16  # tables in each other; windings need 3, and the work grows with the square
_DEEP = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{_DEEPEST},}}+[\w"'-]""")
_MOST_TURNS = 1000  # of a wing with all its layers, or of a solenoid
_MOST_TURNS_IN_ALL = 2000  # or wires
_LARGEST_MM = 1e3 * LARGEST_M

_FLAT = ("outer_diameter_mm", "inner_diameter_mm", "turns")
_ALWAYS = ("shape", "wire_mm")
# Shape -> the keys that it needs, and those that it may have.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "circular": (_FLAT, ("layers", "spiral")),
    "figure-8": (_FLAT, ("layers", "spiral", "angle_deg", "separation_mm")),
    "cloverleaf": (_FLAT, ("layers", "spiral")),
    "solenoid": (("diameter_mm", "length_mm", "turns"), ()),
    "polylines": (("file",), ("axis",)),
}
_WINGS = {"figure-8": 2, "cloverleaf": 4}

Positive = Annotated[float, Field(gt=0, lt=1000, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-_LARGEST_MM, le=_LARGEST_MM, allow_inf_nan=False)]
Thickness = Annotated[float, Field(ge=0.01, lt=1000, allow_inf_nan=False)]  # a hair has 0.05
Turns = Annotated[int, Field(ge=1, le=_MOST_TURNS)]


def _shown(text: Any, most: int = LONGEST) -> Any:
    return printable(text, most) if isinstance(text, str) else text


Label = Annotated[str, BeforeValidator(_shown)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WindingTable(_Table):
    """The measures of one winding, as in a file; lengths in mm.  docs/windings.md says what each means."""

    shape: Literal["circular", "figure-8", "cloverleaf", "solenoid", "polylines"]
    wire_mm: tuple[Thickness, Thickness]
    outer_diameter_mm: Positive | None = None
    inner_diameter_mm: Annotated[float, Field(ge=0, lt=1000)] | None = None
    turns: Turns | None = None
    layers: Turns = 1
    spiral: bool = False
    angle_deg: Annotated[float, Field(gt=0, le=180)] = 180.0
    separation_mm: Positive | None = None
    diameter_mm: Positive | None = None
    length_mm: Positive | None = None
    file: str | None = None
    axis: tuple[Number, Number, Number] = (0.0, 0.0, 1.0)

    @model_validator(mode="after")
    def _complete(self) -> "WindingTable":
        needs, may_have = _KEYS[self.shape]
        missing = [key for key in needs if getattr(self, key) is None]
        if missing:
            raise ValueError(
                f"a winding of shape '{self.shape}' needs {', '.join(needs)}; missing: {', '.join(missing)}"
            )
        others = sorted(self.model_fields_set - {*_ALWAYS, *needs, *may_have})
        if others:
            raise ValueError(
                f"a winding of shape '{self.shape}' may have only {', '.join((*_ALWAYS, *needs, *may_have))}; "
                f"it has {', '.join(others)}"
            )
        if self.all_turns > _MOST_TURNS * _WINGS.get(self.shape, 1):
            raise ValueError(f"turns × layers must be at most {_MOST_TURNS:,}; they are {self.turns} × {self.layers}")
        return self

    @property
    def all_turns(self) -> int:
        """Of all layers and wings; 1 for lines of points, whose file is bounded."""
        return (self.turns or 1) * self.layers * _WINGS.get(self.shape, 1)

    def wound(self, folder: Path) -> tuple[Winding, list[np.ndarray]]:
        """The winding and lines (p,3) m to draw; a file of polylines is looked for in `folder`."""
        width, height = (1e-3 * size for size in self.wire_mm)
        if self.shape == "polylines":
            assert self.file is not None
            lines = read_polylines(folder / self.file)
            paths = tuple(_polyline(i, line, self.axis) for i, line in enumerate(lines, 1))
            return Winding(paths, width, height), [path.outline() for path in paths]
        assert self.turns is not None
        if self.shape == "solenoid":
            assert self.diameter_mm is not None and self.length_mm is not None
            return solenoid(1e-3 * self.diameter_mm, 1e-3 * self.length_mm, self.turns, width, height)
        assert self.outer_diameter_mm is not None and self.inner_diameter_mm is not None
        inner, outer = 1e-3 * self.inner_diameter_mm, 1e-3 * self.outer_diameter_mm
        wing = Wing(inner, outer, self.turns, width, height, self.layers, self.spiral)
        if self.shape == "circular":
            return circular(wing)
        if self.shape == "cloverleaf":
            return cloverleaf(wing)
        return figure_eight(wing, self.angle_deg, None if self.separation_mm is None else 1e-3 * self.separation_mm)


class PartTable(_Table):
    """A winding in its place in a coil of several."""

    winding: WindingTable
    matrix_mm: tuple[tuple[Number, Number, Number, Number], ...]
    channel: Annotated[int, Field(ge=0, le=1000)] = 0

    def wound(self, folder: Path) -> tuple[Winding, list[np.ndarray]]:
        """The winding and its lines, in their place."""
        pose = Pose(np.array(self.matrix_mm))
        winding, lines = self.winding.wound(folder)
        return replace(winding.moved(pose), stimulator=self.channel), [pose.in_head(line) for line in lines]


class CoilTable(_Table):
    """A coil of one winding or of several."""

    name: Annotated[Label, Field(min_length=1)]
    title: Label = ""
    brand: Label = ""
    source: Annotated[str, BeforeValidator(partial(_shown, most=2000))] = ""
    max_didt_A_per_us: Annotated[float, Field(gt=0, lt=1e6)] | None = None
    accurate_from_mm: Positive = 1e3 * DISTANCE
    accuracy: Annotated[float, Field(ge=1e-6, le=0.1)] = ACCURACY
    winding: WindingTable | None = None
    part: tuple[PartTable, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _inline(cls, table: Any) -> Any:
        """The measures of a single winding may stand beside the name."""
        if not isinstance(table, dict) or "shape" not in table:
            return table
        own = {key: value for key, value in table.items() if key in cls.model_fields}
        return own | {"winding": {key: value for key, value in table.items() if key not in cls.model_fields}}

    @model_validator(mode="after")
    def _some(self) -> "CoilTable":
        if (self.winding is None) == (not self.part):
            raise ValueError("a coil needs either a shape with its measures, or parts")
        turns = sum(winding.all_turns for winding in self.windings)
        if turns > _MOST_TURNS_IN_ALL:
            raise ValueError(f"a coil must have at most {_MOST_TURNS_IN_ALL:,} turns in all; it has {turns:,}")
        return self

    @property
    def windings(self) -> tuple[WindingTable, ...]:
        """The one, or those of the parts."""
        return tuple(part.winding for part in self.part) if self.winding is None else (self.winding,)

    def coil(self, folder: Path) -> Coil:
        """The coil; files are looked for in `folder`.  Raises FemtmsError, with the part, for what cannot be wound."""
        wound, number, distance = [], 0, 1e-3 * self.accurate_from_mm
        tables: Sequence[WindingTable | PartTable] = self.part if self.winding is None else (self.winding,)
        for i, table in enumerate(tables):
            with errors_at(f"part.{i}") if self.winding is None else nullcontext():
                wound.append(table.wound(folder))
                number += wound[-1][0].number(distance, self.accuracy)
                check_number(number, distance, self.accuracy)
        limit = None if self.max_didt_A_per_us is None else 1e6 * self.max_didt_A_per_us
        channels = 1 + max(winding.stimulator for winding, _ in wound)
        return wound_coil(
            self.name,
            [winding for winding, _ in wound],
            outlines=[line for _, lines in wound for line in lines],
            distance=distance,
            accuracy=self.accuracy,
            max_didt=limit,
            source=self.source,
            brand=self.brand,
            stimulators=tuple(Stimulator(f"channel {i}", max_didt=limit) for i in range(channels))
            if channels > 1
            else (),
        )


def read_winding(path: str | Path) -> Coil:
    """A coil from a TOML file with the measures of its windings: docs/windings.md.

    Raises FemtmsError, with the key or the part that is wrong.
    """
    path = existing_file(path)
    table = coil_table(read_toml(path), str(path))
    with errors_at(str(path)):
        return table.coil(path.parent)


def polyline_files(path: str | Path) -> tuple[Path, ...]:
    """The files of lines that a TOML file refers to, each once.  Raises FemtmsError as `read_winding` does."""
    path = existing_file(path)
    table = coil_table(read_toml(path), str(path))
    return tuple(dict.fromkeys(path.parent / winding.file for winding in table.windings if winding.file is not None))


def coil_table(table: Mapping[str, Any], where: str) -> CoilTable:
    """The checked content of a TOML table.  Raises FemtmsError that begins with `where`."""
    try:
        return CoilTable.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "winding") or "the coil"
        message = first["msg"].removeprefix("Value error, ")
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise FemtmsError(f"{where}: {key}: {message}; got {_told(first['input'])}{others}") from None


def _told(value: Any) -> str:
    """The beginning of a value, however deep it is."""
    return (value if isinstance(value, str) else reprlib.repr(value))[:60]


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.  Raises FemtmsError for one that is damaged, or far too long."""
    _check_length(path, _LARGEST_TOML)
    text = text_of(path, "a winding must be text (TOML)")
    if _DEEP.search(text):
        raise FemtmsError(f"{path}: keys must have at most {_DEEPEST} names between dots; one has more")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits are no TOMLDecodeError
        raise FemtmsError(f"{path}: cannot be read as TOML ({error})") from None


def read_polylines(path: str | Path) -> list[np.ndarray]:
    """The lines (p,3) in m of a CSV file with the columns x_mm, y_mm, z_mm and, for more than one line, wire.

    Rows with the same `wire` belong to one line, in the order in which they come.  Raises FemtmsError with the line
    that is wrong.
    """
    path = existing_file(path)
    _check_length(path, _LARGEST_CSV)
    lines: dict[str, list[list[float]]] = {}
    try:
        with io.StringIO(text_of(path, "lines of wires must be text (CSV)"), newline="") as file:
            reader = csv.DictReader(file)
            missing = [key for key in ("x_mm", "y_mm", "z_mm") if key not in (reader.fieldnames or ())]
            if missing:
                raise FemtmsError(f"{path}: must have the columns x_mm, y_mm, z_mm; missing: {', '.join(missing)}")
            for row in reader:
                try:
                    point = [float(row[key]) for key in ("x_mm", "y_mm", "z_mm")]
                except (TypeError, ValueError):
                    point = []
                if len(point) != 3 or not np.isfinite(point).all():
                    raise FemtmsError(f"{path}, line {reader.line_num}: x_mm, y_mm, z_mm must be finite numbers")
                if max(map(abs, point)) > _LARGEST_MM:
                    raise FemtmsError(
                        f"{path}, line {reader.line_num}: points must be within {_LARGEST_MM:g} mm of the coil's "
                        f"origin; got {', '.join(f'{x:g}' for x in point)} (is it in another unit?)"
                    )
                lines.setdefault(row.get("wire") or "", []).append(point)
    except csv.Error as error:
        raise FemtmsError(f"{path}: cannot be read as CSV ({error})") from None
    if len(lines) > _MOST_TURNS_IN_ALL:
        raise FemtmsError(f"{path}: must have at most {_MOST_TURNS_IN_ALL:,} wires; it has {len(lines):,}")
    if not lines:
        raise FemtmsError(f"{path}: must have rows with points; there are none")
    return [1e-3 * np.array(points) for points in lines.values()]


def _polyline(number: int, line: np.ndarray, axis: tuple[float, float, float]) -> Polyline:
    with errors_at(f"wire {number}"):
        return Polyline(line, np.array(axis))


def _check_length(path: Path, largest: int) -> None:
    size = path.stat().st_size
    if size > largest:
        raise FemtmsError(f"{path}: must be at most {largest:,} bytes; it has {size:,}")
