"""The main job on real heads and coils, where somebody has them: FEMTMS_EXTERNAL_DATA names their folder."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from femtms import Simulator, load_coil, mesh_head, place, read_labels, read_mesh
from femtms.reference.sphere import dipoles_field_in_sphere
from femtms.simulate import RESULTS, simulate

FOLDER = os.environ.get("FEMTMS_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="FEMTMS_EXTERNAL_DATA is not set")


def external(name):
    path = Path(FOLDER) / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def test_real_head_with_a_real_coil(tmp_path):
    head, coil = external("ants40_labels.nii.gz"), external("MagStim_D70.ccd")
    labels = read_labels(head)
    scalp = np.argwhere(labels.data > 0) @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    top = scalp[scalp[:, 2].argmax()]
    summary = simulate(
        head, coil, tmp_path / "out", at=tuple(top), towards=tuple(top - [0, 50, 10]), size_mm=4.0, device="cpu"
    )
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(RESULTS)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    gm = summary["tissues"]["gm"]
    assert 0.1 < gm["p99_9"] < 5  # V/m at 1 A/µs: what coils of this kind do in heads
    assert np.linalg.norm(np.array(gm["peak_mm"]) - top) < 50


@pytest.mark.parametrize("name", ["MagStim_D70.ccd", "MagVenture_C-B60.ccd"])
def test_real_coil_over_a_mesh_of_another_program(name):
    """Three shells of 85, 90 and 95 mm, meshed by Gmsh: against the closed form."""
    mesh, coil = read_mesh(external("sphere3.msh")), load_coil(external(name))
    pose = place(mesh, (0, 0, 95), (0, -60, 60), gap_mm=8)
    field = Simulator(mesh, device="cpu").solve(coil, pose, 1e6)
    posed = coil.moved(pose)
    r = np.linalg.norm(mesh.centroids, axis=1)
    shell = (r > 0.06) & (r < 0.085) & (mesh.centroids[:, 2] > 0)
    exact = dipoles_field_in_sphere(mesh.centroids[shell], posed.positions, 1e6 * posed.elements[0].vectors)
    weight = mesh.volumes[shell][:, None]
    error = np.sqrt((weight * (field.E[shell] - exact) ** 2).sum() / (weight * exact**2).sum())
    assert error < 0.15  # 22,704 tetrahedra


def test_built_in_coil_resembles_the_measured_model_of_its_kind():
    """Along the coil's axis, in the shape of the decay; the casing's thickness differs."""
    built_in, model = load_coil("figure8-70mm"), load_coil(external("MagStim_D70.ccd"))
    z = np.linspace(0.02, 0.07, 11)
    points = np.column_stack([np.zeros_like(z), np.zeros_like(z), z])
    deeper = points + [0, 0, 0.0075]  # the middle of the model's winding is 10.5 mm behind its face, of ours 3 mm
    a, b = built_in.vector_potential(deeper)[:, 1], model.vector_potential(points)[:, 1]
    np.testing.assert_allclose(a, b, rtol=0.1)


def test_mesh_of_a_real_head_is_sound_well_shaped_and_true_to_its_labels():
    labels = read_labels(external("ants40_labels.nii.gz"))
    quality = mesh_head(labels).quality(labels)
    assert quality.topology.pieces == 1 and not quality.topology.faults
    assert quality.shape.smallest_angle["min"] > 8 and quality.shape.smallest_angle["p1"] > 22
    assert quality.fit.centroids.mean < 0.07 and quality.fit.centroids.p95 < 0.22
    assert quality.fit.false_contact_cm2 < 5
    assert max(abs(percent) for percent in quality.fit.volume_percent.values()) < 1.5
