"""Zarr arrays whose chunks are files in one folder: which are there, and reading one that may be damaged."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from femtms.errors import FemtmsError, in_one_line

_KEPT: Any = {"write_empty_chunks": True}  # a chunk of NaN is a result, too: that it is there says so
_PREFIX = "c."
_LONGEST = 262_144  # chunk of an array that is read whole


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dims: tuple[str, ...],
    dtype: str,
    attributes: dict[str, Any],
    codecs: Any = None,
) -> zarr.Array:
    """An array of NaN whose chunks are written one by one, each with a checksum: a file `c.0.3.1` in its folder.

    codecs  in place of the usual compression; docs/studies_store.md has what others take
    """
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=np.nan,
        dimension_names=dims,
        attributes=attributes,
        compressors=[*(codecs or [compression(np.dtype(dtype).itemsize)]), Crc32cCodec()],
        chunk_key_encoding={"name": "default", "separator": "."},  # one folder to list, not one for each chunk
        config=_KEPT,
    )


def write_array(
    group: zarr.Group, name: str, values: np.ndarray, dims: tuple[str, ...] | None = None, **attributes: Any
) -> None:
    """Numbers or text that are all known, such as coordinates; with a checksum, too."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(min(length, _LONGEST), 1) for length in values.shape),
        dtype="string" if values.dtype.kind == "T" else values.dtype,
        dimension_names=dims,
        attributes=attributes,
        compressors=[ZstdCodec(), Crc32cCodec()],
        config=_KEPT,  # zeros as well: a file that is missing has been lost
    )
    array[...] = values


def compression(itemsize: int) -> BloscCodec:
    """Bytes of the same weight together, then Zstandard."""
    return BloscCodec(typesize=itemsize, cname="zstd", clevel=5, shuffle="shuffle")


def open_array(group: zarr.Group, name: str) -> zarr.Array:
    """An array of a group, to be written as it was when it was created."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array.with_config(_KEPT)


def read_array(group: zarr.Group, name: str) -> np.ndarray:
    """All that `write_array` wrote.  Raises KeyError where there is none, FemtmsError where it is damaged."""
    return read_chunk(whole_array(group, name), (...,))


def whole_array(group: zarr.Group, name: str) -> zarr.Array:
    """What `write_array` wrote, not read yet.  Raises KeyError where there is none, FemtmsError for a lost chunk."""
    array = open_array(group, name)
    if array.nchunks_initialized < array.nchunks:  # they would be read as zeros
        raise FemtmsError(f"'{name}' must have {array.nchunks} chunks; there are {array.nchunks_initialized}")
    return array


def chunk_file(folder: Path, at: tuple[int, ...]) -> Path:
    """The file of a chunk, by its indices."""
    return folder / (_PREFIX + ".".join(map(str, at)))


def chunks_there(folder: Path, grid: tuple[int, ...]) -> np.ndarray:
    """Which chunks have a file: bool, with the shape of the grid of chunks."""
    there = np.zeros(grid, dtype=bool)
    for at in _indices(folder, len(grid)):
        if all(i < length for i, length in zip(at, grid)):
            there[at] = True
    return there


def _indices(folder: Path, dims: int) -> Iterator[tuple[int, ...]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            words = entry.name.removeprefix(_PREFIX).split(".")
            if entry.name.startswith(_PREFIX) and len(words) == dims and all(word.isdecimal() for word in words):
                yield tuple(map(int, words))


def read_chunk(array: zarr.Array, where: tuple[Any, ...]) -> np.ndarray:
    """Some values of an array.  Raises FemtmsError, with the reason, where a chunk is damaged."""
    try:
        return np.asarray(array[where])
    except PermissionError:
        raise  # that says nothing about what is in the file
    except (ValueError, RuntimeError, OSError) as error:  # checksum; decompression; the disk
        raise FemtmsError(f"cannot be read: {in_one_line(error)}") from error
