"""Counts in Gmsh files (.msh 2.2 and 4.1), checked before anybody takes memory or time for them, and physical groups.

meshio takes what a file announces: arrays and loops of any length, for a file of a few bytes.  Here the sections are
walked once, from one count to the next; each must fit into what is left of the file.  On the way the physical groups of
volumes are kept: meshio knows one name where a surface and a volume share it, and one group of each volume.
Gmsh reference manual, section "MSH file format".
"""

import mmap
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from femtms.errors import FemtmsError
from femtms.io.names import printable

# Nodes of each type of element, of first and second order.
_NODES = {1: 2, 2: 3, 3: 4, 4: 4, 5: 8, 6: 6, 7: 5, 8: 3, 9: 6, 10: 9, 11: 10, 12: 27, 13: 18, 14: 14, 15: 1, 16: 8}
_NODES |= {17: 20, 18: 15, 19: 13}
_ALWAYS_ALLOWED = 2**23  # the largest number of a node in a small file: there is a table up to it
_DATA = (b"NodeData", b"ElementData")
_VOLUME = 3  # dimension
_TETRAHEDRON = 4  # type of element
_NAME = re.compile(rb'\s*([0-9]{1,9})\s+(-?[0-9]{1,9})\s+"(.*)"\s*')


@dataclass(frozen=True)
class GmshGroups:
    """The physical groups of the volumes of a file.

    names       number -> name, for the groups that have one
    of_volumes  number of a volume -> the groups that it is in; {} before version 4, which has groups of elements
    """

    names: dict[int, str] = field(default_factory=dict)
    of_volumes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def checked_msh(path: Path, name: Path) -> GmshGroups:
    """The groups of a .msh file whose counts fit.

    name  what messages call the file

    Raises FemtmsError for a file of another version, and with the section whose counts do not fit.
    """
    with open(path, "rb") as file:
        walk = _Walk(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    section = b"MeshFormat"
    try:
        walk.header()
        while section := walk.begin():
            walk.section(section)
    except _Misfit as error:
        raise FemtmsError(f"{name}: ${_shown(section)} {error}") from None
    return walk.groups


def _shown(word: bytes) -> str:
    return printable(word.decode("ascii", "replace"), 40)


class _Misfit(Exception):
    """What a section must be, and what it is."""


class _Numbers(Protocol):
    """The next numbers of a section: "i" int, "n" size, "d" double."""

    def take(self, kind: str, count: int) -> np.ndarray: ...


class _Walk:
    """A place in the file."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.at, self.version, self.is_text = content, 0, b"", True
        self.types: dict[str, Any] = {}
        self.groups = GmshGroups()

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.at)
        end = len(self.content) if end < 0 else end
        line = self.content[self.at : end]
        self.at = end + 1
        return line.strip()

    def begin(self) -> bytes:
        """The name of the next section; nothing at the end of the file."""
        while self.at < len(self.content):
            line = self.line()
            if line:
                return line.removeprefix(b"$")
        return b""

    def end(self, name: bytes) -> int:
        """Where a section ends; the place is behind it from now on."""
        end = self.content.find(b"$End" + name, self.at)
        if end < 0:
            raise _Misfit(f"must end with $End{_shown(name)}; it does not")
        self.at = end
        self.line()
        return end

    def header(self) -> None:
        while (name := self.begin()) == b"Comments":
            self.end(name)
        words = self.line().split()
        if name != b"MeshFormat" or len(words) != 3 or words[1] not in (b"0", b"1") or words[2] not in (b"4", b"8"):
            raise _Misfit("must come first, with the version, 0 or 1 for binary, and 4 or 8 bytes of a size")
        self.version, self.is_text = words[0], words[1] == b"0"
        if self.version not in (b"2", b"2.1", b"2.2", b"4", b"4.1"):
            raise _Misfit(f"must be version 2.2 or 4.1; it is '{_shown(self.version)}': save it as one of these")
        self.types = {"i": np.dtype("i4"), "n": np.dtype("u" + words[2].decode()), "d": np.dtype("f8")}
        self.end(name)

    def section(self, name: bytes) -> None:
        old = self.version.startswith(b"2")
        if name in _DATA:
            self._data()
        elif name == b"Nodes":
            self._nodes_22() if old else _nodes(self._numbers(name), len(self.content))
        elif name == b"Elements":
            self._elements_22() if old else _elements(self._numbers(name))
        elif name == b"Entities" and not old:
            self.groups.of_volumes.update(_entities(self._numbers(name)))
        elif name == b"PhysicalNames":
            self._physical_names()
        elif name == b"Periodic" and not old:
            _periodic(self._numbers(name))
        self.end(name)

    def _numbers(self, name: bytes) -> _Numbers:
        return _Text.of(self.content[self.at : self._peek_end(name)]) if self.is_text else _Binary(self)

    def _peek_end(self, name: bytes) -> int:
        at = self.at
        end = self.end(name)
        self.at = at
        return end

    def count(self, least: int) -> int:
        """A count in a line of its own, of things that take at least so many bytes."""
        word = self.line()
        if not word.isdigit():
            raise _Misfit(f"must have a count in a line of its own; it has '{_shown(word)}'")
        left = max(len(self.content) - self.at, 0)
        if int(word[:20]) * least > left:
            raise _Misfit(f"announces {int(word[:20]):,} things; there is room for {left // least:,}")
        return int(word)

    def _data(self) -> None:
        """Texts, numbers and whole numbers that say what the data are; rows of an index and its values."""
        for _ in range(2):
            for _ in range(self.count(1)):
                self.line()
        words = [self.line() for _ in range(self.count(1))]
        if len(words) < 3 or not all(word.isdigit() for word in words[1:3]):
            raise _Misfit("must have a step and the numbers of components and of rows")
        components, rows = (int(word[:20]) for word in words[1:3])
        width = 2 * (1 + components) if self.is_text else 4 + 8 * components
        if rows * width > len(self.content) - self.at:
            raise _Misfit(f"announces {rows:,} rows of {components:,} values; there are fewer")
        if not self.is_text:
            self.at += rows * width

    def _physical_names(self) -> None:
        for _ in range(self.count(5)):
            match = _NAME.fullmatch(self.line())
            if match and int(match[1]) == _VOLUME:
                self.groups.names[int(match[2])] = match[3].decode("utf-8", "replace")

    def _nodes_22(self) -> None:
        count = self.count(8 if self.is_text else 28)
        if not self.is_text:
            self.at += 28 * count
            return
        numbers = self._numbers(b"Nodes")
        _check_largest(numbers.take("d", 4 * count)[::4], len(self.content))
        _Text.check_end(numbers)

    def _elements_22(self) -> None:
        total, found, numbers = self.count(8), 0, self._numbers(b"Elements")
        while found < total:
            if isinstance(numbers, _Text):
                found += numbers.rows(total - found)
                continue
            kind, count, tags = (int(n) for n in numbers.take("i", 3))
            if count < 1 or tags < 0:
                raise _Misfit(f"has a block of {count:,} elements with {tags:,} numbers each")
            rows = numbers.take("i", count * (1 + tags + _nodes_of(kind))).reshape(count, -1)
            _check_corners(rows[:, 1 + tags :])
            found += count
        if found != total:
            raise _Misfit(f"announces {total:,} elements; there are {found:,}")
        _Text.check_end(numbers)


class _Binary:
    """Numbers at the place of a walk."""

    def __init__(self, walk: _Walk) -> None:
        self.walk = walk

    def take(self, kind: str, count: int) -> np.ndarray:
        dtype, left = self.walk.types[kind], len(self.walk.content) - self.walk.at
        if not 0 <= count * dtype.itemsize <= left:
            raise _Misfit(f"announces {count:,} numbers; there is room for {left // dtype.itemsize:,}")
        numbers = np.frombuffer(self.walk.content, dtype, count, self.walk.at)
        self.walk.at += count * dtype.itemsize
        return numbers


class _Text:
    """All numbers of a section, from where it was read last."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers, self.at = numbers, 0

    @classmethod
    def of(cls, text: bytes) -> "_Text":
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns, and goes on, where text stops being numbers
            try:
                return cls(np.fromstring(text.decode("ascii"), sep=" ") if text.strip() else np.empty(0))
            except (DeprecationWarning, ValueError) as error:
                raise _Misfit("must be numbers; it has something else") from error

    def take(self, kind: str, count: int) -> np.ndarray:
        left = len(self.numbers) - self.at
        if not 0 <= count <= left:
            raise _Misfit(f"announces {count:,} numbers; there are {left:,}")
        self.at += count
        taken = self.numbers[self.at - count : self.at]
        if kind != "d" and not ((taken == np.floor(taken)) & (np.abs(taken) < 2**63)).all():
            raise _Misfit("must have whole numbers here; it has others")
        return taken

    def rows(self, most: int) -> int:
        """How many elements of one kind follow, at most so many: number, kind, number of tags, tags, nodes."""
        kind, tags = (int(n) for n in self.take("i", 3)[1:])
        if tags < 0:
            raise _Misfit(f"has an element with {tags:,} numbers")
        self.at -= 3
        width, step, found = 3 + tags + _nodes_of(kind), 1, 0
        while found < most:
            step = min(2 * step, most - found, (len(self.numbers) - self.at) // width)
            if step == 0 and found:  # what is left is of a smaller kind
                break
            step = max(step, 1)
            rows = self.take("i", step * width).reshape(step, width)
            alike = (rows[:, 1] == kind) & (rows[:, 2] == tags)
            alike = step if alike.all() else int(alike.argmin())
            corners = rows[:alike, 3 + tags :]
            _check_corners(corners)
            if kind == _TETRAHEDRON and (np.diff(np.sort(corners, axis=1), axis=1) == 0).any():
                raise _Misfit("must have tetrahedra with four nodes; one has the same node twice")
            found += alike
            if alike < step:
                self.at -= (step - alike) * width
                break
        return found

    @staticmethod
    def check_end(numbers: _Numbers) -> None:
        """Raise _Misfit when numbers are left over in a text."""
        if isinstance(numbers, _Text) and numbers.at < len(numbers.numbers):
            raise _Misfit(f"has {len(numbers.numbers) - numbers.at:,} numbers more than it announces")


def _one(numbers: _Numbers) -> int:
    return int(numbers.take("n", 1)[0])


def _entities(numbers: _Numbers) -> dict[int, tuple[int, ...]]:
    """Volume -> its physical groups."""
    groups: dict[int, tuple[int, ...]] = {}
    for dimension, count in enumerate(numbers.take("n", 4)):
        for _ in range(int(count)):
            tag = int(numbers.take("i", 1)[0])
            numbers.take("d", 6 if dimension else 3)
            own = numbers.take("i", _one(numbers))
            if dimension:
                numbers.take("i", _one(numbers))
            if dimension == _VOLUME:
                groups[tag] = tuple(int(group) for group in own)
    return groups


def _nodes(numbers: _Numbers, size: int) -> None:
    blocks, total = (int(n) for n in numbers.take("n", 4)[:2])
    found = 0
    for _ in range(blocks):
        if numbers.take("i", 3)[2]:
            raise _Misfit("must be without parametric coordinates (Mesh.SaveParametric of Gmsh); it has them")
        count = _one(numbers)
        _check_largest(numbers.take("n", count), size)
        numbers.take("d", 3 * count)
        found += count
    if found != total:
        raise _Misfit(f"announces {total:,} nodes; there are {found:,}")
    _Text.check_end(numbers)


def _elements(numbers: _Numbers) -> None:
    blocks, total = (int(n) for n in numbers.take("n", 4)[:2])
    found = 0
    for _ in range(blocks):
        kind = int(numbers.take("i", 3)[2])
        count = _one(numbers)
        rows = numbers.take("n", count * (1 + _nodes_of(kind))).reshape(count, -1)
        _check_corners(rows[:, 1:])
        found += count
    if found != total:
        raise _Misfit(f"announces {total:,} elements; there are {found:,}")
    _Text.check_end(numbers)


def _periodic(numbers: _Numbers) -> None:
    for _ in range(_one(numbers)):
        numbers.take("i", 3)
        numbers.take("d", _one(numbers))
        numbers.take("n", 2 * _one(numbers))


def _nodes_of(kind: int) -> int:
    if kind not in _NODES:
        raise _Misfit(f"must have elements of first or second order; it has some of type {kind}")
    return _NODES[kind]


def _check_corners(corners: np.ndarray) -> None:
    """Nodes are numbered from 1: 0 would be taken for the last one."""
    if corners.size and corners.min() < 1:
        raise _Misfit(f"must refer to nodes from 1; it refers to {int(corners.min())}")


def _check_largest(numbers: np.ndarray, size: int) -> None:
    """Numbers of nodes may have gaps, but a table up to the largest must be in proportion to the file."""
    if not numbers.size:
        return
    if numbers.min() < 1 or numbers.max() > max(_ALWAYS_ALLOWED, 8 * size) or (numbers != np.floor(numbers)).any():
        raise _Misfit(
            f"must number its nodes from 1, without wide gaps; it has {numbers.min():.0f} to {numbers.max():.0f}"
        )
