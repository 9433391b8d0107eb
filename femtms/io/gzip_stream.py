"""Packed images are read to the end of their stream, where its checksum and its length are."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError

PACKED = ("gz", ".mgz")  # how the names of packed files end
_STEP = 2**20
_MOST_BEYOND = 2**26  # bytes after the data, as the tags of an .mgz file are: more is a bomb


def is_packed(path: str | Path) -> bool:
    """Whether a file is a gzip stream, as far as its name tells: nibabel goes by that."""
    return str(path).lower().endswith(PACKED)


def data_of(image: Any, dtype: Any = None) -> np.ndarray:
    """The data of an image of nibabel.

    nibabel stops where the data end, and so takes any damage to a packed file for other data: here the rest of the
    stream is read, too, in the same pass.  Raises what gzip and zlib do, and FemtmsError for one that goes on and on.
    """
    proxy = image.dataobj
    file = getattr(proxy, "file_like", None)
    if not isinstance(file, str | Path) or not is_packed(file):
        return np.asarray(proxy, dtype=dtype)
    with gzip.open(file) as stream:
        proxy.file_like = stream  # nibabel leaves a stream open that it is given
        try:
            data = np.asarray(proxy, dtype=dtype)
            end = stream.tell() + _MOST_BEYOND
            while stream.read(_STEP):
                if stream.tell() > end:
                    raise FemtmsError(f"{file}: must end where its data do; more than {_MOST_BEYOND >> 20} MiB follow")
        finally:
            proxy.file_like = file
    return data
