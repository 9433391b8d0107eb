"""What a Gmsh file says of its physical groups: their names, and which volumes are in several.

meshio keeps one name where a surface and a volume share it, and one group of each volume; the format has more.
Gmsh reference manual, section "MSH file format", versions 2.2 and 4.1.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_VOLUME = 3  # dimension
_NAME = re.compile(rb'\s*(\d+)\s+(-?\d+)\s+"(.*)"\s*')
_PIECE = 2**20


@dataclass(frozen=True)
class GmshGroups:
    """The physical groups of the volumes of a file.

    names       number -> name, for the groups that have one
    of_volumes  number of a volume -> the groups that it is in; {} before version 4, which has groups of elements
    """

    names: dict[int, str] = field(default_factory=dict)
    of_volumes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def gmsh_groups(path: Path) -> GmshGroups:
    """The groups of a Gmsh file.  Raises what `struct` and `int` raise for a damaged one."""
    head = _before_nodes(path)
    names = {}
    for line in _section(head, b"PhysicalNames").splitlines():
        match = _NAME.fullmatch(line)
        if match and int(match[1]) == _VOLUME:
            names[int(match[2])] = match[3].decode("utf-8", "replace")
    version, is_binary = (*_section(head, b"MeshFormat").split()[:2], b"", b"")[:2]
    entities = _section(head, b"Entities")
    return GmshGroups(names, _of_volumes(entities, is_binary == b"1") if version == b"4.1" and entities else {})


def _of_volumes(entities: bytes, is_binary: bool) -> dict[int, tuple[int, ...]]:
    """Of points, curves, surfaces and volumes the last."""
    read = _reader(entities, is_binary)
    groups: dict[int, tuple[int, ...]] = {}
    for dimension, count in enumerate([read("Q") for _ in range(4)]):
        for _ in range(count):
            tag = read("i")
            for _ in range(3 if dimension == 0 else 6):
                read("d")  # where a point is, or a box around the others
            own = tuple(read("i") for _ in range(read("Q")))
            if dimension > 0:
                for _ in range(read("Q")):
                    read("i")  # what bounds it
            if dimension == _VOLUME:
                groups[tag] = own
    return groups


def _reader(section: bytes, is_binary: bool) -> Callable[[str], int]:
    """A function that reads the next number as a kind of `struct`, from binary or from text."""
    if is_binary:
        at = 0

        def read(kind: str) -> int:
            nonlocal at
            (value,) = struct.unpack_from("=" + kind, section, at)
            at += struct.calcsize("=" + kind)
            return int(value)

        return read
    words = iter(section.split())
    return lambda kind: int(float(next(words)))


def _before_nodes(path: Path) -> bytes:
    """The file up to its nodes: what is wanted here stands before them."""
    head = b""
    with open(path, "rb") as file:
        while b"$Nodes" not in head[-_PIECE - 6 :] and (piece := file.read(_PIECE)):
            head += piece
    return head.partition(b"$Nodes")[0]


def _section(content: bytes, name: bytes) -> bytes:
    """What stands between $name and $Endname; nothing where there is no such section."""
    rest = content.partition(b"$" + name)[2].partition(b"\n")[2]
    return rest.partition(b"$End" + name)[0]
