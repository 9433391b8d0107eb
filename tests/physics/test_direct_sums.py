"""E from series of ∂A/∂t in boxes against E from direct sums."""

import numpy as np
import pytest

from femtms import Coil, LayeredSphere, Simulator, load_coil, load_head, mesh_head, place
from femtms.coil.elements import Dipoles
from femtms.coil.expansion import HarmonicBoxes
from femtms.reference.sphere import dipoles_field_in_sphere

LARGEST = 1e-4


@pytest.fixture(scope="module")
def ball():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=8.0)


def two_discs():
    """600 dipoles, half of them up and half of them down, in two discs that face the head."""
    rng = np.random.default_rng(0)
    radius, angle = 0.035 * np.sqrt(rng.random(600)), rng.uniform(0, 2 * np.pi, 600)
    side = np.repeat([-1, 1], 300)
    positions = np.column_stack([0.0435 * side + radius * np.cos(angle), radius * np.sin(angle), np.full(600, -0.003)])
    return Coil("two discs", (Dipoles(positions, 1e-5 * side[:, None] * [[0, 0, 1]]),))


def fields(sim, coil, pose, monkeypatch):
    """The field as it is computed, and that from direct sums."""
    expanded = sim.solve(coil, pose)

    def summed(boxes, coil, poses, out):
        for a, pose in zip(out, poses, strict=True):
            a[...] = coil.moved(pose).vector_potential(boxes.points)

    with monkeypatch.context() as patch:
        patch.setattr(HarmonicBoxes, "vector_potentials", summed)
        direct = sim.solve(coil, pose)
    assert not np.array_equal(expanded.E, direct.E)
    return expanded, direct


def assert_close_in_every_tissue(expanded, direct):
    for tag in np.unique(direct.mesh.tags):
        own = direct.mesh.tags == tag
        error = np.linalg.norm(expanded.E[own] - direct.E[own], axis=1)
        size = np.linalg.norm(direct.E[own], axis=1)
        assert np.sqrt((error**2).sum() / (size**2).sum()) < 0.1 * LARGEST, tag
        assert error.max() < LARGEST * np.quantile(size, 0.999), tag


@pytest.mark.parametrize("coil", [load_coil("figure8-70mm"), two_discs()], ids=lambda coil: coil.name)
@pytest.mark.parametrize("at, gap_mm", [("C3", 1), ("Fz", 4), ("P4", 8)])
def test_series_change_no_field_in_a_sphere(ball, coil, at, gap_mm, monkeypatch):
    sim = Simulator(ball, device="cpu", rtol=1e-8)
    assert_close_in_every_tissue(*fields(sim, coil, place(ball, at, "Cz", gap_mm), monkeypatch))


def test_series_change_no_field_in_a_head(colin27_mesh, monkeypatch):
    head = colin27_mesh
    sim = Simulator(head, device="cpu", rtol=1e-8)
    assert_close_in_every_tissue(*fields(sim, load_coil("figure8-70mm"), place(head, "C3", "CP3"), monkeypatch))


@pytest.mark.slow
def test_series_change_no_field_in_a_fine_head(monkeypatch):
    head = mesh_head(load_head("colin27"), size_mm=6.0)
    sim = Simulator(head, device="cpu", rtol=1e-8)
    for at, gap_mm in (("C3", 1), ("Fz", 4), ("T8", 6)):
        pose = place(head, at, "Cz", gap_mm)
        assert_close_in_every_tissue(*fields(sim, load_coil("figure8-70mm"), pose, monkeypatch))


def test_error_against_the_closed_form_is_that_of_the_elements(ball, monkeypatch):
    coil, pose = two_discs(), place(ball, "Fz", "Cz", 4)
    posed, sim = coil.moved(pose), Simulator(ball, device="cpu", rtol=1e-8)
    near = np.linalg.norm(ball.centroids - pose.centre, axis=1) < 0.06
    brain = near & (np.linalg.norm(ball.centroids, axis=1) < 0.058)
    exact = dipoles_field_in_sphere(ball.centroids[brain], posed.positions, 1e6 * posed.elements[0].vectors)
    with_series, direct = (
        np.linalg.norm(field.E[brain] - exact) / np.linalg.norm(exact) for field in fields(sim, coil, pose, monkeypatch)
    )
    assert 0.001 < direct < 0.2
    assert with_series == pytest.approx(direct, rel=1e-3)


def test_boxes_are_made_once_for_a_head(ball):
    sim = Simulator(ball, device="cpu")
    assert sim.seconds["boxes"] > 0 and "boxes" in repr(sim)
