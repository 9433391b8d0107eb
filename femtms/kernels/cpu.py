"""The kernels of the CPU, as functions: `cpu.spmm` and so on; `cuda.py` has the same names for the GPU.

Each output is computed by one thread in a fixed order: results do not depend on the number of threads.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from femtms import core
from femtms.kernels.blocks import Blocks
from femtms.kernels.coarsen import Coarsening
from femtms.kernels.grids import rasterise_tets, trilinear
from femtms.kernels.launch import csr_arrays, portions
from femtms.kernels.quadratic import Quadratic
from femtms.kernels.sources import MU0_OVER_4PI, Sources

__all__ = ["KERNELS", "MU0_OVER_4PI", "CpuKernels", "rasterise_tets", "trilinear"]


class CpuKernels(Blocks, Coarsening, Quadratic, Sources):
    """All that solving calls, on NumPy arrays."""

    xp = np

    def launch(self, name: str, *arguments: Any, work: int | None = None) -> None:
        """Run a kernel: see Launcher."""
        core.call(name, *arguments)

    def portions(self, n: int, work: int) -> Iterable[slice]:
        """Slices of n rows that take short calls: see `launch.portions`."""
        return portions(n, work)

    # --- meshes --------------------------------------------------------------------------------------------

    def signed_volumes(self, x, tets):
        """Volumes (m,) in the cube of the unit of x."""
        x, tets = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(tets, np.int32)
        volumes = self.empty(len(tets))
        self.launch("signed_volumes", len(tets), x, tets, volumes)
        return volumes

    def incidence(self, groups, n):
        """Which rows of groups (m,k) of nodes name each node: starts (n+1,) int64 and rows (km,) int32, ascending.

        With tetrahedra as groups: those that meet at each node.
        """
        groups = np.ascontiguousarray(groups, dtype=np.int32)
        starts, rows = self.empty(n + 1, dtype=np.int64), self.empty(groups.size, dtype=np.int32)
        self.launch("incidence", *groups.shape, groups, n, starts, rows)
        return starts, rows

    # --- any sparse matrix ---------------------------------------------------------------------------------

    def csr(self, triple, shape):
        """The sparse matrix of (indptr, indices, data) on this device."""
        indptr, indices, data = triple
        return sparse.csr_array((data, indices, indptr), shape=shape)

    def transposed(self, matrix):
        """Aᵀ in CSR form (indptr, indices, data), with ascending columns."""
        return csr_arrays(self.csr(csr_arrays(matrix), matrix.shape).T.tocsr())

    def pieces(self, matrix):
        """The lowest node (n,) int32 of each node's piece; entries of a symmetric pattern connect nodes."""
        count, piece = sparse.csgraph.connected_components(matrix, directed=False)
        lowest = np.full(count, len(piece), np.int32)
        np.minimum.at(lowest, piece, np.arange(len(piece), dtype=np.int32))
        return lowest[piece]

    def product(self, a, b, ascending=True):
        """A B in CSR form (indptr, indices, data); the columns of a row ascend, or are in no order, which is faster."""
        n, width = a.shape[0], b.shape[1]
        pattern = width, a.indptr, a.indices, b.indptr, b.indices
        return self.rows("product", n, pattern, (width, *csr_arrays(a), *csr_arrays(b), ascending))

    # --- blocks of columns ---------------------------------------------------------------------------------

    def padded(self, indptr, indices, values):
        """The same matrix with zeros that make every row a multiple of four entries long, as a triple.

        Rows of all lengths end in a loop that the processor cannot foresee; on a head 10 % more entries make the
        product with one column a fifth faster.
        """
        starts = np.zeros(len(indptr), np.int64)
        np.cumsum(-(-np.diff(indptr) // 4) * 4, out=starts[1:])
        if starts[-1] >= 2**31:
            return indptr, indices, values
        starts = starts.astype(np.int32)
        columns, padded = self.empty(starts[-1], dtype=np.int32), self.empty(starts[-1], dtype=values.dtype)
        name = f"padded_{values.dtype.name}"
        self.launch(name, len(indptr) - 1, indptr, indices, values, starts, columns, padded)
        return starts, columns, padded

    def spmm_dots(self, matrix, x, out):
        """out (n,k) = A X, and the scalar product (k,) of each column of X with that of A X."""
        return self._sums("spmm_dots", *csr_arrays(matrix), x, out)

    def column_dots(self, x, y):
        """(k,): the scalar product of each column of x (n,k) float64 with that of y (n,k) of either precision."""
        return self._sums(f"column_dots_{y.dtype.name}", x, y)

    def advance(self, alpha, p, ap, x, r):
        """One step of conjugate gradients: x += α p, r -= α Ap, in place; returns r·r (k,).

        alpha (k,), the others (n,k) float64.
        """
        return self._sums("advance_and_dot", alpha, p, ap, x, r)

    def _sums(self, name, *arrays):
        """Run a kernel that sums over the rows of its last array (n,k)."""
        n, k = arrays[-1].shape
        sums = self.empty(k)
        self.launch(name, n, k, *arrays, self.empty(-(-n // _ROWS), k), sums)
        return sums

    def recording(self):
        """What runs a step that is made again and again: here, just that; on a GPU, its launches become one."""
        return lambda step: step()


_ROWS = 1024  # of a partial sum: see ROWS in core/cpu.h
KERNELS = CpuKernels()

# This module has the kernels as functions, too.
incidence, morton_codes, signed_volumes = KERNELS.incidence, KERNELS.morton_codes, KERNELS.signed_volumes


def __getattr__(name: str) -> Any:
    return getattr(KERNELS, name)
