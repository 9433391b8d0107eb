"""Zarr arrays as Dask arrays: nothing is read before it is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr

from femtms.batch.chunks import read_chunk
from femtms.errors import FemtmsError


@dataclass(frozen=True, eq=False)
class _Read:
    """An array whose errors say where they are."""

    array: zarr.Array
    path: Path
    remedy: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, where: Any) -> np.ndarray:
        try:
            return read_chunk(self.array, where)
        except FemtmsError as error:
            raise FemtmsError(f"{self.path}: a chunk {error}; `{self.remedy}` computes it again") from error


def lazy(array: zarr.Array, path: Path, chunks: Sequence[int], remedy: str) -> da.Array:
    """The array, in pieces of the given size; for messages, path is where it is, and remedy computes it again."""
    # without a name of its own Dask would hash the array to find one
    return da.from_array(_Read(array, path, remedy), chunks=tuple(chunks), name=False, meta=np.empty((0,), array.dtype))
