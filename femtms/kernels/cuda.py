"""The kernels of NVIDIA GPUs, on CuPy arrays: the same names as cpu.py has."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms import core
from femtms.kernels.blocks import Blocks
from femtms.kernels.coarsen import Coarsening
from femtms.kernels.graph import Recording
from femtms.kernels.launch import csr_arrays
from femtms.kernels.quadratic import Quadratic
from femtms.kernels.sources import Sources

_THREADS = 128
_MAX_BLOCKS = 65_536
_CHUNK = 128  # rows that one thread adds up
_SCRATCH = 2**24  # entries of a product that are made at a time: 12 bytes each
_NULL = np.uint64(0)  # an absent array


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse matrix in CSR form; its arrays are on the GPU."""

    shape: tuple[int, int]
    indptr: Any
    indices: Any
    data: Any

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return len(self.indices)


class CudaKernels(Blocks, Coarsening, Quadratic, Sources):
    """All that solving calls, on a GPU.

    xp      the array module of the data: cupy
    module  anything with get_function(name) -> callable(grid, block, arguments), such as cupy.RawModule
    """

    def __init__(self, xp, module):
        self.xp = xp
        self._module = module
        self._signatures = core.gpu_signatures()
        self._functions = {}  # by name: RawModule.get_function costs more than a launch
        self._warned = set()  # why recording failed: see Recording

    def launch(self, name: str, *arguments: Any, work: int | None = None) -> None:
        """Run a kernel: see Launcher."""
        signature = self._signatures[name]
        passed = signature.checked(arguments)
        for i, (parameter, value) in enumerate(zip(signature.parameters, passed)):
            if not parameter.array:
                passed[i] = parameter.dtype.type(value)
            elif value is None:
                passed[i] = _NULL
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        work = arguments[0] if work is None else work
        blocks = min(_MAX_BLOCKS, max(1, -(-work // _THREADS)))
        self._functions[name]((blocks,), (_THREADS,), tuple(passed))

    # --- any sparse matrix ---------------------------------------------------------------------------------

    def csr(self, triple, shape):
        """The sparse matrix of (indptr, indices, data) on this device."""
        return Rows(shape, *triple)

    def transposed(self, matrix):
        """Aᵀ with ascending columns; see cpu.transposed."""
        xp = self.xp
        order, starts = self._sorted(matrix.indices, matrix.shape[1])
        rows = xp.searchsorted(matrix.indptr, order.astype(np.int32), side="right") - 1
        return starts.astype(np.int32), rows.astype(np.int32), matrix.data[order]

    def incidence(self, groups, n):
        """Which rows of groups name each node; see cpu.incidence."""
        order, starts = self._sorted(self.xp.ascontiguousarray(groups).ravel(), n)
        return starts, (order // groups.shape[1]).astype(np.int32)

    def _sorted(self, keys, n):
        """The order (m,) that sorts keys (m,) int32 of 0 … n - 1, and where each key begins in it (n+1,), both int64.

        Equal keys stay in their order.  Not by bincount: CUB's takes gigabytes for a million bins.
        """
        order = self.xp.argsort(keys, kind="stable")
        return order, self.xp.searchsorted(keys[order], self.xp.arange(n + 1, dtype=np.int32))

    def pieces(self, matrix):
        """The lowest node (n,) int32 of the piece that each node is in; see cpu.pieces."""
        xp, n = self.xp, matrix.shape[0]
        parent = xp.arange(n, dtype=np.int32)
        while True:
            lower = parent.copy()
            self.launch("hooked", n, matrix.indptr, matrix.indices, parent, lower)
            if bool((lower == parent).all()):
                return parent
            parent = lower

    def product(self, a, b, ascending=True):
        """A B in CSR form (indptr, indices, data); columns always ascend here.  See cpu.product."""
        xp, n = self.xp, a.shape[0]
        room = xp.zeros(n + 1, np.int64)
        self.launch("product_room", n, a.indptr, a.indices, b.indptr, b.shape[1], room)
        room = xp.cumsum(room)
        cuts = xp.searchsorted(room, xp.arange(0, int(room[-1]), _SCRATCH))
        firsts = sorted({0, *(int(i) for i in cuts)})
        made = [(xp.zeros(1, np.int64), xp.empty(0, np.int32), xp.empty(0, np.float64))]
        made += [self._product_rows(a, b, room, *ends) for ends in zip(firsts, [*firsts[1:], n])]
        lengths, columns, values = (xp.concatenate(parts) for parts in zip(*made))
        return self.row_starts(lengths)[0], columns, values

    def _product_rows(self, a, b, room, first, end):
        """Lengths, columns and values of the rows first ... end - 1 of A B."""
        xp, count = self.xp, end - first
        entries = int(room[end] - room[first])
        columns, values = self.empty(entries, dtype=np.int32), self.empty(entries)
        lengths = xp.zeros(count + 1, np.int64)
        factors = *csr_arrays(a), *csr_arrays(b)
        self.launch("product_scattered", count, first, *factors, room, columns, values, lengths)
        starts = xp.cumsum(lengths)
        entries = int(starts[-1])
        packed = self.empty(entries, dtype=np.int32), self.empty(entries)
        self.launch("product_packed", count, first, room, columns, values, starts, *packed)
        return lengths[1:], *packed

    # --- blocks of columns ---------------------------------------------------------------------------------

    def padded(self, indptr, indices, values):
        """The matrix as it is: a thread for each entry of the result gains nothing by padding; see cpu.padded."""
        return indptr, indices, values

    def spmm_dots(self, matrix, x, out):
        """out = A X and the scalar products (k,) of the columns of X and A X; see cpu.spmm_dots."""
        self.spmm(matrix, x, out)
        return self.column_dots(x, out)

    def column_dots(self, x, y):
        """(k,) scalar products of the columns; see cpu.column_dots."""
        return self._sums(f"partial_dots_{np.dtype(y.dtype).name}", x, y)

    def advance(self, alpha, p, ap, x, r):
        """x += α p, r -= α Ap, in place; returns r·r (k,); see cpu.advance."""
        return self._sums("advance", alpha, p, ap, x, r)

    def _sums(self, name, *arrays):
        """Launch a kernel that makes partial sums over the rows of its last array (n,k), and add these up."""
        shape = arrays[-1].shape
        while True:
            n, k = shape
            chunks = -(-n // _CHUNK)
            partial = self.empty(chunks, k)
            self.launch(name, n, k, chunks, *arrays, partial, work=chunks * k)
            if chunks == 1:
                return partial[0]
            name, arrays, shape = "partial_dots_float64", (partial, None), partial.shape

    def recording(self):
        """What runs a step that is made again and again; see cpu.recording."""
        return Recording(self.xp.cuda, self._warned)
