"""Coils whose parts move."""

import numpy as np
import pytest

from femtms import Coil, CoilModel, Currents, Dipoles, FemtmsError, Surface
from femtms.coil.deform import Range, Rotation, Translation
from femtms.coil.model import Casing, CoilPart

TRIANGLE = Surface([[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]], [[0, 1, 2]], "casing")
DIPOLE = Dipoles([[0.01, 0, 0]], [[1e-6, 0, 0]])


def wings(deformations=(0,)):
    """A part that stands still and one that moves, each with a casing."""
    return CoilModel(
        "wings",
        (CoilPart(DIPOLE), CoilPart(DIPOLE, "moving", 1, deformations)),
        deformations=(Rotation(0, [0, 0, 0], [0, 0, 2]), Translation(1, "y")),
        ranges=(Range(0, -90, 90), Range(0, -0.02, 0.02)),
        casings=(Casing(TRIANGLE), Casing(TRIANGLE)),
        casing=0,
    )


def test_rotation_is_right_handed_about_its_axis():
    moved = wings().coil([90, 0]).elements[1]
    np.testing.assert_allclose(moved.positions, [[0, 0.01, 0]], atol=1e-15)
    np.testing.assert_allclose(moved.vectors, [[0, 1e-6, 0]], atol=1e-18)


def test_rotation_leaves_its_axis_where_it_is_and_keeps_distances():
    turn = Rotation(0, [0.03, 0.01, 0], [0.01, 0.02, 0.05])
    axis = turn.start + np.outer([-1, 0, 0.4, 2], turn.end - turn.start)
    np.testing.assert_allclose(turn.pose(37).in_head(axis), axis, atol=1e-16)
    points = np.random.default_rng(0).normal(size=(20, 3))
    there, back = turn.pose(37), turn.pose(-37)
    np.testing.assert_allclose(back.in_head(there.in_head(points)), points, atol=1e-14)


def test_deformations_apply_in_the_order_of_the_part():
    turned_then_moved = wings((0, 1)).coil([90, 0.02]).elements[1].positions
    moved_then_turned = wings((1, 0)).coil([90, 0.02]).elements[1].positions
    np.testing.assert_allclose(turned_then_moved, [[0, 0.03, 0]], atol=1e-15)
    np.testing.assert_allclose(moved_then_turned, [[-0.02, 0.01, 0]], atol=1e-15)


def test_only_the_part_with_deformations_and_its_casing_move():
    still, moved = wings().coil(), wings().coil([45, 0])
    np.testing.assert_array_equal(still.elements[0].positions, moved.elements[0].positions)
    assert len(still.casing.nodes) == 6
    np.testing.assert_array_equal(moved.casing.nodes[:3], TRIANGLE.nodes)
    np.testing.assert_allclose(moved.casing.nodes[4], 0.01 * np.array([np.sqrt(0.5), np.sqrt(0.5), 0]), atol=1e-15)
    np.testing.assert_array_equal(moved.casing.triangles, [[0, 1, 2], [3, 4, 5]])


def test_a_of_a_turned_part_is_that_of_the_part_turned():
    points = np.random.default_rng(1).normal(size=(10, 3))
    turn = wings().deformations[0].pose(30)
    alone = Coil("one", (DIPOLE,)).vector_potential(points @ turn.rotation) @ turn.rotation.T
    both = wings().coil([30, 0]).vector_potential(points)
    np.testing.assert_allclose(both - Coil("one", (DIPOLE,)).vector_potential(points), alone, atol=1e-22)


def test_initial_amounts_change_no_digit_and_other_initial_amounts_stay():
    coil = wings().coil()
    np.testing.assert_array_equal(coil.elements[1].positions, DIPOLE.positions)
    other = wings().with_initial([20, 0.01])
    np.testing.assert_array_equal(other.coil().positions, wings().coil([20, 0.01]).positions)


@pytest.mark.parametrize(
    "values,words",
    [
        ([91, 0], "value 0 of coil 'wings' must be within -90 to 90 degrees; got 91"),
        ([0, np.nan], "value 1.*within -0.02 to 0.02 m; got nan"),
        ([0], "each of its 2 deformation ranges; got 1"),
    ],
)
def test_amount_outside_its_range_is_refused(values, words):
    with pytest.raises(FemtmsError, match=words):
        wings().coil(values)


@pytest.mark.parametrize(
    "change,words",
    [
        ({"parts": ()}, "at least one part"),
        ({"parts": (CoilPart(DIPOLE, casing=2),)}, "casing of part 0 must be one of 2, from 0; got 2"),
        ({"parts": (CoilPart(DIPOLE, deformations=(5,)),)}, "deformation of part 0 must be one of 2.*got 5"),
        ({"parts": (CoilPart(Currents([[0, 0, 0]], [[1, 0, 0]], 1)),)}, "stimulator of part 0 must be one of 1"),
        ({"casing": 7}, "casing of the coil.*got 7"),
        ({"deformations": (Translation(2, "x"),)}, "range of deformation 0.*got 2"),
        ({"deformations": (Translation(0, "x"), Rotation(0, [0, 0, 0], [1, 0, 0]))}, "for both"),
    ],
)
def test_model_that_refers_to_nothing_is_refused(change, words):
    model = {key: getattr(wings(), key) for key in ("parts", "deformations", "ranges", "casings", "casing")}
    with pytest.raises(FemtmsError, match=words):
        CoilModel("bad", **(model | change))


@pytest.mark.parametrize(
    "make,words",
    [
        (lambda: Range(0, 1, 2), "low ≤ initial ≤ high"),
        (lambda: Range(0, -np.inf, 2), "low ≤ initial ≤ high"),
        (lambda: Translation(0, "w"), "along x, y, z; got 'w'"),
        (lambda: Rotation(0, [0, 0, 0], [0, 0, 0]), "must differ"),
        (lambda: Rotation(0, [0, 0, 0], [0, np.nan, 0]), "three finite numbers"),
        (lambda: Casing(TRIANGLE, [[0, 0]]), r"\(p,3\)"),
    ],
)
def test_impossible_movement_is_refused(make, words):
    with pytest.raises(FemtmsError, match=words):
        make()


def test_model_of_a_plain_coil_gives_the_coil_back():
    coil = Coil("plain", (DIPOLE,), max_didt=1e8, casing=TRIANGLE, limits=[[-1, 1]] * 3, resolution=[0.1] * 3)
    again = CoilModel.of(coil).coil()
    assert again.max_didt == 1e8 and again.casing is coil.casing and again.name == "plain"
    np.testing.assert_array_equal(again.limits, coil.limits)
    np.testing.assert_array_equal(again.positions, coil.positions)
