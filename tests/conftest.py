"""Fixtures that more than one file uses."""

import os
import re
import signal
from collections import Counter

# Several workers of pytest share the processors, and so do the threads of each; NumPy reads this as it is imported.
SHARE = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
for name in ("FEMTMS_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, str(SHARE))

import examples  # noqa: E402, F401  the profile "few", before a test is read
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from kernels.host_cuda import gpu  # noqa: E402

from femtms import Coil, LayeredSphere, Pose, load_head, mesh_head  # noqa: E402
from femtms.coil.elements import Dipoles  # noqa: E402

# A shell starts what runs in the background with SIGINT ignored, and children inherit that: tests that interrupt a run
# would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # so does nohup


# The files that take longest begin first, so that no worker is left with one of them at the end.
LONGEST = ("batch/test_kills.py", "batch/test_worker_faults.py", "cli/test_compare.py")

# What tests are skipped for want of: words of their reasons, and what brings it.
WANTS = {
    "a GPU": (r"^no GPU", "pip install 'cupy-cuda12x[ctk]' on a machine with an NVIDIA GPU"),
    "CuPy": (r"(?i)cupy|NVRTC", "pip install cupy-cuda12x nvidia-cuda-nvrtc-cu12"),
    "Chromium": (r"chromium|selenium", "apt-get install chromium chromium-driver"),
    "external data": (
        r"FEMTMS_EXTERNAL_DATA| is not there$",
        "export FEMTMS_EXTERNAL_DATA=FOLDER, with the heads and coils that tests/test_real_data.py names",
    ),
}


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


def pytest_terminal_summary(terminalreporter):
    """A line for each reason why tests were skipped."""
    reasons = [
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
    ]
    counts = Counter(map(_wanted, reasons))
    for line, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count} skipped {line}")


def _wanted(reason):
    for what, (words, command) in WANTS.items():
        if re.search(words, reason):
            return f"for want of {what}: {command}"
    return f"because {reason}"


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
def colin27_mesh():
    """The built-in head, as coarse as it can be with its electrodes on the scalp."""
    return mesh_head(load_head("colin27"), size_mm=8.0)


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
