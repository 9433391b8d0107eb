"""Sizes in the headers of NIfTI files, checked before anybody takes memory for them."""

import gzip
import math
import os
import struct
from pathlib import Path
from typing import Any

import nibabel

from femtms.errors import FemtmsError

LARGEST_RATIO = 1100  # deflate packs at most 1032 bytes into one
# size of the header -> where its magic word is, the word of a file with header and data, and where the data's offset is
_KINDS = {348: (344, b"n+1", (108, "f")), 540: (4, b"n+2", (168, "q"))}
_LEAST = 16  # bytes of an extension


def load_image(path: Path) -> Any:
    """The image that nibabel makes of a file, with its data still in there.

    Raises FemtmsError for a header extension that announces more than the file can hold: nibabel would take the memory
    for it first.  What is wrong otherwise, nibabel says in many ways.
    """
    name = str(path).lower()
    if name.endswith((".nii", ".nii.gz")):
        with gzip.open(path) if name.endswith("gz") else open(path, "rb") as file:
            _check_extensions(file, path, os.path.getsize(path) * (LARGEST_RATIO if name.endswith("gz") else 1))
    return nibabel.load(path)


def _check_extensions(file: Any, path: Path, room: int) -> None:
    """Walk from one extension to the next as far as nibabel will: to the data, or to the end of a header alone."""
    head = file.read(544)
    for order in "<>":
        size = struct.unpack(order + "i", head[:4])[0] if len(head) >= 4 else 0
        if size in _KINDS and len(head) >= size + 4:
            break
    else:
        return
    magic, single, (at, kind) = _KINDS[size]
    if head[size] == 0:
        return
    data = struct.unpack_from(order + kind, head, at)[0] if head[magic : magic + 3] == single else math.inf
    file.seek(size + 4)
    while data - file.tell() >= _LEAST:
        sizes = file.read(8)
        if len(sizes) < 8:
            return
        announced = struct.unpack(order + "i", sizes[:4])[0]
        if not 8 <= announced <= room:
            raise FemtmsError(
                f"{path}: an extension of the header announces {announced:,} bytes; "
                f"the file has {os.path.getsize(path):,}: it is damaged"
            )
        file.seek(announced - 8, os.SEEK_CUR)
