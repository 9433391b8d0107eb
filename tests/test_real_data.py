"""The main job on real heads and coils, where somebody has them: FEMTMS_EXTERNAL_DATA names their folder."""

import json
import os
import zlib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from femtms import Simulator, load_coil, mesh_head, place, read_labels, read_mesh, read_tcd, write_coil
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
        head, coil, tmp_path / "out", at=tuple(top), towards=tuple(top - [0, 50, 10]), size_mm=5.0, device="cpu"
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


@pytest.mark.slow
def test_mesh_of_a_real_head_is_sound_well_shaped_and_true_to_its_labels():
    labels = read_labels(external("ants40_labels.nii.gz"))
    quality = mesh_head(labels).quality(labels)
    assert quality.topology.pieces == 1 and not quality.topology.faults
    assert quality.shape.smallest_angle["min"] > 8 and quality.shape.smallest_angle["p1"] > 22
    assert quality.fit.centroids.mean < 0.07 and quality.fit.centroids.p95 < 0.22
    assert quality.fit.false_contact_cm2 < 5
    assert max(abs(percent) for percent in quality.fit.volume_percent.values()) < 1.5


COILS = ("MagStim_D70.ccd", "MagVenture_C-B60.ccd", "testcoil.ccd", "testcoil.nii.gz", "Brainsway_H1.tcd")


@pytest.mark.parametrize("name", COILS)
def test_real_coil_round_trip(name, tmp_path):
    """Written in its own format and read again, the coil is the same to the last digit."""
    coil = load_coil(external(name))
    path = tmp_path / name
    write_coil(read_tcd(external(name)) if name.endswith(".tcd") else coil, path)
    again = load_coil(path)
    assert repr(again) == repr(coil)
    assert (again.brand, again.max_didt) == (coil.brand, coil.max_didt)
    assert [s.name for s in again.stimulators] == [s.name for s in coil.stimulators]
    for group, other in zip(coil.elements, again.elements, strict=True):
        for array, read in zip(group.arrays, other.arrays, strict=True):
            np.testing.assert_array_equal(array, read)
    for key in ("limits", "resolution"):
        np.testing.assert_array_equal(getattr(coil, key), getattr(again, key))
    if coil.casing is not None:
        np.testing.assert_array_equal(coil.casing.nodes, again.casing.nodes)
        np.testing.assert_array_equal(coil.casing.triangles, again.casing.triangles)


def test_real_model_file_has_the_same_content_when_it_is_written_again(tmp_path):
    original = json.loads(external("Brainsway_H1.tcd").read_text())
    write_coil(read_tcd(external("Brainsway_H1.tcd")), tmp_path / "h1.tcd")
    written = json.loads((tmp_path / "h1.tcd").read_text())
    for key in ("name", "brand", "version", "limits", "resolution", "stimulatorList", "deformRangeList"):
        assert written[key] == original[key]
    for deformation, other in zip(original["deformList"], written["deformList"], strict=True):
        assert (deformation["type"], deformation["deformRange"]) == (other["type"], other["deformRange"])
        for key in ("point1", "point2"):
            np.testing.assert_allclose(other[key], deformation[key], rtol=1e-15)
    for part, other in zip(original["coilElementList"], written["coilElementList"], strict=True):
        assert all(part[key] == other[key] for key in part if key not in ("points", "values"))
    for casing, other in zip(original["coilModels"], written["coilModels"], strict=True):
        assert zlib.decompress(b64decode(casing["faces"])) == zlib.decompress(b64decode(other["faces"]))


def test_wings_of_a_real_coil_turn_about_their_hinges():
    model = read_tcd(external("Brainsway_H1.tcd"))
    still, moved = model.coil(), model.coil([10, 0, 0])
    for part, before, after in zip(model.parts, still.elements, moved.elements, strict=True):
        ranges = {model.deformations[i].range for i in part.deformations}
        distance = np.linalg.norm(after.positions - before.positions, axis=1)
        if 0 not in ranges:
            assert distance.max() == 0
            continue
        hinge = model.deformations[part.deformations[0]]
        along = (hinge.end - hinge.start) / np.linalg.norm(hinge.end - hinge.start)
        radius = np.linalg.norm(np.cross(before.positions - hinge.start, along), axis=1)
        np.testing.assert_allclose(distance, 2 * radius * np.sin(np.radians(5)), atol=1e-12)
        np.testing.assert_allclose(
            np.linalg.norm(after.vectors, axis=1), np.linalg.norm(before.vectors, axis=1), rtol=1e-9, atol=1e-15
        )
    points = np.random.default_rng(0).uniform([-0.05, -0.05, 0.05], [0.05, 0.05, 0.1], (50, 3))
    a, b = still.vector_potential(points), moved.vector_potential(points)
    assert 1e-3 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.5


def test_sampled_coil_is_the_coil_of_dipoles_at_the_points_of_its_grid():
    """It is in single precision; between the points the cubics are tested in tests/coil/."""
    dipoles, sampled = load_coil(external("testcoil.ccd")), load_coil(external("testcoil.nii.gz"))
    field = sampled.elements[0]
    index = np.stack(np.meshgrid(*map(np.arange, field.values.shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    points = index @ field.affine[:3, :3].T + field.affine[:3, 3]
    exact = dipoles.vector_potential(points)
    np.testing.assert_allclose(field.values.reshape(-1, 3), exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
    assert dipoles.name == sampled.name and dipoles.max_didt == sampled.max_didt


def test_real_coil_sampled_below_its_face_is_the_coil(tmp_path):
    """In steps of 3 mm from the coil's face on; a grid that holds the coil's dipoles has their poles in it."""
    coil = load_coil(external("MagStim_D70.ccd"))
    write_coil(coil, tmp_path / "below.nii.gz", limits=[[-0.12, 0.12], [-0.1, 0.1], [0, 0.12]])
    sampled = load_coil(tmp_path / "below.nii.gz")
    points = np.random.default_rng(0).uniform([-0.1, -0.08, 0.005], [0.1, 0.08, 0.1], (5000, 3))
    exact = coil.vector_potential(points)
    assert np.linalg.norm(sampled.vector_potential(points) - exact) < 2e-3 * np.linalg.norm(exact)
