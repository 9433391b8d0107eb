"""The built-in head at its default size: what the README's first command does."""

import numpy as np
import pytest

from femtms import Simulator, load_coil, load_head, mesh_head, place

pytestmark = pytest.mark.slow


def test_full_head_converges_in_few_iterations_to_the_field():
    mesh = mesh_head(load_head("colin27"))
    assert len(mesh.tets) > 4_000_000
    coil, pose = load_coil("figure8-70mm"), place(mesh, "C3", "CP3")
    loose = Simulator(mesh, device="cpu").solve(coil, pose)
    tight = Simulator(mesh, device="cpu", rtol=1e-11).solve(coil, pose)
    assert loose.iterations <= 20 and tight.iterations <= 40
    grey = mesh.tags == 2
    assert np.linalg.norm(loose.E[grey] - tight.E[grey]) < 1e-5 * np.linalg.norm(tight.E[grey])
    peak = np.array(loose.summary("gm").peak_mm)
    assert np.linalg.norm(peak - 1e3 * mesh.landmarks["C3"]) < 30  # under the coil
