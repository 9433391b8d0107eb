"""The CUDA kernels without a GPU: their source compiled for the host, and a stand-in for the cupy module.

A GPU reads whatever bytes it is given, so everything that would be garbage there is an error here: a wrong
type, number or order of arguments, strides, a NumPy array that was never copied to the device.  Two things
pass here that CuPy refuses: np.asarray of a device array, and one as the index of a NumPy array.
"""

import ctypes
import inspect
import itertools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from femtms.backend import Backend, backend
from femtms.kernels.cuda import CudaKernels, source

try:
    import cupy  # works without a GPU, and knows which functions there are
except Exception:  # missing or broken: many types
    cupy = None

_PREFIX = """
#include <math.h>
#define rsqrt(x) (1.0 / sqrt(x))
struct Index { unsigned int x; };
static Index blockIdx, threadIdx, blockDim, gridDim;
extern "C" void become_thread(unsigned block, unsigned thread, unsigned blocks, unsigned threads)
{
    blockIdx.x = block, threadIdx.x = thread, gridDim.x = blocks, blockDim.x = threads;
}
static inline int atomicMin(int* at, int value)
{
    const int before = *at;
    if (value < before) *at = value;
    return before;
}
#define __global__
#define __device__
#line 1 "cuda.cu"
"""
_TYPES = {"int": np.int32, "int64": np.int64, "uint64": np.uint64, "float": np.float32, "double": np.float64}
_C_TYPES = {
    np.int32: ctypes.c_int,
    np.int64: ctypes.c_longlong,
    np.uint64: ctypes.c_ulonglong,
    np.float32: ctypes.c_float,
    np.float64: ctypes.c_double,
}


# --- arrays ------------------------------------------------------------------------------------------------


class DeviceArray(np.ndarray):
    """Behaves as a CuPy array: it does not mix with NumPy arrays, and get() brings it back to the host.

    A single number, too, is an array on the device: int() and float() wait for it, and nothing else takes it for one.
    """

    __index__ = None
    __contains__ = None

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        _refuse_host_arrays((*inputs, *(out or ())))
        if out is not None:
            options["out"] = tuple(_plain(a) for a in out)
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return out[0] if out is not None and out[0] is not None else _on_device(result)

    def __array_function__(self, function, types, arguments, options):
        _refuse_host_arrays((*arguments, *options.values()))
        return _on_device(function(*_plain(arguments), **_plain(options)))

    def __getitem__(self, key):
        return _on_device(super().__getitem__(key))

    def __setitem__(self, key, value):
        _refuse_host_arrays([value])
        super().__setitem__(key, value)

    def argmax(self, axis=None):
        return _on_device(np.argmax(_plain(self), axis))

    def get(self) -> np.ndarray:
        return np.array(_plain(self))


def _plain(a: Any) -> Any:
    if isinstance(a, (list, tuple)):
        return [_plain(x) for x in a]
    if isinstance(a, dict):
        return {name: _plain(x) for name, x in a.items()}
    return a.view(np.ndarray) if isinstance(a, DeviceArray) else a


def _on_device(a: Any) -> Any:
    return np.asarray(a).view(DeviceArray) if isinstance(a, (np.ndarray, np.generic)) else a


def _refuse_host_arrays(values: Any) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _refuse_host_arrays(value)
        elif isinstance(value, np.ndarray) and not isinstance(value, DeviceArray):
            raise TypeError(f"a NumPy array {value.shape} meets device arrays: copy it with xp.asarray first")


class HostCupy:
    """Stands in for the module cupy: NumPy's functions on DeviceArrays; fresh memory is NaN or 85."""

    ndarray = DeviceArray
    float32, float64, int32, int64 = np.float32, np.float64, np.int32, np.int64

    def __init__(self, raw_module=None, count: int = 1):
        self.RawModule = raw_module
        device = SimpleNamespace(id=0, synchronize=lambda: None)
        runtime = SimpleNamespace(
            getDeviceCount=lambda: count,
            getDeviceProperties=lambda index: {"name": b"a GPU played by the host"},
        )
        self.cuda = SimpleNamespace(Device=lambda: device, runtime=runtime)

    def asarray(self, a, dtype=None):
        if isinstance(a, DeviceArray) and (dtype is None or a.dtype == dtype):
            return a
        return np.array(_plain(a), dtype).view(DeviceArray)

    def ascontiguousarray(self, a, dtype=None):
        return np.ascontiguousarray(_plain(self.asarray(a, dtype))).view(DeviceArray)

    def empty(self, shape, dtype=np.float64):
        return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 85, dtype).view(DeviceArray)

    def empty_like(self, a):
        return self.empty(a.shape, a.dtype)

    @property
    def linalg(self):
        return SimpleNamespace(norm=lambda a: _on_device(np.asarray(np.linalg.norm(_plain(a)))))

    def bincount(self, x, minlength):
        return _on_device(np.bincount(_plain(x), minlength=minlength))  # with weights it would not be deterministic

    def __getattr__(self, name):
        if name == "repeat" or (cupy is not None and not hasattr(cupy, name)):
            raise AttributeError(f"cupy.{name} is not there, or takes no array where NumPy's does")
        function, real = getattr(np, name), getattr(cupy, name, None)

        def call(*arguments, **options):
            if inspect.isfunction(real):
                inspect.signature(real).bind(*arguments, **options)
            if options.get("kind") not in (None, "stable"):
                raise ValueError(f"cupy.{name} has no kind but 'stable'; got '{options['kind']}'")
            _refuse_host_arrays((*arguments, *options.values()))
            return _on_device(function(*_plain(arguments), **_plain(options)))

        return call


# --- kernels -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    name: str
    dtype: type
    pointer: bool
    const: bool

    def as_c(self, value: Any) -> Any:
        """The ctypes argument, or TypeError with what must be and what came."""
        if not self.pointer:
            if not isinstance(value, np.generic) or value.dtype != self.dtype:
                raise TypeError(f"'{self.name}' must be a NumPy {self.dtype.__name__}; got {value!r}")
            return _C_TYPES[self.dtype](value.item())
        if isinstance(value, np.uint64) and value == 0 and self.const:
            return ctypes.c_void_p(None)
        if not isinstance(value, DeviceArray):
            raise TypeError(f"'{self.name}' must be a device array; got {type(value).__name__}")
        if value.dtype != self.dtype or not value.flags.c_contiguous:
            order = "C-contiguous" if value.flags.c_contiguous else "strided"
            raise TypeError(f"'{self.name}' must be C-contiguous {self.dtype.__name__}; got {order} {value.dtype}")
        if not self.const and not value.flags.writeable:
            raise TypeError(f"'{self.name}' is written to, but came read-only")
        return ctypes.c_void_p(value.ctypes.data)


def signatures(text: str) -> dict[str, tuple[Parameter, ...]]:
    """The parameters of every kernel in CUDA source.

    >>> [p.name for p in signatures('extern "C" __global__ void f(const int n, double* x) {}')["f"]]
    ['n', 'x']
    """
    kernels = {}
    for name, arguments in re.findall(r'extern "C" __global__ void (\w+)\(([^)]*)\)', text):
        parameters = []
        for argument in arguments.split(","):
            found = re.fullmatch(r"(const )?(int|int64|uint64|float|double)(\*)? (\w+)", argument.strip())
            if found is None:
                raise ValueError(f"kernel '{name}': cannot read the parameter '{argument.strip()}'")
            parameters.append(Parameter(found[4], _TYPES[found[2]], bool(found[3]), bool(found[1])))
        kernels[name] = tuple(parameters)
    if len(kernels) != text.count("__global__"):
        raise ValueError(f"{text.count('__global__')} kernels in the source, but {len(kernels)} signatures were read")
    return kernels


class HostModule:
    """The CUDA source compiled with g++; get_function(name) -> callable(grid, block, arguments), as cupy.RawModule.

    Kernels are grid-stride loops, so a few threads do the work of any launch; here one after the other.
    """

    def __init__(self, folder: Path, text: str | None = None, blocks: int = 2, threads: int = 3):
        text = source() if text is None else text
        self._signatures = signatures(text)
        self._geometry = blocks, threads
        unit, library = folder / "host_cuda.cpp", folder / "host_cuda.so"
        if not library.exists():
            unit.write_text(_PREFIX + text)
            flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
            built = subprocess.run(["g++", *flags, "-o", library, unit], capture_output=True, text=True)
            if built.returncode:
                raise RuntimeError(built.stderr)
        self._library = ctypes.CDLL(str(library))

    def get_function(self, name: str):
        parameters = self._signatures[name]
        function = self._library[name]
        function.restype = None

        def launch(grid, block, arguments):
            if not (1 <= grid[0] < 2**31 and 1 <= block[0] <= 1024):
                raise ValueError(f"{name}: no GPU launches {grid} blocks of {block} threads")
            if len(arguments) != len(parameters):
                raise TypeError(f"{name} takes {len(parameters)} arguments; got {len(arguments)}")
            try:
                passed = [p.as_c(a) for p, a in zip(parameters, arguments)]
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            blocks, threads = self._geometry
            for one_block, thread in itertools.product(range(blocks), range(threads)):
                self._library.become_thread(one_block, thread, blocks, threads)
                function(*passed)

        return launch


# --- the devices that a test may ask for -----------------------------------------------------------------


def host_module(folder: Path, **options: Any) -> HostModule:
    """The compiled kernels; skips the test where there is no g++."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: the CUDA kernels cannot run on the host")
    return HostModule(folder, **options)


def host_cuda(folder: Path) -> Backend:
    """The CUDA kernels on the host as a Backend; skips the test where there is no g++."""
    xp = HostCupy()
    return Backend("cuda", xp, CudaKernels(xp, host_module(folder)), "CUDA kernels on the host")


def gpu() -> Backend:
    """The GPU; skips the test where there is none, but not when femtms cannot use the one there is."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # a missing CuPy, driver or GPU: many types
        pytest.skip(f"no GPU: {' '.join(str(error).split())}")
    if count == 0:
        pytest.skip("no GPU: CuPy counts none")
    return backend("cuda")
