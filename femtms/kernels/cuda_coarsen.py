"""What grounds K and builds a multigrid hierarchy on a GPU: launches coarsen.cu; same functions as coarsen.py."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.kernels.launch import Launcher

_UNDECIDED, _ROOT, _STATE = (np.uint64(i) << np.uint64(62) for i in (1, 2, 3))  # of the keys of nodes
_SCRATCH = 2**24  # entries of a product that are made at a time: 12 bytes each


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


class CudaCoarsening(Launcher):
    """The functions of coarsen.py on a GPU; abstract: a part of `CudaKernels`."""

    # --- any sparse matrix ---------------------------------------------------------------------------------

    def csr(self, triple, shape):
        """The sparse matrix of (indptr, indices, data); see coarsen.csr."""
        return Rows(shape, *triple)

    def transposed(self, matrix):
        """Aᵀ with ascending columns; see coarsen.transposed."""
        xp = self._xp
        order, starts = self._sorted(matrix.indices, matrix.shape[1])
        rows = xp.searchsorted(matrix.indptr, order.astype(np.int32), side="right") - 1
        return starts.astype(np.int32), rows.astype(np.int32), matrix.data[order]

    def diagonal(self, matrix):
        """The diagonal (n,); see coarsen.diagonal."""
        n = matrix.shape[0]
        result = self._xp.empty(n, np.float64)
        self._launch("diagonal", n, np.int64(n), *_arrays(matrix), result)
        return result

    def gershgorin(self, matrix):
        """Largest sum of absolute values of a row; see coarsen.gershgorin."""
        n = matrix.shape[0]
        sums = self._xp.empty(n, np.float64)
        self._launch("row_sums", n, np.int64(n), matrix.indptr, matrix.data, sums)
        return float(sums.max())

    def scaled_symmetrically(self, matrix, s):
        """The data of S A S; see coarsen.scaled_symmetrically."""
        n = matrix.shape[0]
        result = self._xp.empty_like(matrix.data)
        self._launch("scaled_symmetrically", n, np.int64(n), *_arrays(matrix), s, result)
        return result

    def scaled_rows(self, matrix, s):
        """The data of S A; see coarsen.scaled_rows."""
        n = matrix.shape[0]
        result = self._xp.empty_like(matrix.data)
        self._launch("scaled_rows", n, np.int64(n), matrix.indptr, matrix.data, s, result)
        return result

    # --- ground --------------------------------------------------------------------------------------------

    def pieces(self, matrix):
        """The lowest node (n,) int32 of the piece that each node is in; see coarsen.pieces."""
        xp, n = self._xp, matrix.shape[0]
        parent = xp.arange(n, dtype=np.int32)
        while True:
            lower = parent.copy()
            self._launch("hooked", n, np.int64(n), matrix.indptr, matrix.indices, parent, lower)
            if bool((lower == parent).all()):
                return parent
            parent = lower

    def tied(self, matrix, piece):
        """The data of A with the diagonal doubled where pieces are tied; see coarsen.tied."""
        n = matrix.shape[0]
        result = matrix.data.copy()
        self._launch("tied", n, np.int64(n), matrix.indptr, matrix.indices, piece, result)
        return result

    # --- aggregates ----------------------------------------------------------------------------------------

    def strong_connections(self, matrix, theta):
        """The entries that are at least theta, and the diagonal; see coarsen.strong_connections."""
        entries = *_arrays(matrix), np.float64(theta)
        return self._rows("strong", matrix.shape[0], entries, *entries)

    def aggregates(self, strong):
        """Number (n,) of the aggregate of each node, and how many there are; see coarsen.aggregates."""
        xp, n = self._xp, len(strong.indptr) - 1
        size, graph = np.int64(n), (strong.indptr, strong.indices)
        keys, near, largest = (xp.empty(n, np.uint64) for _ in range(3))
        self._launch("first_keys", n, size, keys)
        while bool(((keys & _STATE) == _UNDECIDED).any()):
            self._launch("largest_nearby", n, size, *graph, keys, near)
            self._launch("largest_nearby", n, size, *graph, near, largest)
            self._launch("decided", n, size, largest, keys)
        is_root = keys >= _ROOT
        roots = xp.where(is_root, xp.cumsum(is_root, dtype=np.int32) - 1, -1).astype(np.int32)
        near, every = xp.empty_like(roots), xp.empty_like(roots)
        self._launch("joined", n, size, *_arrays(strong), roots, near)
        self._launch("joined", n, size, *_arrays(strong), near, every)
        return every, int(is_root.sum())

    # --- prolongators --------------------------------------------------------------------------------------

    def prolongator(self, matrix, strong, aggregate, near_null, steps):
        """P in CSR form, and the coarse near-null vector; see coarsen.prolongator."""
        starts, columns, p, coarse_null = self._tentative(strong, aggregate, near_null)
        a_direction = self._energy_gradient(matrix, starts, columns, p, coarse_null)
        residual = -a_direction
        direction = residual.copy()
        rr = self._dot(residual, residual)
        for _ in range(steps):
            if rr == 0:
                break
            a_direction = self._energy_gradient(matrix, starts, columns, direction, coarse_null)
            alpha = rr / self._dot(direction, a_direction)
            p += alpha * direction
            residual -= alpha * a_direction
            rr, rr_before = self._dot(residual, residual), rr
            direction = residual + rr / rr_before * direction
        return (starts, columns, p), coarse_null

    def _tentative(self, strong, aggregate, near_null):
        """The pattern of P (starts, columns), its piecewise constant values there, and the coarse near-null vector."""
        xp, n = self._xp, len(aggregate)
        member_starts, members = self.incidence(aggregate[:, None], int(aggregate.max()) + 1)
        count = len(member_starts) - 1
        coarse_null = xp.empty(count, np.float64)
        self._launch("coarse_null", count, np.int64(count), member_starts, members, near_null, coarse_null)
        touched = np.int64(n), strong.indptr, strong.indices, aggregate
        lengths = xp.zeros(n + 1, np.int64)
        self._launch("pattern_lengths", n, *touched, lengths)
        starts, entries = self._starts(lengths)
        columns, p = xp.empty(entries, np.int32), xp.empty(entries, np.float64)
        self._launch("tentative", n, *touched, near_null, coarse_null, starts, columns, p)
        return starts, columns, p, coarse_null

    def _energy_gradient(self, matrix, starts, columns, p, coarse_null):
        """A P where P may be nonzero, with rows made orthogonal to the coarse near-null vector."""
        n = matrix.shape[0]
        out = self._xp.empty_like(p)
        self._launch("energy_gradient", n, np.int64(n), *_arrays(matrix), starts, columns, p, coarse_null, out)
        return out

    def _dot(self, x, y):
        return float(self.column_dots(x.reshape(-1, 1), y.reshape(-1, 1))[0])

    # --- products ------------------------------------------------------------------------------------------

    def product(self, a, b):
        """A B in CSR form; see coarsen.product.  Here columns ascend."""
        xp, n = self._xp, a.shape[0]
        room = xp.zeros(n + 1, np.int64)
        self._launch("product_room", n, np.int64(n), a.indptr, a.indices, b.indptr, np.int64(b.shape[1]), room)
        room = xp.cumsum(room)
        cuts = xp.searchsorted(room, xp.arange(0, int(room[-1]), _SCRATCH))
        firsts = sorted({0, *(int(i) for i in cuts)})
        made = [(xp.zeros(1, np.int64), xp.empty(0, np.int32), xp.empty(0, np.float64))]
        made += [self._product_rows(a, b, room, *ends) for ends in zip(firsts, [*firsts[1:], n])]
        lengths, columns, values = (xp.concatenate(parts) for parts in zip(*made))
        return self._starts(lengths)[0], columns, values

    def _product_rows(self, a, b, room, first, end):
        """Lengths, columns and values of the rows first ... end - 1 of A B."""
        xp, count = self._xp, end - first
        rows = np.int64(count), np.int64(first)
        entries = int(room[end] - room[first])
        columns, values = xp.empty(entries, np.int32), xp.empty(entries, np.float64)
        lengths = xp.zeros(count + 1, np.int64)
        self._launch("product_rows", count, *rows, *_arrays(a), *_arrays(b), room, columns, values, lengths)
        starts = xp.cumsum(lengths)
        entries = int(starts[-1])
        packed = xp.empty(entries, np.int32), xp.empty(entries, np.float64)
        self._launch("product_packed", count, *rows, room, columns, values, starts, *packed)
        return lengths[1:], *packed

    def galerkin(self, r, matrix, p):
        """R A P in CSR form, with ascending columns; see coarsen.galerkin."""
        ap = self.csr(self.product(matrix, p), p.shape)
        return self.product(r, ap)


def _arrays(matrix):
    return matrix.indptr, matrix.indices, matrix.data
