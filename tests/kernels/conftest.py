"""The devices that kernels are tried on."""

import pytest
from kernels.host_cuda import gpu, host_cuda

from femtms.backend import cpu_backend


@pytest.fixture(scope="module", params=["cpu", "cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request, tmp_path_factory):
    """The CPU, the CUDA kernels on the host, and a GPU where there is one."""
    if request.param == "cpu":
        return cpu_backend()
    return gpu() if request.param == "gpu" else host_cuda(tmp_path_factory.mktemp("cuda"))
