"""Launches CUDA kernels on CuPy arrays."""

import numpy as np

from femtms.errors import FemtmsError

_THREADS = 128
_MAX_BLOCKS = 65_536


class Launcher:
    """The kernels of one compiled module; abstract: `CudaKernels` is what callers use.

    xp      the array module of the data: cupy
    module  anything with get_function(name) -> callable(grid, block, arguments), such as cupy.RawModule
    """

    def __init__(self, xp, module):
        self._xp = xp
        self._module = module
        self._functions = {}  # by name: RawModule.get_function costs more than a launch

    def _launch(self, name, work, *arguments):
        """Run a kernel whose first parameter is int64 `work`, how many things there are to do."""
        blocks = min(_MAX_BLOCKS, max(1, -(-work // _THREADS)))
        for a in arguments:
            if getattr(a, "shape", ()) and not a.flags.c_contiguous:  # the kernels know nothing of strides
                raise ValueError(f"{name} takes C-contiguous arrays; got one of {a.shape} with strides {a.strides}")
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        self._functions[name]((blocks,), (_THREADS,), arguments)

    def _rows(self, kind, n, pattern, *entries):
        """A matrix with n rows in CSR form (indptr, indices, values), by the kernels `kind`_lengths and `kind`_rows.

        The first makes lengths (n+1,) int64, after a zero, of the pattern; the second fills the rows from the entries.
        """
        lengths = self._xp.zeros(n + 1, np.int64)
        self._launch(f"{kind}_lengths", n, np.int64(n), *pattern, lengths)
        indptr, count = self._starts(lengths)
        indices, values = self._xp.empty(count, np.int32), self._xp.empty(count, np.float64)
        self._launch(f"{kind}_rows", n, np.int64(n), *entries, indptr, indices, values)
        return indptr, indices, values

    def _sorted(self, keys, n):
        """The order (m,) that sorts keys (m,) int32 of 0 … n - 1, and where each key begins in it (n+1,), both int64.

        Equal keys stay in their order.  Not by bincount: CUB's takes gigabytes for a million bins.
        """
        order = self._xp.argsort(keys, kind="stable")
        return order, self._xp.searchsorted(keys[order], self._xp.arange(n + 1, dtype=np.int32))

    def _starts(self, lengths):
        """Where rows begin, int32, and how many entries there are, from lengths (n+1,) int64 after a zero."""
        starts = self._xp.cumsum(lengths)
        entries = int(starts[-1])
        if entries >= 2**31:
            raise FemtmsError(
                f"a matrix must have fewer than 2^31 entries; this one has {entries:,}: use a coarser mesh"
            )
        return starts.astype(np.int32), entries
