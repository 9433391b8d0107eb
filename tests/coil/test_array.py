"""Coils that are driven together: their fields add up."""

import numpy as np
import pytest

from femtms import Coil, FemtmsError, Pose, Simulator, load_coil, place
from femtms.coil.array import driven_at, superposed
from femtms.coil.clearance import clearance
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.pose import IDENTITY
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.mesh.surface import Surface

CASING = Surface([[0.02, 0, 0], [-0.02, 0.02, 0], [-0.02, -0.02, 0]], [[0, 1, 2]], "casing")


@pytest.fixture(scope="module")
def two_channels():
    """Dipoles on one stimulator, current elements on another."""
    rng = np.random.default_rng(3)
    first = Dipoles(rng.normal(0, 0.01, (5, 3)) - [0, 0, 0.04], rng.normal(0, 3e-2, (5, 3)))
    second = Currents(rng.normal(0, 0.01, (7, 3)) - [0, 0, 0.04], rng.normal(0, 0.5, (7, 3)), stimulator=1)
    stimulators = (Stimulator("a", max_didt=1e8), Stimulator("b", max_didt=5e7))
    return Coil("two channels", (first, second), (), casing=CASING, stimulators=stimulators)


@pytest.fixture(scope="module")
def posed(sphere_mesh):
    return [place(sphere_mesh, at, "Cz", gap_mm=gap) for at, gap in (("C3", 6), ("C4", 9), ("Oz", 5))]


def points_in_head():
    return np.random.default_rng(0).uniform(-0.05, 0.05, (30, 3))


def test_potential_of_an_array_is_the_sum_of_its_coils(two_channels, posed):
    figure8 = load_coil("figure8-70mm")
    affine = np.diag([0.1, 0.1, 0.1, 1.0])
    affine[:3, 3] = -0.3
    values = np.random.default_rng(1).normal(size=(7, 7, 7, 3)) * 1e-7
    grid = Coil("grid", (SampledField(values, affine),))
    parts = [(figure8, posed[0], 2e6), (two_channels, posed[1], (-3e6, 1e6)), (grid, posed[2], 5e5)]
    array, didt = superposed(parts)
    assert didt == -3e6  # the fastest is the reference
    expected = 2e6 * figure8.moved(posed[0]).vector_potential(points_in_head())
    expected += two_channels.driven((-3e6, 1e6)).moved(posed[1]).vector_potential(points_in_head())
    expected += 5e5 * grid.moved(posed[2]).vector_potential(points_in_head())
    np.testing.assert_allclose(didt * array.vector_potential(points_in_head()), expected, rtol=1e-9, atol=1e-12)


def test_array_keeps_what_its_coils_have(two_channels, posed):
    figure8 = load_coil("figure8-70mm")
    array, didt = superposed(
        [(figure8, posed[0], 1e6), (two_channels, posed[1], (1e6, 2e6)), (two_channels, posed[2], 0.0)]
    )
    assert [len(group) for group in array.elements] == [len(figure8.elements[0]), 5, 7, 5, 7]
    assert [group.stimulator for group in array.elements] == [0, 1, 2, 3, 4]
    assert [s.name for s in array.stimulators] == ["", "a", "b", "a", "b"]
    assert len(array.outlines) == len(figure8.outlines)
    np.testing.assert_allclose(array.casing.nodes[3:], posed[2].in_head(CASING.nodes))
    assert array.casing.triangles.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert array.name == "figure8-70mm + two channels + two channels"
    assert not array.elements[3].vectors.any() and didt == 2e6


def test_limit_of_an_array_is_that_of_the_first_coil_to_reach_its_own(posed):
    slow, fast = (Coil(f"{m:g}", (Dipoles([[0, 0, 0]], [[0, 0, 1]]),), max_didt=m) for m in (4e7, 1e8))
    array, didt = superposed([(slow, posed[0], 1e6), (fast, posed[1], -4e6)])
    assert didt == -4e6
    assert array.max_didt == 1e8  # the slow one has 2.5e7 then
    array, _ = superposed([(slow, posed[0], 1e6), (fast, posed[1], -2e6)])
    assert array.max_didt == 8e7  # 1e8 would be 5e7 in the slow one


def test_clearance_of_an_array_is_that_of_the_nearest_casing(sphere_mesh, two_channels, posed):
    array, _ = superposed([(two_channels, pose, 1e6) for pose in posed])
    least = min(clearance(sphere_mesh, two_channels, pose).distance for pose in posed)
    assert clearance(sphere_mesh, array, IDENTITY).distance == pytest.approx(least, abs=1e-9)


def test_one_didt_counts_for_all_stimulators(two_channels):
    coil, didt = driven_at(two_channels, 3e6)
    assert coil is two_channels and didt == 3e6
    same, didt = driven_at(two_channels, [3e6, 3e6])
    np.testing.assert_array_equal(
        same.vector_potential(points_in_head()), two_channels.vector_potential(points_in_head())
    )
    assert driven_at(two_channels, (0.0, 0.0))[1] == 0


@pytest.mark.parametrize("didt", [np.nan, (1e6, np.inf), "fast", [[1e6, 1e6]], ("a", 1)])
def test_didt_that_is_no_finite_number_is_refused(didt, two_channels):
    with pytest.raises(FemtmsError, match="didt must be finite, in A/s; got"):
        driven_at(two_channels, didt)


@pytest.mark.parametrize("didt", [(1e6,), (1e6, 1e6, 1e6), ()])
def test_as_many_didt_as_stimulators_are_needed(didt, two_channels):
    with pytest.raises(FemtmsError, match=f"'two channels' needs one didt, or one for each of its 2 .*got {len(didt)}"):
        driven_at(two_channels, didt)
    with pytest.raises(FemtmsError, match="at least one coil"):
        superposed([])


def test_field_of_an_array_is_the_sum_of_fields(sphere_mesh, two_channels, posed):
    figure8 = load_coil("figure8-70mm")
    sim = Simulator(sphere_mesh, device="cpu", rtol=1e-10)
    array, didt = superposed([(figure8, posed[0], 1e6), (two_channels, posed[1], (2e6, -1e6))])
    total = sim.solve(array, IDENTITY, didt).E
    one = sim.solve(figure8, posed[0], 1e6).E
    both = sim.solve(two_channels, posed[1], (2e6, -1e6))
    scale = np.abs(total).max()
    assert np.abs(one).max() > 0.1 * scale and np.abs(both.E).max() > 0.1 * scale
    np.testing.assert_allclose(total, one + both.E, atol=2e-4 * scale)
    # the channels alone add up to both, too
    alone = [sim.solve(two_channels, posed[1], rates).E for rates in ((2e6, 0), (0, -1e6))]
    assert min(np.abs(E).max() for E in alone) > 0.01 * scale
    np.testing.assert_allclose(both.E, sum(alone), atol=2e-4 * scale)
    swept = next(sim.sweep(two_channels, [posed[1]], (2e6, -1e6)))
    assert swept.tissues["gm"].mean == pytest.approx(both.summary("gm").mean, rel=1e-9)


def test_array_of_wound_coils_has_no_windings_of_its_own():
    coil = load_coil("figure8-25mm")
    far = Pose(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -50.0], [0, 0, 0, 1]]))
    array, _ = superposed([(coil, far, 1e6)])
    assert array.windings == () and array.inductance is None
    with pytest.raises(FemtmsError, match="all wires of coil"):
        array.with_dipoles()


def test_limit_of_a_driven_coil_is_that_of_the_first_stimulator_at_its_own():
    dipole = Dipoles([[0, 0, -0.01]], [[0, 0, 1e-4]])
    stimulators = (Stimulator("a", max_didt=100e6), Stimulator("b", max_didt=10e6))
    coil = Coil("two", (dipole, dipole.driven_by(1)), stimulators=stimulators)
    assert coil.max_didt == 10e6
    assert coil.driven([1, 0.05]).max_didt == pytest.approx(100e6)
    assert coil.driven([1, 0.2]).max_didt == pytest.approx(50e6)
    assert coil.driven([1, 0]).max_didt == pytest.approx(100e6)
