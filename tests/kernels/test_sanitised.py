"""No kernel reads or writes outside its arrays, and no bit depends on the order of threads."""

import shutil

import numpy as np
import pytest
from kernels.host_cuda import host_module
from kernels.host_cupy import HostCupy
from kernels.sanitised import sanitised
from kernels.whole_path import whole_path

from femtms.backend import Backend
from femtms.kernels.cuda import CudaKernels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Where libraries stay that are compiled, for each device."""
    return {device: str(tmp_path_factory.mktemp(device)) for device in ("cuda", "core", "threads")}


@pytest.mark.parametrize(
    "device, what, message",
    [
        ("cuda", "beyond", "heap-buffer-overflow"),
        ("cuda", "overflow", "signed integer overflow"),
        ("core", "beyond", "heap-buffer-overflow"),
        ("core", "beyond_in_a_task", "heap-buffer-overflow"),
        ("core", "overflow", "signed integer overflow"),
        ("threads", "race", "data race"),
    ],
)
def test_the_sanitizers_find_what_they_should(device, what, message, folders):
    done = sanitised(device, what, folders[device])
    assert done.returncode != 0 and message in done.stderr


@pytest.mark.parametrize("device", ["cuda", "core", "threads"])
def test_the_whole_path_is_clean(device, folders):
    done = sanitised(device, "whole path", folders[device])
    assert done.returncode == 0, done.stderr[-4000:]
    assert "kernels that were not tried: []" in done.stdout


def test_the_whole_path_has_the_same_bits_in_any_order_of_threads(tmp_path):
    found = []
    for blocks, threads, seed in ((1, 1, 0), (2, 3, 1), (2, 3, 2)):
        xp = HostCupy()
        kernels = CudaKernels(xp, host_module(tmp_path, blocks=blocks, threads=threads, seed=seed))
        found.append(whole_path(Backend("cuda", xp, kernels, "shuffled", check_every=4)))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
