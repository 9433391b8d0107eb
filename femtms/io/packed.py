"""JSON from strangers, and the arrays that are packed into it as base64 of zlib."""

import base64
import binascii
import json
import math
import re
import reprlib
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import check_not_utf16, existing_file

_DEEPEST = 16  # lists and objects in each other; coil files need 8
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # one without an end goes to the end: no second try
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
# Honest arrays of coordinates shrink to a half, regular ones to a tenth; zlib can pack a thousand zeros into one byte.
_MOST_EXPANSION, _ALWAYS_ALLOWED = 64, 2**26


def read_json(path: str | Path) -> Any:
    """What a JSON file holds; raises FemtmsError when it is none, or is nested deeper than coils and results are."""
    path = existing_file(path)
    check_not_utf16(path, "must be JSON")
    content = path.read_bytes()
    depth = np.cumsum(_STEP[np.frombuffer(_brackets(content), np.uint8)], dtype=np.int64)
    if depth.max(initial=0) > _DEEPEST:
        raise FemtmsError(f"{path}: JSON must be nested at most {_DEEPEST} deep; got {depth.max():,}")
    try:
        return json.loads(
            content.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise FemtmsError(f"{path}: must be JSON ({in_one_line(error, 120)})") from error


def _brackets(content: bytes) -> bytes:
    """The brackets that are not inside strings."""
    return re.sub(rb"[^\[\]{}]+", b"", _STRING.sub(b"", content))


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _no_number(word)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key '{twice!s:.60}' is there twice")
    return found


def numbers_of(value: Any) -> np.ndarray:
    """Nested lists of numbers as an array; raises FemtmsError when they are something else, or not finite."""
    if not _all_numbers(value):  # numpy would make a wide text of each number for the sake of one long string
        raise FemtmsError(f"must be lists of numbers, or base64 of zlib; got {shown(value)}")
    try:
        numbers = np.array(value, dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise FemtmsError(f"must be lists of equal lengths ({error!s:.60})") from error
    if not np.isfinite(numbers).all():
        raise FemtmsError("must be finite numbers; it has NaN or infinite ones")
    return numbers


def _all_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(_all_numbers(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """The beginning of a value, for messages."""
    return reprlib.repr(value)[:60]


def pack(array: np.ndarray) -> str:
    """The numbers of an array, little-endian and row by row, as base64 of zlib."""
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return base64.b64encode(zlib.compress(raw)).decode()


class Unpacker:
    """Takes arrays out of a file, which together may have only so many bytes: a small file must not fill the memory."""

    def __init__(self, file_bytes: int) -> None:
        self.left = max(_ALWAYS_ALLOWED, _MOST_EXPANSION * file_bytes)

    def unpack(self, text: str) -> bytes:
        """The bytes; raises FemtmsError when they are too many or the text is damaged."""
        try:
            packed = base64.b64decode("".join(text.split()), validate=True)
            machine = zlib.decompressobj()
            raw = machine.decompress(packed, self.left + 1)
        except (binascii.Error, ValueError, zlib.error) as error:
            raise FemtmsError(f"must be base64 of zlib ({error!s:.80})") from error
        if len(raw) > self.left:
            raise FemtmsError(
                f"must not expand to more than {_MOST_EXPANSION} times the file, or {_ALWAYS_ALLOWED >> 20} MiB"
            )
        if not machine.eof or machine.unused_data:
            raise FemtmsError("must be base64 of one whole zlib stream; it ends early or late")
        self.left -= len(raw)
        return raw
