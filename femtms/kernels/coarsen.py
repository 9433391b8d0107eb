"""What grounds K and builds a multigrid hierarchy, row by row: aggregates, prolongators, sparse products.

Each row of a result is filled by one thread in a fixed order, so results do not depend on the number of threads.
Matrices are anything with indptr, indices (int32) and data; those that are made come as such triples.
`cpu.py` passes these functions on; `cuda_coarsen.py` has the same for the GPU.
"""

import numba
import numpy as np
from scipy import sparse

from femtms.kernels.blocks import column_dots
from femtms.kernels.jit import njit

_parallel = njit(parallel=True)
_ROWS = 1024  # rows per task


# --- any sparse matrix -------------------------------------------------------------------------------------


def csr(triple, shape):
    """The sparse matrix of (indptr, indices, data) on this device."""
    indptr, indices, data = triple
    return sparse.csr_array((data, indices, indptr), shape=shape)


def transposed(matrix):
    """Aᵀ in CSR form (indptr, indices, data), with ascending columns."""
    rows = csr((matrix.indptr, matrix.indices, matrix.data), matrix.shape).T.tocsr()
    return rows.indptr, rows.indices, rows.data


@_parallel
def _diagonal(indptr, indices, values):
    n = indptr.shape[0] - 1
    diagonal = np.zeros(n)
    for i in numba.prange(n):
        for p in range(indptr[i], indptr[i + 1]):
            if indices[p] == i:
                diagonal[i] = values[p]
    return diagonal


def diagonal(matrix):
    """The diagonal (n,), zero where there is no entry."""
    return _diagonal(matrix.indptr, matrix.indices, matrix.data)


@_parallel
def _row_sums(indptr, values):
    n = indptr.shape[0] - 1
    sums = np.empty(n)
    for i in numba.prange(n):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += abs(values[p])
        sums[i] = total
    return sums


def gershgorin(matrix):
    """Largest sum of absolute values of a row, which bounds the eigenvalues; Saad 2003, Theorem 4.6."""
    return float(_row_sums(matrix.indptr, matrix.data).max())


@_parallel
def _scaled(indptr, indices, values, s, result):
    n = indptr.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for p in range(indptr[i], indptr[i + 1]):
                result[p] = values[p] * s[i] * s[indices[p]]


def scaled_symmetrically(matrix, s):
    """The data of S A S with the diagonal matrix S = diag(s)."""
    result = np.empty_like(matrix.data)  # by NumPy, on large pages: see elements.py
    _scaled(matrix.indptr, matrix.indices, matrix.data, s, result)
    return result


def scaled_rows(matrix, s):
    """The data of S A with the diagonal matrix S = diag(s)."""
    return matrix.data * np.repeat(s, np.diff(matrix.indptr))


# --- ground ------------------------------------------------------------------------------------------------


def pieces(matrix):
    """The lowest node (n,) int32 of the piece that each node is in; entries of a symmetric pattern connect nodes."""
    count, piece = sparse.csgraph.connected_components(matrix, directed=False)
    lowest = np.full(count, len(piece), np.int32)
    np.minimum.at(lowest, piece, np.arange(len(piece), dtype=np.int32))
    return lowest[piece]


@_parallel
def _tied(indptr, indices, values, piece):
    result = values.copy()
    for i in numba.prange(indptr.shape[0] - 1):
        if piece[i] == i:
            for p in range(indptr[i], indptr[i + 1]):
                if indices[p] == i:
                    result[p] *= 2
    return result


def tied(matrix, piece):
    """The data of A with the diagonal doubled where a node is the one that its piece (n,) int32 is called after."""
    return _tied(matrix.indptr, matrix.indices, matrix.data, piece)


# --- aggregates --------------------------------------------------------------------------------------------


@_parallel
def _strong(indptr, indices, values, theta, starts, kept, kept_values, fill):
    n = indptr.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            count = 0
            for p in range(indptr[i], indptr[i + 1]):
                if indices[p] == i or abs(values[p]) >= theta:
                    if fill:
                        kept[starts[i] + count] = indices[p]
                        kept_values[starts[i] + count] = values[p]
                    count += 1
            if not fill:
                starts[i + 1] = count


def strong_connections(matrix, theta):
    """The entries of a matrix with unit diagonal that are at least theta, and its diagonal: (indptr, indices, data)."""
    factors = matrix.indptr, matrix.indices, matrix.data
    starts = np.zeros(len(matrix.indptr), np.int64)
    _strong(*factors, theta, starts, np.empty(0, np.int32), np.empty(0), False)
    starts = np.cumsum(starts).astype(np.int32)
    indices, data = np.empty(starts[-1], np.int32), np.empty(starts[-1])
    _strong(*factors, theta, starts, indices, data, True)
    return starts, indices, data


# A node's key orders nodes: its state first, then a number that looks random, then its index.
_UNDECIDED, _ROOT = np.uint64(1) << np.uint64(62), np.uint64(2) << np.uint64(62)
_STATE = np.uint64(3) << np.uint64(62)
_LOW_32 = np.uint64(2**32 - 1)


@_parallel
def _first_keys(n):
    keys = np.empty(n, np.uint64)
    for i in numba.prange(n):
        # the finaliser of MurmurHash3 (Appleby, public domain), 30 bits of it: neighbours get unlike numbers
        h = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        keys[i] = _UNDECIDED | ((h >> np.uint64(34)) << np.uint64(32)) | np.uint64(i)
    return keys


@_parallel
def _largest_nearby(indptr, indices, keys):
    n = indptr.shape[0] - 1
    largest = np.empty(n, np.uint64)
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            top = keys[i]
            for p in range(indptr[i], indptr[i + 1]):
                top = max(top, keys[indices[p]])
            largest[i] = top
    return largest


@_parallel
def _decided(keys, largest):
    n = keys.shape[0]
    left = 0
    for i in numba.prange(n):
        if keys[i] & _STATE == _UNDECIDED:
            if largest[i] == keys[i]:
                keys[i] = (keys[i] & ~_STATE) | _ROOT
            elif largest[i] & _STATE == _ROOT:
                keys[i] &= ~_STATE
            else:
                left += 1
    return left


@_parallel
def _joined(indptr, indices, values, number, own):
    """own (n,): the aggregate of each node, from `number` (n,), that of those that have one; -1 for none."""
    n = indptr.shape[0] - 1
    for i in numba.prange(n):
        own[i] = number[i]
        strongest = -1.0
        if number[i] < 0:
            for p in range(indptr[i], indptr[i + 1]):
                if number[indices[p]] >= 0 and abs(values[p]) > strongest:
                    own[i], strongest = number[indices[p]], abs(values[p])


def aggregates(strong):
    """Number (n,) int32 of the aggregate of each node, and how many there are, from the strong connections.

    Roots are a maximal set of nodes of which no two are within two steps; neighbours join their root, and nodes
    between join the neighbour with the strongest connection: Bell, Dalton & Olson 2012, SIAM J Sci Comput 34:C123.
    """
    indptr, indices, values = strong.indptr, strong.indices, strong.data
    keys = _first_keys(len(indptr) - 1)
    while True:
        largest = _largest_nearby(indptr, indices, _largest_nearby(indptr, indices, keys))
        if _decided(keys, largest) == 0:
            break
    is_root = keys >= _ROOT
    roots = np.where(is_root, np.cumsum(is_root, dtype=np.int32) - 1, -1).astype(np.int32)
    near, every = np.empty_like(roots), np.empty_like(roots)
    _joined(indptr, indices, values, roots, near)
    _joined(indptr, indices, values, near, every)
    return every, int(is_root.sum())


# --- prolongators ------------------------------------------------------------------------------------------


@_parallel
def _pattern(indptr, indices, aggregate, starts, columns, fill):
    """The aggregates that each node touches, ascending: their count in starts[i+1], or themselves in columns."""
    n = indptr.shape[0] - 1
    longest = 0
    for i in range(n):
        longest = max(longest, indptr[i + 1] - indptr[i])
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        row = np.empty(longest, np.int32)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            count = 0
            for p in range(indptr[i], indptr[i + 1]):
                c = aggregate[indices[p]]
                at = count
                while at > 0 and row[at - 1] > c:
                    at -= 1
                if at > 0 and row[at - 1] == c:
                    continue
                for q in range(count, at, -1):
                    row[q] = row[q - 1]
                row[at] = c
                count += 1
            if fill:
                for q in range(count):
                    columns[starts[i] + q] = row[q]
            else:
                starts[i + 1] = count


@_parallel
def _tentative(starts, columns, aggregate, near_null, coarse_null, values):
    n = starts.shape[0] - 1
    for i in numba.prange(n):
        for p in range(starts[i], starts[i + 1]):
            values[p] = near_null[i] / coarse_null[columns[p]] if columns[p] == aggregate[i] else 0.0


@_parallel
def _energy_gradient(indptr, indices, values, starts, columns, p_values, coarse_null, out):
    """out = A P where P may be nonzero, with rows made orthogonal to the coarse near-null vector; returns sums."""
    n = indptr.shape[0] - 1
    tasks = (n + _ROWS - 1) // _ROWS
    energy = np.zeros(tasks)
    for task in numba.prange(tasks):
        longest = 0
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            longest = max(longest, starts[i + 1] - starts[i])
        row = np.empty(longest + 1)  # the last takes what falls outside of the pattern
        place = np.full(coarse_null.shape[0], longest, np.int32)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            begin, count = starts[i], starts[i + 1] - starts[i]
            for q in range(count):
                row[q] = 0
                place[columns[begin + q]] = q
            for p in range(indptr[i], indptr[i + 1]):
                j, a = indices[p], values[p]
                for s in range(starts[j], starts[j + 1]):
                    row[place[columns[s]]] += a * p_values[s]
            along = size = 0.0
            for q in range(count):
                c = coarse_null[columns[begin + q]]
                along += row[q] * c
                size += c * c
            for q in range(count):
                out[begin + q] = row[q] - along / size * coarse_null[columns[begin + q]]
                energy[task] += p_values[begin + q] * out[begin + q]
                place[columns[begin + q]] = longest
    return energy


def prolongator(matrix, strong, aggregate, near_null, steps):
    """P in CSR form (indptr, indices, data), and the coarse near-null vector.

    P minimises the energy Σ_c P_c·A P_c over its pattern, the aggregates that each node has a strong connection to,
    under the constraint that it reproduces the near-null vector (n,): `steps` steps of conjugate gradients from the
    piecewise constant one.
    Olson, Schroder & Tuminaro 2011, SIAM J Sci Comput 33:966, Alg. 2 (one near-null vector, A with unit diagonal).
    """
    indptr, indices, values = matrix.indptr, matrix.indices, matrix.data
    n = len(indptr) - 1
    coarse_null = np.sqrt(np.bincount(aggregate, near_null**2))
    starts = np.zeros(n + 1, np.int64)
    columns = np.empty(0, np.int32)
    _pattern(strong.indptr, strong.indices, aggregate, starts, columns, False)
    starts = np.cumsum(starts).astype(np.int32)
    columns = np.empty(starts[-1], np.int32)
    _pattern(strong.indptr, strong.indices, aggregate, starts, columns, True)

    p = np.empty(len(columns))
    _tentative(starts, columns, aggregate, near_null, coarse_null, p)
    a_direction = np.empty_like(p)
    _energy_gradient(indptr, indices, values, starts, columns, p, coarse_null, a_direction)
    residual = -a_direction
    direction = residual.copy()
    rr = _square(residual)
    for _ in range(steps):
        if rr == 0:
            break
        energy = _energy_gradient(indptr, indices, values, starts, columns, direction, coarse_null, a_direction)
        alpha = rr / float(np.sum(energy))
        p += alpha * direction
        residual -= alpha * a_direction
        rr, rr_before = _square(residual), rr
        direction = residual + rr / rr_before * direction
    return (starts, columns, p), coarse_null


def _square(x):
    """x·x of x (n,): in one fixed order, which BLAS has not, whose threads share it out."""
    return float(column_dots(x[:, None], x[:, None])[0])


# --- products ----------------------------------------------------------------------------------------------


@_parallel
def _product(a_starts, a_columns, a_values, b_starts, b_columns, b_values, width, starts, columns, values, fill):
    n = a_starts.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        place = np.full(width, -1, np.int32)  # where the entry of each column is in the row that is made
        row = np.empty(width, np.int32)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            count, begin = 0, starts[i]
            for p in range(a_starts[i], a_starts[i + 1]):
                j = a_columns[p]
                for q in range(b_starts[j], b_starts[j + 1]):
                    c = b_columns[q]
                    if place[c] < 0:
                        place[c] = count
                        row[count] = c
                        if fill:
                            columns[begin + count] = c
                            values[begin + count] = 0
                        count += 1
                    if fill:
                        values[begin + place[c]] += a_values[p] * b_values[q]
            for q in range(count):
                place[row[q]] = -1
            if not fill:
                starts[i + 1] = count


def product(a, b):
    """A B in CSR form (indptr, indices, data); the columns of a row are in no order."""
    factors = a.indptr, a.indices, a.data, b.indptr, b.indices, b.data, b.shape[1]
    starts = np.zeros(len(a.indptr), np.int64)
    _product(*factors, starts, np.empty(0, np.int32), np.empty(0), False)
    starts = np.cumsum(starts)
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1])
    _product(*factors, starts, columns, values, True)
    return starts.astype(np.int32), columns, values


def galerkin(r, matrix, p):
    """R A P in CSR form (indptr, indices, data), with ascending columns."""
    ap = csr(product(matrix, p), p.shape)
    coarse = csr(product(r, ap), (r.shape[0], p.shape[1]))
    coarse.sort_indices()
    return coarse.indptr, coarse.indices, coarse.data
