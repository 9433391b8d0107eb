"""What all kernels of a device have in common: memory, and how they are launched."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from femtms import core
from femtms.errors import FemtmsError

_STEPS = 250_000_000  # of a thread in one call, some tenths of a second


class Launcher(ABC):
    """A device as its kernels see it: `CpuKernels` and `CudaKernels` are what callers use.

    xp  the array module of the data: numpy or cupy
    """

    xp: Any

    @abstractmethod
    def launch(self, name: str, *arguments: Any, work: int | None = None) -> None:
        """Run a kernel of femtms/core on arrays of this device, numbers, and None for an absent array.

        work: how many things there are to do, if not as many as the first argument says
        """

    def portions(self, n: int, work: int) -> Iterable[slice]:
        """Slices of n rows to launch kernels on, of which each row takes `work` steps; here one of all."""
        return [slice(0, n)]

    def empty(self, *shape: int, dtype: Any = np.float64) -> Any:
        """An array on this device."""
        return self.xp.empty(shape, dtype)

    def rows(self, kind: str, n: int, pattern: tuple, entries: tuple) -> tuple[Any, Any, Any]:
        """A matrix with n rows in CSR form (indptr, indices, values), by the kernels `kind`_lengths and `kind`_rows.

        The first makes lengths (n+1,) int64, after a zero, of the pattern; the second fills the rows from the entries.
        """
        lengths = self.xp.zeros(n + 1, np.int64)
        self.launch(f"{kind}_lengths", n, *pattern, lengths)
        indptr, count = self.row_starts(lengths)
        indices, values = self.empty(count, dtype=np.int32), self.empty(count)
        self.launch(f"{kind}_rows", n, *entries, indptr, indices, values)
        return indptr, indices, values

    def row_starts(self, lengths: Any) -> tuple[Any, int]:
        """Where rows begin, int32, and how many entries there are, from lengths (n+1,) int64 after a zero."""
        starts = self.xp.cumsum(lengths)
        entries = int(starts[-1])
        if entries >= 2**31:
            raise FemtmsError(
                f"a matrix must have fewer than 2^31 entries; this one has {entries:,}: use a coarser mesh"
            )
        return starts.astype(np.int32), entries


def portions(n: int, work: int) -> Iterable[slice]:
    """Slices of n rows of which each takes `work` steps on the CPU: Python hears of Ctrl-C between two calls only."""
    rows = max(1, core.threads() * _STEPS // max(work, 1))
    return (slice(i, min(i + rows, n)) for i in range(0, n, rows))


def csr_arrays(matrix: Any) -> tuple[Any, Any, Any]:
    """(indptr, indices, data) of a sparse matrix."""
    return matrix.indptr, matrix.indices, matrix.data
