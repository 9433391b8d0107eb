"""What grounds K and builds a multigrid hierarchy: launches the kernels of core/coarsen.cpp and products.*.

A matrix is what `csr` makes of (indptr, indices, data); those that are made come as such triples.
"""

import numpy as np

from femtms.kernels.launch import Launcher, csr_arrays

_UNDECIDED, _ROOT, _STATE = (np.uint64(i) << np.uint64(62) for i in (1, 2, 3))  # of the keys of nodes: see coarsen.cpp


class Coarsening(Launcher):
    """What multigrid's set-up calls; a device has `csr`, `incidence`, `transposed`, `pieces`, `product` besides."""

    # --- any sparse matrix ---------------------------------------------------------------------------------

    def diagonal(self, matrix):
        """The diagonal (n,), zero where there is no entry."""
        n = matrix.shape[0]
        result = self.empty(n)
        self.launch("diagonal", n, *csr_arrays(matrix), result)
        return result

    def gershgorin(self, matrix):
        """Largest sum of absolute values of a row, which bounds the eigenvalues; Saad 2003, Theorem 4.6."""
        n = matrix.shape[0]
        sums = self.empty(n)
        self.launch("row_sums", n, matrix.indptr, matrix.data, sums)
        return float(sums.max())

    def scaled_symmetrically(self, matrix, s):
        """The data of S A S with the diagonal matrix S = diag(s)."""
        result = self.xp.empty_like(matrix.data)
        self.launch("scaled_symmetrically", matrix.shape[0], *csr_arrays(matrix), s, result)
        return result

    def scaled_rows(self, matrix, s):
        """The data of S A with the diagonal matrix S = diag(s)."""
        result = self.xp.empty_like(matrix.data)
        self.launch("scaled_rows", matrix.shape[0], matrix.indptr, matrix.data, s, result)
        return result

    def tied(self, matrix, piece):
        """The data of A with the diagonal doubled where a node is the one that its piece (n,) int32 is called after."""
        result = matrix.data.copy()
        self.launch("tied", matrix.shape[0], matrix.indptr, matrix.indices, piece, result)
        return result

    # --- aggregates ----------------------------------------------------------------------------------------

    def strong_connections(self, matrix, theta):
        """The entries of a matrix with unit diagonal that are at least theta, and its diagonal, in CSR form."""
        entries = *csr_arrays(matrix), theta
        return self.rows("strong", matrix.shape[0], entries, entries)

    def aggregates(self, strong):
        """Number (n,) int32 of the aggregate of each node, and how many there are, from the strong connections.

        Roots are a maximal set of nodes of which no two are within two steps; neighbours join their root, and nodes
        between join the neighbour with the strongest connection: Bell, Dalton & Olson 2012, SIAM J Sci Comput 34:C123.
        """
        xp, n = self.xp, len(strong.indptr) - 1
        keys, near, largest = (self.empty(n, dtype=np.uint64) for _ in range(3))
        self.launch("first_keys", n, keys)
        while bool(((keys & _STATE) == _UNDECIDED).any()):
            self.launch("largest_nearby", n, strong.indptr, strong.indices, keys, near)
            self.launch("largest_nearby", n, strong.indptr, strong.indices, near, largest)
            self.launch("decided", n, largest, keys)
        is_root = keys >= _ROOT
        roots = xp.where(is_root, xp.cumsum(is_root, dtype=np.int32) - 1, -1).astype(np.int32)
        near, every = xp.empty_like(roots), xp.empty_like(roots)
        self.launch("joined", n, *csr_arrays(strong), roots, near)
        self.launch("joined", n, *csr_arrays(strong), near, every)
        return every, int(is_root.sum())

    # --- prolongators --------------------------------------------------------------------------------------

    def prolongator(self, matrix, strong, aggregate, near_null, steps):
        """P in CSR form (indptr, indices, data), and the coarse near-null vector.

        P minimises the energy Σ_c P_c·A P_c over its pattern, the aggregates that each node has a strong connection
        to, under the constraint that it reproduces the near-null vector (n,): `steps` steps of conjugate gradients
        from the piecewise constant one.
        Olson, Schroder & Tuminaro 2011, SIAM J Sci Comput 33:966, Alg. 2 (one near-null vector, A with unit diagonal).
        """
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
        n, count = len(aggregate), int(aggregate.max()) + 1
        coarse_null = self.empty(count)
        members = self.incidence(aggregate[:, None], count)
        self.launch("coarse_null", count, *members, near_null, coarse_null)
        touched = n, strong.indptr, strong.indices, aggregate
        lengths = self.xp.zeros(n + 1, np.int64)
        self.launch("pattern_lengths", *touched, lengths)
        starts, entries = self.row_starts(lengths)
        columns, p = self.empty(entries, dtype=np.int32), self.empty(entries)
        self.launch("tentative", *touched, near_null, coarse_null, starts, columns, p)
        return starts, columns, p, coarse_null

    def _energy_gradient(self, matrix, starts, columns, p, coarse_null):
        """A P where P may be nonzero, with rows made orthogonal to the coarse near-null vector."""
        out = self.xp.empty_like(p)
        sizes = matrix.shape[0], len(coarse_null)
        self.launch("energy_gradient", *sizes, *csr_arrays(matrix), starts, columns, p, coarse_null, out)
        return out

    def _dot(self, x, y):
        """x·y of (n,) arrays: in one fixed order, which BLAS has not, whose threads share it out."""
        return float(self.column_dots(x[:, None], y[:, None])[0])

    def galerkin(self, r, matrix, p):
        """R A P in CSR form (indptr, indices, data), with ascending columns."""
        ap = self.csr(self.product(matrix, p, ascending=False), p.shape)
        return self.product(r, ap)
