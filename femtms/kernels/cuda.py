"""The hot loops for NVIDIA GPUs: launches the kernels of cuda.cu on CuPy arrays; same functions as cpu.py."""

from importlib.resources import files

import numpy as np

from femtms.kernels.cuda_coarsen import CudaCoarsening
from femtms.kernels.cuda_quadratic import CudaQuadratic
from femtms.kernels.graph import Recording

_SOURCES = "cuda.cu", "coarsen.cu", "quadratic.cu"
_CHUNK = 128  # rows that one thread adds up, or looks through
_NULL = np.uint64(0)  # an absent array


def source() -> str:
    """The text of all .cu files: one source, so that they share what is not a kernel."""
    folder = files("femtms.kernels")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _SOURCES)


class CudaKernels(CudaCoarsening, CudaQuadratic):
    """All that kernels/cpu.py has for solving, on a GPU; made from the array module cupy and a compiled module."""

    def __init__(self, xp, module):
        super().__init__(xp, module)
        self._warned = set()  # why recording failed: see Recording

    def _potential(self, name, points, positions, vectors):
        # points may come from a caller outside; the kernel would read float32 as garbage
        points, positions, vectors = (self._xp.asarray(x, np.float64) for x in (points, positions, vectors))
        a = self._xp.empty(points.shape, np.float64)
        n, d = np.int64(len(points)), np.int64(len(positions))
        self._launch(name, len(points), n, points, d, positions, vectors, a)
        return a

    def dipole_potential(self, points, positions, moments):
        """A (n,3) in T·m of magnetic dipoles; see cpu.dipole_potential."""
        return self._potential("dipole_potential", points, positions, moments)

    def current_potential(self, points, positions, vectors):
        """A (n,3) in T·m of current elements; see cpu.current_potential."""
        return self._potential("current_potential", points, positions, vectors)

    def cubic_potential(self, points, matrix, offset, values, rotation):
        """A (n,3) in T·m that is sampled on a grid; see cpu.cubic_potential."""
        device = (self._xp.asarray(x, np.float64) for x in (points, matrix, offset, values, rotation))
        points, matrix, offset, values, rotation = map(self._xp.ascontiguousarray, device)
        a = self._xp.empty(points.shape, np.float64)
        nx, ny, nz = (np.int64(size) for size in values.shape[:3])
        n = np.int64(len(points))
        self._launch("cubic_potential", len(points), n, points, matrix, offset, nx, ny, nz, values, rotation, a)
        return a

    def morton_codes(self, points, low, size, bits):
        """Place (n,) uint64 of points on the Morton curve; see cpu.morton_codes."""
        n = len(points)
        codes = self._xp.empty(n, np.uint64)
        self._launch("morton_codes", n, np.int64(n), points, low, size, np.int32(bits), codes)
        return codes

    def corners(self, points, order, starts):
        """Lowest and highest coordinates (s,3) of the points in ranges; see cpu.corners."""
        ranges = len(starts) - 1
        low, high = self._xp.empty((ranges, 3), np.float64), self._xp.empty((ranges, 3), np.float64)
        self._launch("corners", 3 * ranges, np.int64(ranges), points, order, starts, low, high)
        return low, high

    def turned(self, vectors, origins, matrices, which):
        """(v - o) M (r,s,3); see cpu.turned."""
        rows, each, _ = vectors.shape
        out = self._xp.empty((rows, each, 3), np.float64)
        arrays = vectors, origins, matrices, which
        self._launch("turned", rows * each, np.int64(rows), np.int64(each), *arrays, out)
        return out

    def nearest(self, points, positions):
        """Distance (n,) in m to the nearest of positions; see cpu.nearest."""
        n, d = len(points), len(positions)
        chunks = -(-d // _CHUNK)  # points are few
        squares = self._xp.empty((n, chunks), np.float64)
        sizes = np.int64(n), np.int64(d), np.int64(chunks)
        self._launch("nearest", n * chunks, *sizes, points, positions, squares)
        return self._xp.sqrt(squares.min(axis=1))

    def fit_series(self, a, inverse, harmonics):
        """Coefficients (b,c,3) and squares (b,s) of the residuals; see cpu.fit_series."""
        (b, samples, _), terms = a.shape, inverse.shape[1]
        coefficients = self._xp.empty((b, terms, 3), np.float64)
        error = self._xp.empty((b, samples), np.float64)
        sizes = np.int64(b), np.int64(samples), np.int64(terms)
        self._launch("fit_series", b * terms, *sizes, a, inverse, coefficients)
        self._launch("fit_residuals", b * samples, *sizes, a, harmonics, coefficients, error)
        return coefficients, error

    def harmonic_series(self, points, order, starts, owner, centres, radii, degree, coefficients, poses):
        """A (k,n,3) in T·m from series of solid harmonics; see cpu.harmonic_series."""
        n, ranges = len(order), len(owner)
        a = self._xp.empty((poses, n, 3), np.float64)
        boxes = (np.int64(ranges), starts, owner, centres, radii)
        sizes = np.int64(poses), np.int64(n)
        self._launch("harmonic_series", poses * n, *sizes, points, order, *boxes, np.int32(degree), coefficients, a)
        return a

    def incidence(self, groups, n):
        """Which rows of groups name each node; see cpu.incidence."""
        order, starts = self._sorted(self._xp.ascontiguousarray(groups).ravel(), n)
        return starts, (order // groups.shape[1]).astype(np.int32)

    def stiffness(self, nodes, tets, sigma, starts, meeting):
        """K in CSR form (indptr, indices, values); see cpu.stiffness."""
        element = nodes, tets, np.int32(sigma.shape[1]), sigma
        return self._rows("stiffness", len(starts) - 1, (tets, starts, meeting), *element, starts, meeting)

    def load(self, nodes, tets, sigma, dadt, starts, meeting):
        """b (n,) in A; see cpu.load."""
        n = len(starts) - 1
        b = self._xp.empty(n, np.float64)
        components = np.int32(sigma.shape[1])
        self._launch("load", n, np.int64(n), nodes, tets, components, sigma, dadt, starts, meeting, b)
        return b

    def electric_field(self, nodes, tets, dadt, phi):
        """E (m,3) in V/m; see cpu.electric_field."""
        m = len(tets)
        E = self._xp.empty((m, 3), np.float64)
        self._launch("electric_field", m, np.int64(m), nodes, tets, dadt, phi, E)
        return E

    def padded(self, indptr, indices, values):
        """The matrix as it is: a thread for each entry of the result gains nothing by padding; see blocks.padded."""
        return indptr, indices, values

    def spmm(self, matrix, x, out):
        """out = A X; see blocks.spmm."""
        self._multiply(f"spmm_{np.dtype(x.dtype).name}", matrix, x, out)

    def spmm_add(self, matrix, x, out):
        """out += A X; see blocks.spmm_add."""
        self._multiply("spmm_add", matrix, x, out)

    def _multiply(self, name, matrix, x, out):
        rows, k = out.shape
        self._launch(name, rows * k, np.int64(rows), np.int64(k), *_arrays(matrix), x, out)

    def relax(self, matrix, weights, x, b, z, out):
        """out = w₀ X + w₁ B + w₂ A X + w₃ Z; see blocks.relax."""
        rows, k = out.shape
        numbers = [np.float32(w) for w in weights]
        self._launch("relax", rows * k, np.int64(rows), np.int64(k), *_arrays(matrix), *numbers, x, b, z, out)

    def spmm_dots(self, matrix, x, out):
        """out = A X and the scalar products (k,) of the columns of X and A X; see blocks.spmm_dots."""
        self.spmm(matrix, x, out)
        return self.column_dots(x, out)

    def column_dots(self, x, y):
        """(k,) scalar products of the columns; see blocks.column_dots."""
        return self._sum(f"partial_dots_{np.dtype(y.dtype).name}", x, y)

    def advance(self, alpha, p, ap, x, r):
        """x += α p, r -= α Ap, in place; returns r·r (k,); see blocks.advance."""
        return self._sum("advance", alpha, p, ap, x, r)

    def _sum(self, name, *arrays):
        """Launch a kernel that makes partial sums over the rows of its last array (n,k), and add these up."""
        shape = arrays[-1].shape
        while True:
            n, k = shape
            chunks = -(-n // _CHUNK)
            partial = self._xp.empty((chunks, k), np.float64)
            self._launch(name, chunks * k, np.int64(n), np.int64(k), np.int64(chunks), *arrays, partial)
            if chunks == 1:
                return partial[0]
            name, arrays, shape = "partial_dots_float64", (partial, _NULL), partial.shape

    def recording(self):
        """What runs a step that is made again and again; see blocks.recording."""
        return Recording(self._xp.cuda, self._warned)

    def turn(self, scale, beta, z, p):
        """p = s z + β p, in place; see blocks.turn."""
        n, k = p.shape
        self._launch("turn", n * k, np.int64(n), np.int64(k), scale, beta, z, p)

    def narrow(self, scale, r, out):
        """out float32 = s r; see blocks.narrow."""
        n, k = r.shape
        self._launch("narrow", n * k, np.int64(n), np.int64(k), scale, r, out)


def _arrays(matrix):
    return matrix.indptr, matrix.indices, matrix.data
