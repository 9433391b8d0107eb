"""The first run, which compiles, gives the bits of all later ones, which find what was compiled."""

import hashlib
import os
import subprocess
import sys

import pytest

FIELD = """
import hashlib
from femtms import LayeredSphere, Simulator, load_coil, mesh_head, place
mesh = mesh_head(LayeredSphere((66.0, 92.0), (2, 5)), 15.0)
field = Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), place(mesh, "C3", "Cz"))
print(hashlib.sha256(field.E.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_first_run_gives_the_bits_of_later_ones(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", FIELD]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert any(tmp_path.rglob("*.nbc"))
    assert len(first.strip()) == hashlib.sha256().digest_size * 2
    assert first == second
