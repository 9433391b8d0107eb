"""Surfaces from VTK PolyData files (.vtp): text, or binary, in place or appended, as they are or packed by zlib."""

import base64
import re
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import errors_at
from femtms.io.units import in_m
from femtms.mesh.surface import Surface

_KINDS = {
    f"{name}{bits}": f"{kind}{bits // 8}" for name, kind in (("Int", "i"), ("UInt", "u")) for bits in (8, 16, 32, 64)
}
_KINDS |= {"Float32": "f4", "Float64": "f8"}
_LARGEST_RATIO = 1100  # zlib packs at most 1032 bytes into one


def read_vtp(path: Path, name: str) -> Surface:
    """The triangles of a .vtp file in mm.  Raises FemtmsError for a damaged file, and for other polygons."""
    with errors_at(str(path)):
        try:
            return _read(path.read_bytes(), name)
        except FemtmsError:
            raise
        except Exception as error:  # damage surfaces as many types, from XML, base64, zlib and numpy
            reason = in_one_line(error, 120)
            raise FemtmsError(f"cannot be read as VTK PolyData ({reason})") from error


def _read(content: bytes, name: str) -> Surface:
    arrays = _Arrays(content)
    pieces = arrays.root.findall("PolyData/Piece")
    if arrays.root.get("type") != "PolyData" or len(pieces) != 1:
        raise FemtmsError("must be VTK PolyData of one piece")
    piece = pieces[0]
    strips = int(piece.get("NumberOfStrips", 0))
    if strips > 0:
        raise FemtmsError(f"a surface must be of triangles one by one; {strips:,} strips of them are there, too")
    points = arrays.only(piece.find("Points"), None).reshape(-1, 3)
    corners, ends = (arrays.only(piece.find("Polys"), key) for key in ("connectivity", "offsets"))
    if len(ends) == 0:
        raise FemtmsError("a surface must have at least one triangle; got none")
    if not np.array_equal(ends, 3 * np.arange(1, len(ends) + 1)) or len(corners) != 3 * len(ends):
        raise FemtmsError("all polygons of a surface must be triangles; some are not")
    if corners.dtype.kind not in "iu":
        raise FemtmsError(f"triangles must be whole numbers; got {corners.dtype}")
    if corners.min() < 0 or corners.max() >= len(points):
        raise FemtmsError(f"triangles must index the {len(points):,} nodes; got {corners.min()} to {corners.max()}")
    return Surface(in_m(points), corners.reshape(-1, 3), name)


class _Arrays:
    """The numbers of a file, wherever they are."""

    def __init__(self, content: bytes) -> None:
        self.appended, self.is_text = b"", False
        begin = content.find(b"<AppendedData")
        if begin >= 0:  # raw bytes are no XML
            start = content.index(b"_", begin) + 1
            self.is_text = b"base64" in content[begin:start]
            self.appended = content[start : content.rindex(b"</AppendedData>")]
            content = content[:begin] + b"</VTKFile>"
        self.root = ElementTree.fromstring(content)
        self.order = ">" if self.root.get("byte_order") == "BigEndian" else "<"
        self.header = np.dtype(self.order + _KINDS[self.root.get("header_type", "UInt32")])
        compressor = self.root.get("compressor")
        if compressor not in (None, "", "vtkZLibDataCompressor"):
            raise FemtmsError(f"must be packed by zlib, or not at all; it is by {compressor}")
        self.is_packed = bool(compressor)

    def only(self, parent: Any, name: str | None) -> np.ndarray:
        """The array of a name in an element, or the only one."""
        found = [] if parent is None else [a for a in parent.iter("DataArray") if name in (None, a.get("Name"))]
        if len(found) != 1:
            raise FemtmsError("must have one array of points, one of connectivity and one of offsets")
        array = found[0]
        kind = np.dtype(self.order + _KINDS[array.get("type", "")])
        if array.get("format") == "ascii":
            return np.array((array.text or "").split(), dtype=kind)
        if array.get("format") == "appended":
            raw = self.appended[int(array.get("offset", 0)) :]
            return np.frombuffer(self._block(_unbased(raw) if self.is_text else raw), kind)
        return np.frombuffer(self._block(_unbased((array.text or "").encode("ascii"))), kind)

    def _block(self, raw: bytes) -> bytes:
        """The bytes of an array at the beginning of `raw`, after the header that says how many there are."""
        size = self.header.itemsize
        if not self.is_packed:
            length = int(np.frombuffer(raw, self.header, 1)[0])
            return _exactly(raw, size, length)
        count = int(np.frombuffer(raw, self.header, 1)[0])
        lengths = np.frombuffer(raw, self.header, 3 + count)[1:].tolist()
        at, parts = (3 + count) * size, []
        for length in lengths[2:]:
            machine = zlib.decompressobj()
            parts.append(machine.decompress(_exactly(raw, at, length), _LARGEST_RATIO * length + 1))
            at += length
        return b"".join(parts)


def _exactly(raw: bytes, at: int, length: int) -> bytes:
    """So many bytes from there on, and no copy of what follows them."""
    part = raw[at : at + length]
    if len(part) != length:
        raise FemtmsError(
            f"an array must have {length:,} bytes, as it announces; there are {len(part):,}: it is damaged"
        )
    return part


def _unbased(text: bytes) -> bytes:
    """Base64; the header may be encoded by itself, and another array may follow."""
    return b"".join(base64.b64decode(part) for part in re.findall(rb"[A-Za-z0-9+/]+={0,2}", b"".join(text.split())))
