"""The hot loops for NVIDIA GPUs: launches the kernels of cuda.cu on CuPy arrays; same functions as cpu.py."""

from importlib.resources import files

import numpy as np

_THREADS = 128
_MAX_BLOCKS = 65_536
_CHUNK = 128  # rows that one thread adds up
_NULL = np.uint64(0)  # an absent array


def source() -> str:
    """The text of cuda.cu."""
    return files("femtms.kernels").joinpath("cuda.cu").read_text(encoding="utf-8")


class CudaKernels:
    """The kernels of one compiled module.

    xp      the array module of the data: cupy
    module  anything with get_function(name) -> callable(grid, block, arguments), such as cupy.RawModule
    """

    def __init__(self, xp, module):
        self._xp = xp
        self._module = module
        self._functions = {}  # by name: RawModule.get_function costs more than a launch

    def _launch(self, name, work, *arguments):
        blocks = min(_MAX_BLOCKS, max(1, -(-work // _THREADS)))
        for a in arguments:
            if getattr(a, "shape", ()) and not a.flags.c_contiguous:  # the kernels know nothing of strides
                raise ValueError(f"{name} takes C-contiguous arrays; got one of {a.shape} with strides {a.strides}")
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        self._functions[name]((blocks,), (_THREADS,), arguments)

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

    def harmonic_series(self, points, order, starts, owner, centres, radii, degree, coefficients):
        """A (n,3) in T·m from series of solid harmonics; see cpu.harmonic_series."""
        n, ranges = len(order), len(owner)
        a = self._xp.empty((n, 3), np.float64)
        boxes = (np.int64(ranges), starts, owner, centres, radii)
        self._launch("harmonic_series", n, np.int64(n), points, order, *boxes, np.int32(degree), coefficients, a)
        return a

    def load(self, nodes, tets, sigma, dadt, starts, meeting):
        """b (n,) in A; see cpu.load."""
        n = len(starts) - 1
        b = self._xp.empty(n, np.float64)
        components = np.int32(sigma.shape[1])
        self._launch("load", n, np.int64(n), nodes, tets, components, sigma, dadt, starts, meeting, b)
        return b

    def gradient(self, nodes, tets, phi):
        """∇φ (m,3) in V/m; see cpu.gradient."""
        m = len(tets)
        result = self._xp.empty((m, 3), np.float64)
        self._launch("gradient", m, np.int64(m), nodes, tets, phi, result)
        return result

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
