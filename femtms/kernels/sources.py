"""A of a coil at points, directly and in boxes: launches core/potentials.*, boxes.cpp and sampled.cpp."""

import numpy as np

from femtms.kernels.launch import Launcher

MU0_OVER_4PI = 1e-7  # T·m/A
_CHUNK = 128  # positions that are looked through at a time


class Sources(Launcher):
    """What coils call; arrays of the device, C-contiguous and float64 where nothing else is said."""

    def dipole_potential(self, points, positions, moments):
        """A (n,3) in T·m of magnetic dipoles: theory.md (2).  points (n,3) m, positions (d,3) m, moments (d,3) A·m²."""
        return self._potential("dipole_potential", points, positions, moments)

    def current_potential(self, points, positions, vectors):
        """A (n,3) in T·m of current elements I·dl: theory.md (3).  points, positions in m, vectors (d,3) A·m."""
        return self._potential("current_potential", points, positions, vectors)

    def _potential(self, name, points, positions, vectors):
        points, positions, vectors = self._float64(points, positions, vectors)
        a = self.empty(len(points), 3)
        for part in self.portions(len(points), len(positions)):
            self.launch(name, part.stop - part.start, points[part], len(positions), positions, vectors, a[part])
        return a

    def _float64(self, *arrays):
        """The arrays as kernels take them: points may come from a caller outside."""
        return (self.xp.ascontiguousarray(self.xp.asarray(x, np.float64)) for x in arrays)

    def cubic_potential(self, points, matrix, offset, values, rotation):
        """A (n,3) in T·m at points (n,3) m from samples (nx,ny,nz,3) on a grid, turned; 0 outside the grid.

        matrix (3,3) and offset (3,) make voxel indices of points; rotation (3,3) turns the vectors.
        """
        points, matrix, offset, values, rotation = self._float64(points, matrix, offset, values, rotation)
        a = self.empty(len(points), 3)
        self.launch("cubic_potential", len(points), points, matrix, offset, *values.shape[:3], values, rotation, a)
        return a

    def morton_codes(self, points, low, size, bits):
        """Place (n,) uint64 of points (n,3) on the Morton (Z-order) curve in the box from low (3,) of size (3,).

        The curve visits 2^bits cells in each direction, at most 2^21.
        """
        codes = self.empty(len(points), dtype=np.uint64)
        self.launch("morton_codes", len(points), points, low, size, bits, codes)
        return codes

    def corners(self, points, order, starts):
        """Lowest and highest coordinates (s,3) of the points in ranges: range r has rows order[starts[r]:starts[r+1]].

        points (n,3), order (n,) int32, starts (s+1,) int64; no range is empty.
        """
        ranges = len(starts) - 1
        low, high = self.empty(ranges, 3), self.empty(ranges, 3)
        self.launch("corners", ranges, points, order, starts, low, high, work=3 * ranges)
        return low, high

    def turned(self, vectors, origins, matrices, which):
        """(v - o) M (r,s,3) of vectors v (r,s,3), with origins o (k,3) and matrices M (k,3,3) number which (r,) int64.

        Row by row, as the bits of a matrix product may depend on how many rows there are.
        """
        rows, each, _ = vectors.shape
        out = self.empty(rows, each, 3)
        self.launch("turned", rows, each, vectors, origins, matrices, which, out, work=rows * each)
        return out

    def nearest(self, points, positions):
        """Distance (n,) in m of points (n,3) m to the nearest of positions (d,3) m."""
        n, d = len(points), len(positions)
        chunks = max(1, -(-d // _CHUNK))  # points are few
        squares = self.empty(n, chunks)
        self.launch("nearest", n, d, chunks, points, positions, squares, work=n * chunks)
        return self.xp.sqrt(squares.min(axis=1))

    def fit_series(self, a, inverse, harmonics):
        """Coefficients (b,c,3) that fit samples a (b,s,3), and the square (b,s) of the length of each residual.

        inverse (s,c) and harmonics (c,s): c = `inverse`ᵀ a, and what is left is a - `harmonics`ᵀ c: theory.md (20, 21).
        Not a matrix product, whose bits may depend on the number of boxes b.
        """
        (boxes, samples, _), terms = a.shape, inverse.shape[1]
        coefficients, error = self.empty(boxes, terms, 3), self.empty(boxes, samples)
        sizes = boxes, samples, terms
        self.launch("fit_series", *sizes, a, inverse, coefficients, work=boxes * terms)
        self.launch("fit_residuals", *sizes, a, harmonics, coefficients, error, work=boxes * samples)
        return coefficients, error

    def harmonic_series(self, points, order, starts, owner, centres, radii, degrees, firsts, coefficients, a):
        """A (k,n,3) in T·m from a series of solid harmonics in each box: theory.md (19, 20); zero where there is none.

        points (n,3) m; order (n,) int32: the rows of points, box by box; starts (s+1,) int64: where ranges begin in
        the orders of k poses, one after the other: row order[i] of pose p is in the range with pn + i; owner (s,)
        int32: the series of each range, or -1 for none; centres (b,3) m, radii (b,) m and degrees (b,) int32 of the
        series; coefficients (c,2,3) T·m, of a series of degree p the (p+1)(p+2)/2 from firsts (b,) int64 on, in the
        order of coil.expansion.solid_harmonics; a (k,n,3) is written to.
        """
        poses, n, _ = a.shape
        for some in self.portions(poses, n * 21):  # as if all were of degree 5
            k, own, begins = some.stop - some.start, owner, starts
            if k < poses:
                low, high = np.searchsorted(starts, (some.start * n, some.stop * n))  # a range has points of one pose
                own, begins = owner[low:high], starts[low : high + 1] - some.start * n
            boxes = len(own), begins, own, centres, radii, degrees, firsts
            self.launch("harmonic_series", k, n, points, order, *boxes, coefficients, a[some], work=k * n)
        return a
