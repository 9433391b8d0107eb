"""Linear algebra on blocks of columns (n,k), compiled by numba; `cpu.py` passes these functions on.

Rules that the callers rely on:
- Every column is treated alike, whatever k is: a column's bits do not depend on its neighbours in the block.  That is
  why no flag here lets the compiler merge products with sums, which it would do for one column and not for several.
- Each row is computed by one thread, and sums over rows are made in one fixed order: bits do not depend on threads.
- Results go into `out`: a fresh array of this size costs as much as the work, because the system clears its pages.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit

_parallel = njit(parallel=True)

_ROWS = 1024  # rows per task: enough work to hide the scheduling, and the unit of sums over rows
# Unsigned numbers spare a test for negative indices; numba would make uint64 + int64 a float.
_ONE, _TWO, _THREE, _FOUR = (np.uint64(i) for i in (1, 2, 3, 4))


@njit(inline="always")
def _row_times_block(indptr, indices, values, x, i, total):
    """total (k,) = row i of A times X.  Four entries at a time, so that `total` is read and written less often."""
    k = total.shape[0]
    for q in range(k):
        total[q] = 0
    p, end = np.uint64(indptr[i]), np.uint64(indptr[i + 1])
    while p + _FOUR <= end:
        a, b, c, d = values[p], values[p + _ONE], values[p + _TWO], values[p + _THREE]
        ja, jb, jc, jd = indices[p], indices[p + _ONE], indices[p + _TWO], indices[p + _THREE]
        for q in range(k):
            total[q] += (a * x[ja, q] + b * x[jb, q]) + (c * x[jc, q] + d * x[jd, q])
        p += _FOUR
    while p < end:
        a, ja = values[p], indices[p]
        for q in range(k):
            total[q] += a * x[ja, q]
        p += _ONE


@njit(inline="always")
def _row_times_column(indptr, indices, values, x, i):
    """The same sum in the same order for one column, kept in a register."""
    total = x.dtype.type(0)
    p, end = np.uint64(indptr[i]), np.uint64(indptr[i + 1])
    while p + _FOUR <= end:
        a = values[p] * x[indices[p], 0] + values[p + _ONE] * x[indices[p + _ONE], 0]
        b = values[p + _TWO] * x[indices[p + _TWO], 0] + values[p + _THREE] * x[indices[p + _THREE], 0]
        total += a + b
        p += _FOUR
    while p < end:
        total += values[p] * x[indices[p], 0]
        p += _ONE
    return total


@_parallel
def _padded(indptr, indices, values, starts, columns, padded_values):
    n = indptr.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            q = starts[i]
            for p in range(indptr[i], indptr[i + 1]):
                columns[q], padded_values[q] = indices[p], values[p]
                q += 1
            for rest in range(q, starts[i + 1]):
                # a column that the row has already: where x is NaN there, the row is NaN without the padding, too
                columns[rest], padded_values[rest] = indices[indptr[i + 1] - 1], 0


def padded(indptr, indices, values):
    """The same matrix with zeros that make every row a multiple of four entries long, as (indptr, indices, values).

    Rows of all lengths end in a loop that the processor cannot foresee; on a head 10 % more entries make the product
    with one column a fifth faster.
    """
    starts = np.zeros(len(indptr), np.int64)
    np.cumsum(-(-np.diff(indptr) // 4) * 4, out=starts[1:])
    if starts[-1] >= 2**31:
        return indptr, indices, values
    columns, padded_values = np.empty(starts[-1], np.int32), np.empty(starts[-1], values.dtype)
    _padded(indptr, indices, values, starts, columns, padded_values)
    return starts.astype(np.int32), columns, padded_values


def _unsigned(matrix):
    return matrix.indptr.view(np.uint32), matrix.indices.view(np.uint32), matrix.data


@_parallel
def _spmm(indptr, indices, values, x, out):
    rows, k = out.shape
    for task in numba.prange((rows + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(rows, (task + 1) * _ROWS)):
            if k == 1:
                out[i, 0] = _row_times_column(indptr, indices, values, x, i)
            else:
                _row_times_block(indptr, indices, values, x, i, out[i])


def spmm(matrix, x, out):
    """out (r,k) = A X.  matrix CSR (r,c), x (c,k); all C-contiguous and of one dtype."""
    _spmm(*_unsigned(matrix), x, out)


@_parallel
def _spmm_add(indptr, indices, values, x, out):
    rows, k = out.shape
    for task in numba.prange((rows + _ROWS - 1) // _ROWS):
        total = np.empty(k, out.dtype)
        for i in range(task * _ROWS, min(rows, (task + 1) * _ROWS)):
            if k == 1:
                out[i, 0] += _row_times_column(indptr, indices, values, x, i)
            else:
                _row_times_block(indptr, indices, values, x, i, total)
                for q in range(k):
                    out[i, q] += total[q]


def spmm_add(matrix, x, out):
    """out (r,k) += A X, as `spmm`."""
    _spmm_add(*_unsigned(matrix), x, out)


@_parallel
def _relax(indptr, indices, values, weights, x, b, z, out):
    rows, k = out.shape
    wx, wb, wa, wz = weights[0], weights[1], weights[2], weights[3]
    for task in numba.prange((rows + _ROWS - 1) // _ROWS):
        total = np.empty(k, out.dtype)
        for i in range(task * _ROWS, min(rows, (task + 1) * _ROWS)):
            if k == 1:
                ax = _row_times_column(indptr, indices, values, x, i)
                out[i, 0] = ((wx * x[i, 0] + wb * b[i, 0]) + wa * ax) + wz * z[i, 0]
            else:
                _row_times_block(indptr, indices, values, x, i, total)
                for q in range(k):
                    out[i, q] = ((wx * x[i, q] + wb * b[i, q]) + wa * total[q]) + wz * z[i, q]


def relax(matrix, weights, x, b, z, out):
    """out = w₀ X + w₁ B + w₂ A X + w₃ Z: one pass for any step of a polynomial smoother, and for residuals.

    matrix CSR (n,n), x, b, z, out (n,k), all float32; weights 4 numbers; out may be b or z, but not x.
    """
    _relax(*_unsigned(matrix), np.asarray(weights, np.float32), x, b, z, out)


def _sum_of_tasks(partial):
    # cumsum adds strictly one after the other; sum() would choose an order by the number of columns
    return np.cumsum(partial, axis=0)[-1]


@_parallel
def _spmm_dots(indptr, indices, values, x, out):
    rows, k = out.shape
    tasks = (rows + _ROWS - 1) // _ROWS
    partial = np.empty((tasks, k))
    for task in numba.prange(tasks):
        total, dots = np.empty(k), np.zeros(k)
        for i in range(task * _ROWS, min(rows, (task + 1) * _ROWS)):
            if k == 1:
                total[0] = _row_times_column(indptr, indices, values, x, i)
            else:
                _row_times_block(indptr, indices, values, x, i, total)
            for q in range(k):
                out[i, q] = total[q]
                dots[q] += x[i, q] * total[q]
        partial[task] = dots
    return partial


def spmm_dots(matrix, x, out):
    """out (n,k) = A X, and the scalar product (k,) of each column of X with that of A X."""
    return _sum_of_tasks(_spmm_dots(*_unsigned(matrix), x, out))


@_parallel
def _partial_dots(x, y):
    n, k = x.shape
    tasks = (n + _ROWS - 1) // _ROWS
    partial = np.zeros((tasks, k))
    for task in numba.prange(tasks):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for q in range(k):
                partial[task, q] += x[i, q] * y[i, q]
    return partial


def column_dots(x, y):
    """(k,): the scalar product of each column of x (n,k) float64 with that of y (n,k) of either precision."""
    return _sum_of_tasks(_partial_dots(x, y))


@_parallel
def _advance(alpha, p, ap, x, r):
    n, k = x.shape
    tasks = (n + _ROWS - 1) // _ROWS
    partial = np.zeros((tasks, k))
    for task in numba.prange(tasks):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for q in range(k):
                x[i, q] += alpha[q] * p[i, q]
                r[i, q] -= alpha[q] * ap[i, q]
                partial[task, q] += r[i, q] * r[i, q]
    return partial


def advance(alpha, p, ap, x, r):
    """One step of conjugate gradients: x += α p, r -= α Ap, in place; returns r·r (k,).

    alpha (k,), the others (n,k) float64.
    """
    return _sum_of_tasks(_advance(alpha, p, ap, x, r))


@_parallel
def _turn(scale, beta, z, p):
    n, k = p.shape
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for q in range(k):
                p[i, q] = scale[q] * z[i, q] + beta[q] * p[i, q]


def turn(scale, beta, z, p):
    """The next direction of conjugate gradients: p = s z + β p, in place.

    scale, beta (k,), p (n,k) float64; z (n,k) float32.
    """
    _turn(scale, beta, z, p)


@_parallel
def _narrow(scale, r, out):
    n, k = r.shape
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for q in range(k):
                out[i, q] = scale[q] * r[i, q]


def narrow(scale, r, out):
    """out (n,k) float32 = s r, with scale (k,) and r (n,k) float64."""
    _narrow(scale, r, out)


def recording():
    """What runs a step that is made again and again: here, just that; on a GPU, its launches become one."""
    return lambda step: step()
