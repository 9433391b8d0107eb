"""Numbers that people read off: volume-weighted, and right on cases that can be done by hand."""

import numpy as np
import pytest

from femtms import FemtmsError, Simulator, TetMesh
from femtms.field.statistics import TissueTets, statistics, weighted_percentiles


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


def test_percentiles_do_not_depend_on_the_order_of_addition():
    """Sums of doubles do, in their last bits, and where a percentile falls between two values these decide which it is.

    A GPU adds up a cumulative sum in another order each time.
    """
    rng = np.random.default_rng(3)
    weights, values = rng.lognormal(sigma=2, size=3000) * 1e-9, rng.integers(0, 100, 3000) + 1.0
    # exactly between two values, but for rounding
    limits = [100 * weights[values <= v].sum() / weights.sum() / (1 - 1e-12) for v in range(1, 100)]
    first = weighted_percentiles(values, weights, (*limits, 50.0, 99.0))
    for _ in range(20):
        order = rng.permutation(3000)
        np.testing.assert_array_equal(weighted_percentiles(values[order], weights[order], (*limits, 50.0, 99.0)), first)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e300])
def test_percentiles_know_no_unit_of_weights(scale):
    values = np.array([3.0, 1.0, 2.0, 4.0])
    weights = scale * np.array([1.0, 1.0, 2.0, 0.0])
    np.testing.assert_array_equal(weighted_percentiles(values, weights, (25.0, 50.0, 100.0)), [1, 2, 3])


def test_summary_of_a_known_field():
    edges = 1e-2 * np.array([12.0, 6.0, 6.0]) ** (1 / 3)  # tetrahedra of 2, 1 and 1 mL, 1 m apart
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    nodes = np.concatenate([edge * corners + [i, 0, 0] for i, edge in enumerate(edges)])
    mesh = TetMesh(nodes, np.arange(12).reshape(3, 4), np.full(3, 2))
    tets = TissueTets.of(mesh, 2)
    summary = tets.summary(statistics(np.array([1.0, 2.0, 4.0]), tets))
    assert summary.volume_ml == pytest.approx(4)
    assert summary.mean == pytest.approx(2.0)
    assert (summary.median, summary.p99_9, summary.peak) == (1.0, 4.0, 4.0)
    assert summary.peak_mm == pytest.approx(1e3 * mesh.centroids[2])
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


def test_statistics_are_those_of_each_tissue_by_itself(sphere_mesh):
    """By the definitions, with numpy alone: the same bits."""
    magnE = np.random.default_rng(1).lognormal(size=len(sphere_mesh.tets))
    for tag in sphere_mesh.tissues:
        own = sphere_mesh.tags == tag
        values, volumes = magnE[own], sphere_mesh.volumes[own]
        order = np.argsort(values, kind="stable")
        share = np.cumsum(volumes[order])
        position = np.searchsorted(share, np.array([50.0, 95.0, 99.0, 99.9]) / 100 * share[-1] * (1 - 1e-12))
        tets = TissueTets.of(sphere_mesh, tag)
        summary = tets.summary(statistics(magnE, tets))
        assert [summary.median, summary.p95, summary.p99, summary.p99_9] == values[order][position].tolist()
        assert summary.mean == np.average(values, weights=volumes)
        assert summary.volume_ml == 1e6 * volumes.sum()
        assert summary.peak_mm == tuple(1e3 * sphere_mesh.centroids[own][values.argmax()])
        assert summary.focality_50_ml == 1e6 * volumes[values >= 0.5 * summary.p99_9].sum()
        assert summary.focality_75_ml == 1e6 * volumes[values >= 0.75 * summary.p99_9].sum()
