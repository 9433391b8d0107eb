"""Coils, poses and places."""

import numpy as np
import pytest

from femtms import Coil, FemtmsError, LayeredSphere, Pose, load_coil, mesh_head, place
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.place import check_clear
from femtms.coil.shapes import turn_radii
from femtms.reference.loop import loop_potential

HEADER = "# Test version 1.0;dIdtmax=100.0;x=-300,300;stimulator=none;brand=None;coilname={}\n"
ROWS = "-1e-2 0 -1e-3 1e-6 0 2e-6\n1e-2 0 -1e-3 -1e-6 0 -2e-6\n"


def rotation(axis, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(4)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


@pytest.fixture(scope="module")
def ball():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=10.0)


def test_potential_of_the_figure_eight_is_that_of_its_turns():
    coil = load_coil("figure8-70mm")
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.1, -0.06, 0.006], [0.1, 0.06, 0.08], (200, 3))
    exact = np.zeros_like(points)
    heights = -0.003 + 0.006 * np.linspace(-0.5, 0.5, 41)  # many filaments over the wire's height of 6 mm
    radii = turn_radii(0.056, 0.087, 9, 0.00175)
    for side in (-1, 1):
        for radius in radii:
            for z in heights:
                exact += side / len(heights) * loop_potential(points - [side * 0.0435, 0, z], radius)
    made = coil.vector_potential(points)
    assert np.abs(made - exact).max() < 0.01 * np.abs(exact).max()


def test_figure_eight_has_the_published_geometry():
    coil = load_coil("figure8-70mm")
    radii = turn_radii(0.056, 0.087, 9, 0.00175)
    assert len(radii) == 9
    assert radii[0] - 0.00175 / 2 == pytest.approx(0.028) and radii[-1] + 0.00175 / 2 == pytest.approx(0.0435)
    assert coil.positions[:, 2].max() < 0 and coil.positions[:, 2].min() > -0.006
    assert np.ptp(coil.positions[:, 0]) == pytest.approx(4 * 0.0435 - 0.00175, rel=2e-3)
    # the wings carry opposite currents, and the loops close: no net current element, no net moment
    elements = coil.elements[0]
    np.testing.assert_allclose(elements.vectors.sum(axis=0), 0, atol=1e-12)
    moment = 0.5 * np.cross(elements.positions, elements.vectors).sum(axis=0)
    np.testing.assert_allclose(moment, 0, atol=1e-12)
    # rising current induces -∂A/∂t along +y below the middle
    assert -coil.vector_potential([[0, 0, 0.02]])[0, 1] > 1e-6


def test_moved_coil_carries_its_potential_with_it():
    coil = Coil("mix", (Dipoles([[0.01, 0, 0]], [[0, 1e-3, 2e-3]]), Currents([[0, 0.02, 0]], [[1e-2, 0, 1e-3]])))
    matrix = rotation(0, 35) @ rotation(2, -50)
    matrix[:3, 3] = [10, -20, 30]
    pose = Pose(matrix)
    points = np.random.default_rng(1).normal(size=(20, 3)) + 1
    moved_points = points @ pose.rotation.T + pose.centre
    expected = coil.vector_potential(points) @ pose.rotation.T
    np.testing.assert_allclose(coil.moved(pose).vector_potential(moved_points), expected, rtol=1e-12)


def test_dipoles_far_from_a_loop_are_the_loop():
    area = np.pi * 0.01**2
    dipole = Coil("dipole", (Dipoles([[0, 0, 0]], [[0, 0, area]]),))
    points = np.array([[0.3, 0.1, 0.2], [-0.2, 0.4, 0.1]])
    np.testing.assert_allclose(dipole.vector_potential(points), loop_potential(points, 0.01), rtol=2e-3)


def test_ccd_is_read_in_its_units(tmp_path):
    path = tmp_path / "some.ccd"
    path.write_text(HEADER.format("Twin") + "2\n# centers and weighted directions\n" + ROWS)
    coil = load_coil(path)
    assert coil.name == "Twin"
    assert coil.max_didt == pytest.approx(100e6)  # the file says A/µs
    np.testing.assert_allclose(coil.positions, [[-0.01, 0, -0.001], [0.01, 0, -0.001]])
    np.testing.assert_allclose(coil.elements[0].vectors, [[1e-6, 0, 2e-6], [-1e-6, 0, -2e-6]])


def test_ccd_without_a_coil_name_is_named_after_its_file(tmp_path):
    path = tmp_path / "some.ccd"
    path.write_text(HEADER.format("none") + "2\n# x\n" + ROWS)
    assert load_coil(path).name == "some"


@pytest.mark.parametrize(
    "change,words",
    [
        (lambda m: m @ np.diag([1, 1, 1.1, 1]), "scaled.*axis z has 1.1"),
        (lambda m: m @ np.diag([-1, 1, 1, 1]), "left-handed"),
        (lambda m: m @ (np.eye(4) + 0.1 * np.eye(4)[[1, 0, 2, 3]] * [[1], [0], [0], [0]]), "sheared|scaled"),
        (lambda m: m + np.eye(4)[[3, 0, 1, 2]] * [[0], [0], [0], [1]], "last row"),
        (lambda m: m * np.nan, "finite"),
        (lambda m: m[:3, :3], "4×4"),
    ],
)
def test_matrix_that_is_no_pose_is_refused(change, words):
    with pytest.raises(FemtmsError, match=words):
        Pose(change(rotation(1, 20)))


def test_sheared_matrix_says_the_angle():
    matrix = np.eye(4)
    matrix[:3, 1] = [np.cos(np.radians(80)), np.sin(np.radians(80)), 0]
    with pytest.raises(FemtmsError, match=r"sheared.*x and y are at 80\.00°"):
        Pose(matrix)


def test_rounded_matrix_is_made_orthonormal():
    pose = Pose(np.round(rotation(0, 33) @ rotation(1, 21), 4))
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-14)


@pytest.mark.parametrize("at,angle", [("C3", 36), ("C4", -36), ("T7", 72), ("Cz", 0)])
def test_place_on_a_sphere_is_radial(ball, at, angle):
    pose = place(ball, at, "Oz", gap_mm=4)
    outward = np.array([-np.sin(np.radians(angle)), 0, np.cos(np.radians(angle))])
    assert np.degrees(np.arccos(-pose.matrix[:3, 2] @ outward)) < 0.5
    np.testing.assert_allclose(pose.matrix[:3, 3], 96 * outward, atol=0.6)
    np.testing.assert_allclose(np.cross(pose.matrix[:3, 1], pose.matrix[:3, 2]), pose.matrix[:3, 0], atol=1e-12)


def test_gap_is_the_distance_to_the_scalp(ball):
    near, far = (place(ball, "C3", "CP3", gap_mm=gap).centre for gap in (2.0, 9.5))
    assert 1e3 * np.linalg.norm(far - near) == pytest.approx(7.5, abs=0.01)


def test_y_points_towards_the_other_place(ball):
    pose = place(ball, "Cz", "Fz")
    np.testing.assert_allclose(pose.matrix[:3, 1], [0, 1, 0], atol=0.02)
    by_coordinates = place(ball, (0, 0, 92), (0, 40, 80))
    np.testing.assert_allclose(by_coordinates.matrix, pose.matrix, atol=0.02)


@pytest.mark.parametrize(
    "at,towards,gap,words",
    [
        ("C33", "CP3", 4, "'at' must be one of .*C3.*got 'C33'"),
        ("C3", "nowhere", 4, "'towards' must be one of"),
        ("C3", "C3", 4, "another place"),
        ((0, 0, 150), "C3", 4, "58 mm away"),
        ((0, 0, np.nan), "C3", 4, "three finite numbers"),
        ("C3", "CP3", -1, "gap_mm must be .*≥ 0; got -1"),
    ],
)
def test_impossible_place_is_refused(ball, at, towards, gap, words):
    with pytest.raises(FemtmsError, match=words):
        place(ball, at, towards, gap)


def test_name_on_a_head_without_electrodes_is_refused(ball):
    from femtms import TetMesh

    with pytest.raises(FemtmsError, match="no electrode positions: give x,y,z"):
        place(TetMesh(ball.nodes, ball.tets, ball.tags), "C3", "CP3")


def test_coil_in_the_head_is_refused_with_its_depth(ball):
    matrix = place(ball, "Cz", "Fz", gap_mm=0).matrix.copy()
    coil = Coil("one", (Dipoles([[0, 0, -0.001]], [[0, 0, 1e-3]]),))
    check_clear(ball, coil, Pose(matrix))  # 1 mm above the scalp
    matrix[2, 3] -= 13
    with pytest.raises(FemtmsError, match=r"inside the head: 1 of 1 .* 1[12]\.\d mm below the surface"):
        check_clear(ball, coil, Pose(matrix))


@pytest.mark.parametrize("elements", [(), (Dipoles,)])
def test_coil_without_elements_is_refused(elements):
    with pytest.raises(FemtmsError, match="at least one element"):
        Coil("none", tuple(kind(np.zeros((0, 3)), np.zeros((0, 3))) for kind in elements))


def test_not_finite_element_is_refused():
    with pytest.raises(FemtmsError, match="element 1"):
        Dipoles([[0, 0, 0], [0, np.nan, 0]], [[0, 0, 1], [0, 0, 1]])


def test_unit_shear_is_called_a_shear():
    matrix = np.eye(4)
    matrix[0, 1] = 0.2  # changes the length of y too
    with pytest.raises(FemtmsError, match=r"sheared.*x and y are at 78\.69°"):
        Pose(matrix)


@pytest.mark.parametrize("matrix", ["abc", [[1, 2], [3]], None])
def test_what_is_no_matrix_is_refused(matrix):
    with pytest.raises(FemtmsError, match="4×4"):
        Pose(matrix)
