"""The CUDA kernels without a GPU: their source compiled for the host, launched on the arrays of `host_cupy`.

A GPU reads whatever bytes it is given, so everything that would be garbage there is an error here: a wrong
type, number or order of arguments, strides, a NumPy array that was never copied to the device.
"""

import ctypes
import hashlib
import itertools
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernels.host_cupy import DeviceArray, HostCupy

from femtms import core
from femtms.backend import Backend, backend
from femtms.core.signatures import Parameter, signatures
from femtms.kernels.cuda import CudaKernels

_PREFIX = """
#include <limits>
#include <math.h>
#define __CUDACC__
#define __global__
#define __device__
#define rsqrt(x) (1.0 / sqrt(x))
#define __longlong_as_double(bits) std::numeric_limits<double>::infinity()
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
static inline double atomicAdd(double* at, double value)
{
    const double before = *at;
    *at += value;
    return before;
}
#include "device.h"
"""
_C_TYPES = {"int32": ctypes.c_int, "int64": ctypes.c_longlong, "float32": ctypes.c_float, "float64": ctypes.c_double}


# --- kernels -----------------------------------------------------------------------------------------------


def as_c(parameter: Parameter, value: Any) -> Any:
    """The ctypes argument, or TypeError with what must be and what came."""
    name, dtype = parameter.name, parameter.dtype
    if not parameter.array:
        if not isinstance(value, np.generic) or value.dtype != dtype:
            raise TypeError(f"'{name}' must be a NumPy {dtype}; got {value!r}")
        return _C_TYPES[dtype.name](value.item())
    if isinstance(value, np.uint64) and value == 0 and parameter.const:
        return ctypes.c_void_p(None)
    if not isinstance(value, DeviceArray):
        raise TypeError(f"'{name}' must be a device array; got {type(value).__name__}")
    if value.dtype != dtype or not value.flags.c_contiguous:
        order = "C-contiguous" if value.flags.c_contiguous else "strided"
        raise TypeError(f"'{name}' must be C-contiguous {dtype}; got {order} {value.dtype}")
    if not parameter.const and not value.flags.writeable:
        raise TypeError(f"'{name}' is written to, but came read-only")
    return ctypes.c_void_p(value._values.ctypes.data)


SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


class HostModule:
    """The CUDA source compiled with g++; get_function(name) -> callable(grid, block, arguments), as cupy.RawModule.

    Kernels are grid-stride loops, so a few threads do the work of any launch; here one after the other, in another
    order for each launch and each seed.

    sanitised  stop the process at the first access outside an array, and at undefined behaviour: `sanitised.py`
    """

    def __init__(
        self,
        folder: Path,
        text: str | None = None,
        blocks: int = 2,
        threads: int = 3,
        seed: int = 0,
        sanitised: bool = False,
    ):
        self._signatures = core.gpu_signatures() if text is None else signatures(text)
        text = core.gpu_source() if text is None else text
        self._geometry = blocks, threads
        self._random = random.Random(seed)
        flags = [*core.gpu_options(), "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        flags += ["-O1", *SANITIZERS] if sanitised else ["-O2"]
        name = hashlib.sha256(repr((flags, _PREFIX, text)).encode()).hexdigest()[:16]
        unit, library = folder / f"{name}.cpp", folder / f"{name}.so"
        if not library.exists():
            unit.write_text(_PREFIX + text)
            built = subprocess.run(["g++", *flags, "-o", library, unit], capture_output=True, text=True)
            if built.returncode:
                raise RuntimeError(built.stderr)
        self._library = ctypes.CDLL(str(library))

    def get_function(self, name: str):
        parameters = self._signatures[name].parameters
        function = self._library[name]
        function.restype = None

        def launch(grid, block, arguments):
            if not (1 <= grid[0] < 2**31 and 1 <= block[0] <= 1024):
                raise ValueError(f"{name}: no GPU launches {grid} blocks of {block} threads")
            if len(arguments) != len(parameters):
                raise TypeError(f"{name} takes {len(parameters)} arguments; got {len(arguments)}")
            try:
                passed = [as_c(p, a) for p, a in zip(parameters, arguments)]
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            arrays = [a for a in arguments if isinstance(a, DeviceArray)]  # which a recorded launch keeps

            def run():
                for block, thread in self._shuffled():
                    self._library.become_thread(block, thread, *self._geometry)
                    function(*passed)
                return arrays

            gpu = arrays[0]._gpu
            gpu.calls[name] += 1
            gpu.launches(run)

        return launch

    def _shuffled(self) -> list[tuple[int, int]]:
        """Each block and thread once."""
        order = list(itertools.product(*map(range, self._geometry)))
        self._random.shuffle(order)
        return order


# --- the devices that a test may ask for -----------------------------------------------------------------


def host_module(folder: Path, **options: Any) -> HostModule:
    """The compiled kernels; skips the test where there is no g++."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: the CUDA kernels cannot run on the host")
    return HostModule(folder, **options)


def host_cuda(folder: Path) -> Backend:
    """The CUDA kernels on the host as a Backend; skips the test where there is no g++."""
    xp = HostCupy()
    return Backend("cuda", xp, CudaKernels(xp, host_module(folder)), "CUDA kernels on the host", check_every=4)


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
