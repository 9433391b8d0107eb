"""Strength, depth and spread on a mesh are those of the closed form; the sulci of a brain count as its inside."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from femtms import Coil, Dipoles, FemtmsError, LayeredSphere, Pose, TetMesh, Tissue, mesh_head
from femtms.analysis.envelope import BrainEnvelope
from femtms.analysis.head_metrics import HeadAnalysis
from femtms.field.field import Field
from femtms.reference.sphere import dipole_field_in_sphere

BRAIN, SIZE = 70e-3, 5e-3  # m
DIPOLE, MOMENT = np.array([0.0, 0.0, 0.1]), np.array([1e6, 0.0, 0.0])  # A·m²/s: a moment along x, for 1 A/µs


def exact(points):
    """|E| (n,) in V/m."""
    return np.linalg.norm(dipole_field_in_sphere(points, DIPOLE, MOMENT), axis=1)


def retagged(mesh, chosen):
    """The mesh with CSF where chosen (m,) is True."""
    return TetMesh(mesh.nodes, mesh.tets, np.where(chosen & (mesh.tags == Tissue.GM), Tissue.CSF, mesh.tags))


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((1e3 * BRAIN, 85)), size_mm=1e3 * SIZE)


@pytest.fixture(scope="module")
def analysis(mesh):
    return HeadAnalysis(mesh)


@pytest.fixture(scope="module")
def field(mesh):
    """The closed form at the centroids, as if somebody had solved for it."""
    E = dipole_field_in_sphere(mesh.centroids, DIPOLE, MOMENT)
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[2, 3] = 100.0
    coil = Coil("dipole", (Dipoles(np.zeros((1, 3)), np.ones((1, 3))),))
    return Field(mesh, E, np.zeros(1), coil, Pose(matrix), 1e6, 1, 0.0, {}, "none", np.ones((len(E), 1)))


@pytest.fixture(scope="module")
def metrics(analysis, field):
    return analysis.metrics(field)


def test_depths_in_a_ball_are_its_radius_less_the_distance_from_its_centre(analysis):
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    r = rng.uniform(0.02, 0.078, len(directions))
    error = analysis.envelope.depths(r[:, None] * directions) - (BRAIN - r)
    assert abs(error.mean()) < 0.1e-3
    assert abs(error).max() < 1e-3
    assert analysis.envelope.deepest == pytest.approx(BRAIN, abs=1e-3)


def test_a_sulcus_and_a_ventricle_are_inside_the_envelope_and_a_wide_gap_is_not(mesh):
    x, _, z = mesh.centroids.T
    within = np.array([[0.0, 0.0, 0.055]])
    sulcus = BrainEnvelope.of(retagged(mesh, (abs(x) < 4e-3) & (z > 0.02)))
    # the ball of 12 mm that closes it dips into its opening, about 5 mm on each side
    assert sulcus.depths(within) == pytest.approx(0.015 - (0.012 - np.sqrt(0.012**2 - 0.005**2)), abs=1e-3)
    ventricle = BrainEnvelope.of(retagged(mesh, np.linalg.norm(mesh.centroids, axis=1) < 0.03))
    assert ventricle.depths(np.zeros((1, 3))) == pytest.approx(BRAIN, abs=1e-3)
    gap = BrainEnvelope.of(retagged(mesh, (abs(x) < 25e-3) & (z > 0.02)))
    assert gap.depths(within) < 0


@pytest.fixture(scope="module")
def dense():
    """|E| of the closed form in all of the brain, one value for each mm³."""
    axis = np.arange(-BRAIN, BRAIN, 1e-3) + 0.5e-3
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return exact(points[np.linalg.norm(points, axis=1) < BRAIN])


def test_the_brain_maximum_is_the_percentile_of_the_closed_form(metrics, dense):
    assert metrics.E_brain == pytest.approx(np.percentile(dense, 99.9), rel=0.02)
    assert metrics.E_scalp > metrics.E_brain
    # the maximum is below the dipole, on the z axis
    assert np.hypot(*metrics.peak[:2]) < 8e-3 and metrics.peak[2] > BRAIN - 2 * SIZE


def test_half_depth_is_where_the_closed_form_falls_to_half(metrics):
    def excess(depth):
        return exact(np.array([[0.0, 0.0, BRAIN - depth]]))[0] - metrics.E_brain / 2

    depth = brentq(excess, 1e-6, 0.05)
    assert depth - 0.5 * SIZE < metrics.d_half < depth + 0.1 * SIZE


def test_half_volume_is_that_of_the_closed_form(metrics, dense):
    assert metrics.v_half == pytest.approx(1e-9 * (dense >= metrics.E_brain / 2).sum(), rel=0.03)
    assert metrics.gm_50 == pytest.approx(metrics.v_half)  # all of this brain is grey
    assert metrics.gm_75 == pytest.approx(1e-9 * (dense >= 0.75 * metrics.E_brain).sum(), rel=0.06)
    assert metrics.s_half == metrics.v_half / metrics.d_half


def test_volumes_of_grey_matter_are_of_the_maximum_that_is_given(analysis, field, metrics):
    given = analysis.metrics(field, 2 * metrics.E_brain)
    assert given.gm_75 < given.gm_50 < metrics.gm_75 < metrics.gm_50
    assert (given.E_brain, given.v_half, given.d_half) == (metrics.E_brain, metrics.v_half, metrics.d_half)
    assert analysis.metrics(field, metrics.E_brain).gm_50 == metrics.gm_50


def test_profile_is_that_of_the_closed_form_along_the_radius_through_the_peak(metrics):
    assert metrics.depths[0] == 0 and (np.diff(metrics.depths) > 0).all()
    inside = (metrics.depths > 2e-3) & (metrics.depths < 0.06)
    outward = metrics.peak / np.linalg.norm(metrics.peak)
    on_line = (BRAIN - metrics.depths[inside, None]) * outward
    np.testing.assert_allclose(metrics.profile[inside], exact(on_line), rtol=0.1)


def test_profile_does_not_depend_on_how_the_coil_is_tilted(analysis, field, metrics):
    c, s = np.cos(np.radians(50)), np.sin(np.radians(50))
    tilted = np.eye(4)
    tilted[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    pose = Pose(field.pose.matrix @ tilted)
    np.testing.assert_array_equal(analysis.metrics(replace(field, pose=pose)).profile, metrics.profile)


def test_inward_is_towards_the_centre_of_a_ball_and_nowhere_in_it(analysis):
    rng = np.random.default_rng(2)
    for direction in rng.normal(size=(50, 3)):
        direction /= np.linalg.norm(direction)
        inward = analysis.envelope.inward(rng.uniform(0.05, BRAIN) * direction)
        assert np.degrees(np.arccos(np.clip(-inward @ direction, -1, 1))) < 3
    assert analysis.envelope.inward(np.zeros(3)) is None


def test_inward_in_the_wall_of_a_sulcus_is_as_beside_it(mesh):
    x, _, z = mesh.centroids.T
    sulcus = BrainEnvelope.of(retagged(mesh, (abs(x) < 4e-3) & (z > 0.02)))
    wall = np.array([5e-3, 0.0, 60e-3])
    assert -sulcus.inward(wall) @ wall / np.linalg.norm(wall) > np.cos(np.radians(12))


def test_metrics_are_those_of_1_A_per_us_whatever_the_current(analysis, field, metrics):
    doubled = replace(field, E=-2 * field.E, didt=-2e6)
    other = analysis.metrics(doubled)
    assert (other.E_brain, other.d_half, other.v_half) == pytest.approx(
        (metrics.E_brain, metrics.d_half, metrics.v_half)
    )


def test_one_strong_tetrahedron_deep_in_the_brain_changes_little(analysis, field, metrics, mesh):
    E = field.E.copy()
    E[((mesh.centroids - [0, 0, 0.02]) ** 2).sum(axis=1).argmin()] *= 100
    spiked = analysis.metrics(replace(field, E=E))
    assert spiked.E_brain == pytest.approx(metrics.E_brain, rel=0.01)
    assert spiked.d_half == pytest.approx(metrics.d_half, rel=0.05)


def test_a_head_without_grey_matter_is_refused(mesh):
    with pytest.raises(FemtmsError, match="grey matter"):
        HeadAnalysis(TetMesh(mesh.nodes, mesh.tets, np.full(len(mesh.tets), Tissue.BONE)))
