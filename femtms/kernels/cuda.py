"""The hot loops for NVIDIA GPUs: launches the kernels of cuda.cu on CuPy arrays; same functions as cpu.py."""

from importlib.resources import files

import numpy as np

_THREADS = 128
_MAX_BLOCKS = 65_536
_CHUNK = 256  # rows that one thread of partial_dots adds up


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
        # the kernels read C-contiguous arrays and know nothing of strides
        checked = tuple(self._xp.ascontiguousarray(a) if hasattr(a, "shape") and a.shape else a for a in arguments)
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        self._functions[name]((blocks,), (_THREADS,), checked)

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

    def spmm(self, matrix, x):
        """Y = A X; see cpu.spmm."""
        rows, k = matrix.shape[0], x.shape[1]
        y = self._xp.empty((rows, k), x.dtype)
        arguments = (matrix.indptr, matrix.indices, matrix.data, x, y)
        self._launch(f"spmm_{np.dtype(x.dtype).name}", rows * k, np.int64(rows), np.int64(k), *arguments)
        return y

    def column_dots(self, x, y):
        """(k,) scalar products of the columns; see cpu.column_dots."""
        null = np.uint64(0)
        while True:
            n, k = x.shape
            chunks = -(-n // _CHUNK)
            partial = self._xp.empty((chunks, k), np.float64)
            sizes = (np.int64(n), np.int64(k), np.int64(_CHUNK))
            self._launch("partial_dots", chunks * k, *sizes, x, null if y is None else y, partial)
            if chunks == 1:
                return partial[0]
            x, y = partial, None
