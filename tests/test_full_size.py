"""The built-in head in full."""

import numpy as np
import pytest

from femtms import Simulator, load_coil, load_head, mesh_head, place

pytestmark = pytest.mark.slow


def test_full_head_converges_in_few_iterations_to_the_field():
    mesh = mesh_head(load_head("colin27"), 4.0)
    assert len(mesh.tets) > 3_500_000
    coil, pose = load_coil("figure8-70mm"), place(mesh, "C3", "CP3")
    loose = Simulator(mesh, device="cpu").solve(coil, pose)
    tight = Simulator(mesh, device="cpu", rtol=1e-11).solve(coil, pose)
    assert loose.iterations <= 20 and tight.iterations <= 40
    grey = mesh.tags == 2
    assert np.linalg.norm(loose.E[grey] - tight.E[grey]) < 1e-5 * np.linalg.norm(tight.E[grey])
    peak = np.array(loose.summary("gm").peak_mm)
    assert np.linalg.norm(peak - 1e3 * mesh.landmarks["C3"]) < 30  # under the coil


def test_mesh_of_the_built_in_head_is_sound_well_shaped_and_true_to_its_labels():
    head = load_head("colin27")
    quality = mesh_head(head).quality(head)
    assert quality.topology.pieces == 1 and not quality.topology.faults
    assert quality.shape.smallest_angle["min"] > 8 and quality.shape.smallest_angle["p1"] > 22
    assert quality.fit.centroids.mean < 0.07 and quality.fit.centroids.p95 < 0.22
    assert quality.fit.false_contact_cm2 < 5
    assert max(abs(percent) for percent in quality.fit.volume_percent.values()) < 1.5
