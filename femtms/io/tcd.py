"""Coil models (.tcd): JSON, lengths in mm, arrays as lists or packed."""

from pathlib import Path
from typing import Any

import numpy as np

from femtms.coil.deform import AXES, Deformation, Range, Rotation, Translation
from femtms.coil.elements import CoilElements, Currents, Dipoles
from femtms.coil.model import Casing, CoilModel, CoilPart
from femtms.coil.sampled import OUTSIDE, SampledField
from femtms.coil.stimulator import Stimulator, Waveform
from femtms.errors import FemtmsError
from femtms.io.casings import CASING
from femtms.io.ccd import LARGEST_M
from femtms.io.coil_box import limits_of, resolution_of
from femtms.io.files import errors_at
from femtms.io.names import printable
from femtms.io.packed import Unpacker, numbers_of, read_json, shown
from femtms.io.units import in_m
from femtms.mesh.surface import Surface

DIPOLES, CURRENTS, SAMPLED = 1, 2, 3  # `type` of elements
ROTATION = "rot2p"
_PICKLE = b"\x80"  # what a pickle begins with
_REQUIRED: Any = object()


def read_tcd(path: str | Path, outside: str = "error") -> CoilModel:
    """All that a .tcd file describes: parts, how they move, casings and stimulators; docs/coils.md has the format.

    outside  what A is outside the grid of a sampled part: "error", or "zero"

    Raises FemtmsError with the place in the file that is wrong; also for sampled A that is stored as a Python pickle,
    which could run any program when it is read.
    """
    path = Path(path)
    if outside not in OUTSIDE:
        raise FemtmsError(f"outside must be one of {', '.join(OUTSIDE)}; got '{outside}'")
    content = read_json(path)
    unpacker = Unpacker(path.stat().st_size)
    try:
        return _model(_Node(content, "the file", unpacker), path.stem, outside)
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error


class _Node:
    """A value in the JSON, with where it is."""

    def __init__(self, value: Any, where: str, unpacker: Unpacker) -> None:
        self.value, self.where, self.unpacker = value, where, unpacker

    def wrong(self, what: str) -> FemtmsError:
        return FemtmsError(f"{self.where} must be {what}; got {shown(self.value)}")

    def get(self, key: str, default: Any = _REQUIRED) -> "_Node":
        """A member; null is as good as none."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        value = self.value.get(key)
        if value is None:
            if default is _REQUIRED:
                raise FemtmsError(f"{self.where} must have '{key}'; it is missing")
            value = default
        return _Node(value, key if self.where == "the file" else f"{self.where}.{key}", self.unpacker)

    def each(self) -> list["_Node"]:
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [_Node(item, f"{self.where}[{i}]", self.unpacker) for i, item in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or any(0xD800 <= ord(c) <= 0xDFFF for c in self.value):
            raise self.wrong("text")
        return self.value

    def label(self) -> str:
        """Text for people: a name, in one line that can be shown."""
        return printable(self.text())

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not abs(self.value) < 1e300:
            raise self.wrong("a number")
        return float(self.value)

    def index(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value < 2**31:
            raise self.wrong("an index, from 0")
        return self.value

    def optional_index(self) -> int | None:
        return None if self.value is None else self.index()

    def array(self, *shape: int) -> np.ndarray:
        """Numbers of a shape with at most one -1, as nested lists or packed float64."""
        if isinstance(self.value, str):
            return _reshaped(self, np.frombuffer(self._unpacked(), "<f8"), shape)
        numbers = self._listed()
        if numbers.ndim != len(shape) or any(want not in (-1, n) for want, n in zip(shape, numbers.shape)):
            raise FemtmsError(f"{self.where} must be {_shown(shape)} numbers; got shape {numbers.shape}")
        return numbers

    def indices(self, number: int) -> np.ndarray:
        """Rows of three indices (f,3) of `number` things, as lists or packed int64 or float64."""
        if isinstance(self.value, str):
            flat = np.frombuffer(self._unpacked(), "<i8")
            if not _within(flat, number):  # no float64 but 0 is a small int64, so the two cannot be mistaken
                flat = flat.view("<f8")
            faces = _reshaped(self, flat, (-1, 3))
        else:
            faces = self.array(-1, 3)
        if not (_within(faces, number) and (faces == np.floor(faces)).all()):
            raise FemtmsError(f"{self.where} must be rows of three indices from 0 to {number - 1:,}; it has others")
        return faces.astype(np.int32)

    def _listed(self) -> np.ndarray:
        with errors_at(self.where):
            return numbers_of(self.value)

    def _unpacked(self) -> bytes:
        with errors_at(self.where):
            raw = self.unpacker.unpack(self.value)
        if len(raw) % 8:
            raise FemtmsError(f"{self.where} must be numbers of 8 bytes; got {len(raw):,} bytes" + _if_pickle(raw))
        return raw


def _within(indices: np.ndarray, number: int) -> bool:
    return bool(((indices >= 0) & (indices < number)).all())


def _if_pickle(raw: bytes) -> str:
    if not raw.startswith(_PICKLE):
        return ""
    return (
        " (a Python pickle, which is not read, because it could run any program: write A as NIfTI, .nii.gz, with the "
        "program that has it)"
    )


def _reshaped(node: _Node, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        numbers = flat.reshape(shape)
    except ValueError:
        raise FemtmsError(
            f"{node.where} must be {_shown(shape)} numbers; got {len(flat):,}" + _if_pickle(flat[:1].tobytes())
        ) from None
    if not np.isfinite(numbers).all():
        raise FemtmsError(f"{node.where} must be finite numbers; it has NaN or infinite ones")
    return numbers


def _shown(shape: tuple[int, ...]) -> str:
    return "(" + ",".join("n" if n == -1 else str(n) for n in shape) + ")"


def _model(file: _Node, stem: str, outside: str) -> CoilModel:
    limits, resolution = file.get("limits", None), file.get("resolution", None)
    moves = file.get("deformList", []).each()
    kinds = {node.get("deformRange").index(): node.get("type").text() for node in moves}
    return CoilModel(
        name=file.get("name", stem).label(),
        parts=tuple(_part(node, outside) for node in file.get("coilElementList").each()),
        brand=file.get("brand", "").label(),
        version=file.get("version", "").label(),
        stimulators=tuple(_stimulator(node) for node in file.get("stimulatorList", []).each()),
        deformations=tuple(_deformation(node) for node in moves),
        ranges=tuple(_range(node, kinds.get(i, "")) for i, node in enumerate(file.get("deformRangeList", []).each())),
        casings=tuple(_casing(node) for node in file.get("coilModels", []).each()),
        casing=file.get("coilCasing", None).optional_index(),
        self_intersection=tuple(
            tuple(index.index() for index in group.each()) for group in file.get("selfIntersectionTest", []).each()
        ),
        limits=None if limits.value is None else limits_of(limits.array(3, 2)),
        resolution=None if resolution.value is None else resolution_of(_steps(resolution)),
    )


def _steps(resolution: _Node) -> float | np.ndarray:
    return resolution.array(3) if isinstance(resolution.value, list | str) else resolution.number()


def _part(node: _Node, outside: str) -> CoilPart:
    kind, stimulator = node.get("type").value, node.get("stimulator", 0).index()
    if kind == SAMPLED:
        elements: CoilElements | SampledField = _sampled(node, stimulator, outside)
    elif kind in (DIPOLES, CURRENTS):
        points, vectors = _places(node), node.get("values").array(-1, 3)
        with errors_at(node.where):
            elements = (
                Dipoles(points, vectors, stimulator) if kind == DIPOLES else Currents(points, in_m(vectors), stimulator)
            )
    else:
        raise FemtmsError(
            f"{node.where}: type must be 1 (dipoles), 2 (line segments) or 3 (sampled A); got {kind!r:.40}"
        )
    return CoilPart(
        elements,
        name=node.get("name", "").label(),
        casing=node.get("elementCasing", None).optional_index(),
        deformations=tuple(index.index() for index in node.get("deformations", []).each()),
    )


def _places(node: _Node) -> np.ndarray:
    """Points (n,3) in m of elements or a casing."""
    points = in_m(node.get("points").array(-1, 3))
    farthest = float(np.abs(points).max(initial=0))
    if farthest > LARGEST_M:
        raise FemtmsError(f"{node.where}.points must be in mm; the farthest is {1e3 * farthest:.4g}")
    return points


def _sampled(node: _Node, stimulator: int, outside: str) -> SampledField:
    """A as lists (nx,ny,nz,3); or packed float64, the last index fastest, with `shape` [nx,ny,nz,3] beside it."""
    data, shape = node.get("data"), node.get("shape", None)
    if isinstance(data.value, str) and shape.value is None:
        raw = data._unpacked()
        raise FemtmsError(f"{data.where} is packed, so there must be a 'shape' [nx,ny,nz,3]" + _if_pickle(raw))
    if shape.value is None:
        values = data.array(-1, -1, -1, 3)
    else:
        wanted = tuple(n.index() for n in shape.each())
        if len(wanted) != 4 or wanted[3] != 3:
            raise shape.wrong("[nx,ny,nz,3]")
        values = data.array(*wanted)
    affine = node.get("affine").array(4, 4)
    affine = np.concatenate([in_m(affine[:3]), affine[3:]])
    with errors_at(node.where):
        return SampledField(values, affine, outside, stimulator)


def _stimulator(node: _Node) -> Stimulator:
    limit = node.get("maxdIdt", None)
    max_didt = None if limit.value is None else limit.number()
    name, brand = node.get("name", "").label(), node.get("brand", "").label()
    waveforms = tuple(_waveform(w) for w in node.get("waveformList", []).each())
    with errors_at(node.where):
        return Stimulator(name, brand, max_didt, waveforms)


def _waveform(node: _Node) -> Waveform:
    name, time, signal = node.get("name", "").label(), node.get("time").array(-1), node.get("signal").array(-1)
    fit = node.get("fit", None)
    smooth = None if fit.value is None else fit.array(-1)
    with errors_at(node.where):
        return Waveform(name, time, signal, smooth)


def _deformation(node: _Node) -> Deformation:
    kind, number = node.get("type").text(), node.get("deformRange").index()
    if kind in AXES:
        return Translation(number, kind)
    if kind == ROTATION:
        ends = [in_m(node.get(key).array(3)) for key in ("point1", "point2")]
        with errors_at(node.where):
            return Rotation(number, *ends)
    raise node.get("type").wrong(f"one of {', '.join(AXES)}, {ROTATION}")


def _range(node: _Node, kind: str) -> Range:
    """Amounts in degrees of rotations, and in m of translations, which the file has in mm."""
    low, high = node.get("range").array(2)
    amounts = np.array([node.get("initial", 0).number(), low, high])
    with errors_at(node.where):
        return Range(*(in_m(amounts) if kind in AXES else amounts).tolist())


def _casing(node: _Node) -> Casing:
    points = _places(node)
    faces = node.get("faces").indices(len(points))
    node_nearest = node.get("minDistancePoints", None)
    nearest = None if node_nearest.value in (None, []) else in_m(node_nearest.array(-1, 3))
    with errors_at(node.where):
        return Casing(Surface(points, faces, CASING), nearest)
