"""Sizes in the headers of NIfTI files, checked before anybody takes memory for them."""

import gzip
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.errors import FemtmsError

LARGEST_RATIO = 1100  # deflate packs at most 1032 bytes into one
# Size of the header -> where the number of axes is, where the magic word of a file with header and data is, the word,
# and where the offset of the data is.
_KINDS = {348: ((40, "h"), 344, b"n+1", (108, "f")), 540: ((16, "q"), 4, b"n+2", (168, "q"))}
_LEAST = 16  # bytes of an extension
_ROUNDING = np.float64(1e-5)  # of a quaternion's squared length; 0.2° at most


def load_image(path: Path) -> Any:
    """The image that nibabel makes of a file, with its data still in there.

    Raises FemtmsError for a header extension that announces more than the file can hold: nibabel would take the memory
    for it first.  What is wrong otherwise, nibabel says in many ways.
    """
    name = str(path).lower()
    if name.endswith((".nii", ".nii.gz")):
        with gzip.open(path) if name.endswith("gz") else open(path, "rb") as file:
            _check_extensions(file, path, os.path.getsize(path) * (LARGEST_RATIO if name.endswith("gz") else 1))
    with _rounded_quaternions():
        return nibabel.load(path)


@contextmanager
def _rounded_quaternions() -> Iterator[None]:
    """Inside the block nibabel takes quaternions that rounding made a little longer than 1, as MNE writes them."""
    exact = nibabel.Nifti1Header.quaternion_threshold
    nibabel.Nifti1Header.quaternion_threshold = _ROUNDING
    try:
        yield
    finally:
        nibabel.Nifti1Header.quaternion_threshold = exact


def _check_extensions(file: Any, path: Path, room: int) -> None:
    """Walk from one extension to the next as far as nibabel will: to the data, or to the end of a header alone."""
    head = file.read(544)
    size, order = _kind(head, path)
    _, magic, single, offset = _KINDS[size]
    if len(head) < size + 4 or head[size] == 0:
        return
    file.seek(size + 4)
    left = math.inf  # of a header alone
    if head[magic : magic + 3] == single:
        left = max(struct.unpack_from(order + offset[1], head, offset[0])[0] - file.tell(), 0)
    while left >= _LEAST:
        sizes = file.read(8)
        if len(sizes) < 8:
            return
        announced = struct.unpack(order + "i", sizes[:4])[0]
        if not 8 <= announced <= min(room, left):
            raise FemtmsError(
                f"{path}: an extension of the header announces {announced:,} bytes; there is room for "
                f"{min(room, left):,.0f}: it is damaged"
            )
        file.seek(announced - 8, os.SEEK_CUR)
        left -= announced


def _kind(head: bytes, path: Path) -> tuple[int, str]:
    """Size of the header and order of the bytes, which must agree with the number of axes: nibabel goes by that."""
    for order in "<>":
        size = struct.unpack(order + "i", head[:4])[0] if len(head) >= 4 else 0
        if size in _KINDS and len(head) >= size:
            at, kind = _KINDS[size][0]
            if 1 <= struct.unpack_from(order + kind, head, at)[0] <= 7:
                return size, order
    raise FemtmsError(
        f"{path}: a NIfTI file must begin with the size of its header, 348 or 540, and have 1 to 7 axes; it does not: "
        f"it is damaged, or something else"
    )
