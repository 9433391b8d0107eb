"""Fixtures that more than one file uses."""

import signal

import examples  # noqa: F401  the profile "few", before a test is read
import numpy as np
import pytest
from kernels.host_cuda import gpu

from femtms import Coil, LayeredSphere, Pose, mesh_head
from femtms.coil.elements import Dipoles

# A shell starts what runs in the background with SIGINT ignored, and children inherit that: tests that interrupt a run
# would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """Each device that there is."""
    if request.param == "cuda":
        gpu()  # skips where there is none
    return request.param


@pytest.fixture(scope="session")
def sphere_mesh():
    """Four layers, coarse."""
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=14.0)


@pytest.fixture(scope="session")
def dipole_coil():
    """Two opposite patches of dipoles, like a small figure-8 coil."""
    offsets = np.array([[x, y, 0.0] for x in (-0.01, 0, 0.01) for y in (-0.01, 0, 0.01)])
    positions = np.concatenate([offsets + [side * 0.03, 0, -0.005] for side in (-1, 1)])
    moments = np.repeat([[0, 0, -1e-4], [0, 0, 1e-4]], 9, axis=0) + np.array([1e-5, 0, 0])
    return Coil("two patches", (Dipoles(positions, moments),))


@pytest.fixture(scope="session")
def vertex_pose():
    """Above the top of the default sphere, pointing down; y backwards."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([[1, 0, 0], [0, -1, 0], [0, 0, -1]])
    matrix[:3, 3] = [0, 0, 100]
    return Pose(matrix)
