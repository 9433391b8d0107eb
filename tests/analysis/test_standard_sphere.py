"""Coils on the standard sphere: against the closed form, against the literature, and what must not matter."""

import numpy as np
import pytest

from femtms import Coil, FemtmsError, load_coil
from femtms.analysis.sphere import ToroidalField, _Directions, pose_above_sphere, sphere_metrics
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.path import Circle
from femtms.coil.pose import IDENTITY
from femtms.coil.sampled import SampledField
from femtms.mesh.surface import Surface
from femtms.reference.sphere import dipoles_field_in_sphere


def test_series_is_the_closed_form(dipole_coil):
    pose = pose_above_sphere(dipole_coil)
    elements = dipole_coil.moved(pose).elements[0]
    for r, at, degree, accuracy in ((0.07, 0.07, 90, 1e-9), (0.03, 0.07, 90, 1e-9), (0.085, 0.085, 140, 2e-3)):
        field, grid = ToroidalField.of(dipole_coil, pose, at, degree), _Directions.grid(degree)
        points = r * grid.vectors[::15, ::20].reshape(-1, 3)
        exact = np.linalg.norm(dipoles_field_in_sphere(points, elements.positions, 1e6 * elements.vectors), axis=1)
        made = field.magnitude(r, grid)[::15, ::20].ravel()
        np.testing.assert_allclose(made, exact, rtol=0, atol=accuracy * exact.max())


# d½ in cm and S½ in cm²: Deng, Lisanby & Peterchev 2013, Brain Stimul 6:1
@pytest.mark.parametrize(
    ("name", "d_half", "s_half", "d_within", "s_within"),
    [
        ("figure8-70mm", 1.41, 14.8, 0.05, 0.05),
        ("C-B60", 1.33, 12.9, 0.05, 0.05),
        ("circular-70mm", 1.44, 66.0, 0.05, 0.15),
        ("circular-MST", 1.72, 86.4, 0.05, 0.15),
    ],
)
def test_depth_and_spread_are_the_published_ones(name, d_half, s_half, d_within, s_within):
    metrics = sphere_metrics(load_coil(name))
    assert 1e2 * metrics.d_half == pytest.approx(d_half, rel=d_within)
    assert 1e4 * metrics.s_half == pytest.approx(s_half, rel=s_within)


def test_numbers_fit_each_other():
    metrics = sphere_metrics(load_coil("figure8-25mm"))
    assert metrics.s_half == pytest.approx(metrics.v_half / metrics.d_half)
    assert metrics.profile[0] == pytest.approx(metrics.E_brain, rel=1e-6)
    assert metrics.depths[0] == 0 and metrics.depths[-1] == pytest.approx(0.07)
    assert metrics.profile[-1] == pytest.approx(0, abs=1e-9)  # no field at the centre
    assert (np.diff(metrics.profile) < 0).all()
    # below the strongest point lies the deepest one with half of it
    assert np.interp(metrics.d_half, metrics.depths, metrics.profile) == pytest.approx(metrics.E_brain / 2, rel=1e-3)
    assert metrics.E_scalp > metrics.E_brain


def test_volume_is_that_of_the_points_with_half_the_field(dipole_coil):
    """A Monte-Carlo integral over the brain with the closed form."""
    metrics = sphere_metrics(dipole_coil)
    elements = dipole_coil.moved(pose_above_sphere(dipole_coil)).elements[0]
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.07, -0.07, 0.03], [0.07, 0.07, 0.07], (60000, 3))
    points = points[(points**2).sum(axis=1) < 0.07**2]
    E = np.linalg.norm(dipoles_field_in_sphere(points, elements.positions, 1e6 * elements.vectors), axis=1)
    volume = (E >= metrics.E_brain / 2).sum() / 60000 * 0.14 * 0.14 * 0.04
    assert metrics.v_half == pytest.approx(volume, rel=0.05)
    depth = 0.07 - np.linalg.norm(points[E >= metrics.E_brain / 2], axis=1).min()
    assert metrics.d_half == pytest.approx(depth, rel=0.05)


def test_turning_the_coil_about_its_axis_changes_nothing():
    coil = load_coil("figure8-25mm")
    c, s = np.cos(0.6), np.sin(0.6)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    group = coil.elements[0]
    turned = Coil("turned", (Currents(group.positions @ turn.T, group.vectors @ turn.T),), coil.outlines)
    a, b = sphere_metrics(coil), sphere_metrics(turned)
    for name in ("E_brain", "d_half", "v_half"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=5e-3)


def test_fields_of_wires_dipoles_and_samples_agree():
    coil = load_coil("figure8-25mm")
    dipoles = Coil("dipoles", (coil.windings[0].dipoles(distance=8e-3)[0],), coil.outlines)
    index = np.argwhere(np.ones((41, 41, 41)))
    affine = np.diag([5e-3, 5e-3, 5e-3, 1])
    affine[:3, 3] = [-0.1, -0.1, 0.002]
    values = coil.vector_potential(index @ affine[:3, :3].T + affine[:3, 3]).reshape(41, 41, 41, 3)
    sampled = Coil("sampled", (SampledField(values, affine),), coil.outlines)
    exact = sphere_metrics(coil)
    for other in (dipoles, sampled):
        metrics = sphere_metrics(other)
        assert metrics.E_brain == pytest.approx(exact.E_brain, rel=0.01)
        assert metrics.d_half == pytest.approx(exact.d_half, rel=0.01)


def test_coil_is_raised_until_its_nearest_wire_has_the_gap():
    for name in ("figure8-70mm", "double-cone", "circular-90mm"):
        coil = load_coil(name)
        moved = coil.moved(pose_above_sphere(coil))
        edges = pose_above_sphere(coil).in_head(np.concatenate(coil.windings[0].face))
        assert np.linalg.norm(edges, axis=1).min() == pytest.approx(0.090, abs=1e-6)
        assert np.linalg.norm(np.concatenate([moved.positions, *moved.outlines]), axis=1).min() > 0.090 - 1e-6


def test_field_of_a_touching_coil_on_the_scalp_is_not_made_up():
    coil = load_coil("figure8-25mm")
    near = sphere_metrics(coil, gap_mm=0.5)
    assert near.E_scalp is None and near.E_brain > sphere_metrics(coil).E_brain


def test_casing_decides_where_there_is_one():
    corners = np.array([[-0.1, -0.1, 0.004], [0.1, -0.1, 0.004], [0.1, 0.1, 0.004], [-0.1, 0.1, 0.004]])
    plate = Surface(corners, [[0, 2, 1], [0, 3, 2]], "casing")
    coil = Coil("in a box", (Dipoles([[0, 0, -0.01]], [[1e-4, 0, 0]]),), casing=plate)
    # the middle of the plate, not a corner, touches
    assert pose_above_sphere(coil, 85, 5).centre[2] == pytest.approx(0.094, abs=1e-6)


def test_impossible_spheres_are_refused(dipole_coil):
    with pytest.raises(FemtmsError, match="gap_mm must be > 0; got -1"):
        sphere_metrics(dipole_coil, gap_mm=-1)
    with pytest.raises(FemtmsError, match="farther than 1 mm from a brain of 85 mm"):
        sphere_metrics(dipole_coil, gap_mm=1, brain_mm=85)
    ring = Coil("ring", (Circle(np.zeros(3), np.array([0, 0, 1.0]), 0.1).currents(0.01, 0.01),))
    with pytest.raises(FemtmsError, match=r"coil 'ring' must come within 5 mm .* it passes around it"):
        sphere_metrics(ring)
    with pytest.raises(FemtmsError, match="0 < brain ≤ scalp"):
        sphere_metrics(dipole_coil, brain_mm=90)
    assert IDENTITY.centre[2] == 0
