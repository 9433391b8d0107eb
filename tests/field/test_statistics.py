"""Numbers that people read off: volume-weighted, and right on cases that can be done by hand."""

import numpy as np
import pytest

from femtms import FemtmsError, Simulator
from femtms.field.statistics import tissue_summary, weighted_percentiles


def test_percentiles_with_equal_weights_are_order_statistics():
    values = np.random.default_rng(0).permutation(1000) + 1.0
    result = weighted_percentiles(values, np.ones(1000), (0.1, 50.0, 95.0, 99.9, 100.0))
    np.testing.assert_array_equal(result, [1, 500, 950, 999, 1000])


def test_percentiles_count_volume_not_tetrahedra():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 98.0, 1.0])
    assert weighted_percentiles(values, weights, (50.0,)) == [1.0]
    # cutting a tetrahedron in two changes nothing
    halves = weighted_percentiles(np.repeat(values, 2), np.repeat(weights / 2, 2), (50.0, 98.5, 99.5))
    np.testing.assert_array_equal(halves, weighted_percentiles(values, weights, (50.0, 98.5, 99.5)))


def test_summary_of_a_known_field():
    magnitude = np.array([1.0, 2.0, 4.0])
    volumes = 1e-6 * np.array([2.0, 1.0, 1.0])
    summary = tissue_summary("gm", 2, magnitude, volumes, 1e-3 * np.arange(9.0).reshape(3, 3))
    assert summary.volume_ml == pytest.approx(4)
    assert summary.mean == pytest.approx(2.0)
    assert (summary.median, summary.p99_9, summary.peak) == (1.0, 4.0, 4.0)
    assert summary.peak_mm == pytest.approx((6, 7, 8))
    assert summary.focality_50_ml == pytest.approx(2)  # 2 V/m and 4 V/m
    assert summary.focality_75_ml == pytest.approx(1)
    assert "gm" in str(summary) and summary.as_dict()["peak"] == 4.0


def test_field_knows_its_tissues_and_how_it_came_about(sphere_mesh, dipole_coil, vertex_pose):
    field = Simulator(sphere_mesh, device="cpu").solve(dipole_coil, vertex_pose, 2e6)
    np.testing.assert_allclose(field.magnE, np.linalg.norm(field.E, axis=1))
    assert set(field.summary()) == {"gm", "csf", "bone", "scalp"}
    own = sphere_mesh.tags == 4
    assert field.summary("bone").peak == field.summary(4).peak == field.magnE[own].max()
    assert field.summary("bone").volume_ml == pytest.approx(1e6 * sphere_mesh.volumes[own].sum())
    np.testing.assert_allclose(field.J[own], 0.010 * field.E[own])
    assert abs(field.potential.mean()) < 1e-12 * np.abs(field.potential).max()
    assert field.iterations > 0 and 0 < field.residual <= 1e-6 and set(field.seconds) == {"dadt", "solve", "gradient"}
    assert "A/µs" in repr(field) and str(field.iterations) in repr(field)
    with pytest.raises(FemtmsError, match="it has gm, csf, bone, scalp, not 'wm'"):
        field.summary("wm")
