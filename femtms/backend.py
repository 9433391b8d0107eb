"""The device is chosen here and nowhere else; besides `kernels/`, no other module may import cupy."""

import logging
import os
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms import core
from femtms.errors import FemtmsError, in_one_line
from femtms.kernels import cpu

log = logging.getLogger("femtms")

_TRIED = 300  # ones in a column that a GPU must add up before it is used: more than one chunk of column_dots


@dataclass(frozen=True)
class Backend:
    """A device: its array module, its compiled kernels, and how to speak of it.

    name         "cpu" or "cuda"
    xp           numpy or cupy
    kernels      CpuKernels of kernels/cpu.py, or CudaKernels of kernels/cuda.py: the same names
    description  for reports, such as "CPU, 2 threads" or "NVIDIA H200"
    check_every  after how many iterations a solver looks whether it is done: on a GPU a look makes the host wait
    """

    name: str
    xp: Any
    kernels: Any
    description: str
    check_every: int = 1

    def array(self, array: Any) -> Any:
        """A C-contiguous array on the device with the same values: a copy from the host, or the array itself."""
        # CuPy's ascontiguousarray takes arrays of the device alone, and its asarray keeps the order of the host's
        return self.xp.ascontiguousarray(self.xp.asarray(array))

    def synchronise(self) -> None:
        """Wait for the device, so that a clock read next means something."""
        if self.name == "cuda":
            self.xp.cuda.Device().synchronize()


def cpu_backend() -> Backend:
    """The CPU: NumPy arrays and the compiled core."""
    model = platform.processor() or platform.machine()
    return Backend("cpu", np, cpu.KERNELS, f"CPU ({model}), {core.threads()} threads")


def _cuda_backend() -> tuple[Backend | None, str]:
    """The GPU, or None and the reason why there is none."""
    try:
        import cupy
    except Exception as error:  # ImportError, or whatever a broken installation raises
        return None, f"CuPy cannot be imported ({error}); install femtms[cuda12] or femtms[cuda13]"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return None, "CuPy finds no usable GPU (it counts none)"
        from femtms.kernels.cuda import CudaKernels

        kernels = CudaKernels(cupy, cupy.RawModule(code=core.gpu_source(), options=core.gpu_options()))
        # CuPy compiles at the first use, and loads cuBLAS then: without this, missing CUDA headers or a missing cuBLAS
        # would stop a solve, not the choice
        ones = cupy.ones((_TRIED, 2))
        if not bool((kernels.column_dots(ones, ones + 0) == _TRIED).all() & (ones.T @ ones == _TRIED).all()):
            return None, "CuPy computes wrong results on the GPU: the columns of ones that it multiplies do not add up"
        name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    except Exception as error:  # CuPy reports a missing driver, a missing GPU and a failed compile by many types
        return None, f"CuPy finds no usable GPU ({in_one_line(error)})"
    return Backend("cuda", cupy, kernels, name, check_every=4), ""


def backend(device: str = "auto") -> Backend:
    """The device to compute on.

    device  "cpu"; "cuda" (an error without a usable GPU); or "auto": the GPU when there is one, otherwise the CPU,
            with one log line that says why.  The environment variable FEMTMS_DEVICE overrides "auto".

    Raises FemtmsError.
    """
    if device == "auto":
        device = os.environ.get("FEMTMS_DEVICE", "auto")
    if device == "cpu":
        return cpu_backend()
    if device not in ("auto", "cuda"):
        raise FemtmsError(f"device must be 'auto', 'cpu' or 'cuda'; got '{device}'")
    gpu, reason = _cuda_backend()
    if gpu is not None:
        return gpu
    if device == "cuda":
        raise FemtmsError(f"device 'cuda' was asked for, but {reason}")
    log.info("computing on the CPU: %s", reason)
    return cpu_backend()


def to_host(array: Any) -> np.ndarray:
    """A NumPy array with the same values: a copy from the GPU, or the array itself."""
    return array.get() if hasattr(array, "get") else np.asarray(array)
