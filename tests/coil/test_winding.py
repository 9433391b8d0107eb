"""Windings: what their elements lose against the wires that they stand for, and the usual shapes."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.special import ellipe, ellipk

from femtms import FemtmsError, Pose, load_coil
from femtms.coil.inductance import _mean_distances
from femtms.coil.path import Circle, Polyline, gauss_bound
from femtms.coil.shapes import Wing, circular, cloverleaf, figure_eight, solenoid, turn_radii, wound_coil
from femtms.coil.stimulator import Stimulator
from femtms.coil.winding import Winding
from femtms.kernels import cpu
from femtms.reference.loop import loop_potential
from femtms.reference.segment import segment_potential

MU0 = 4e-7 * np.pi
Z = np.array([0.0, 0, 1])
MAGSTIM_70 = Wing(0.056, 0.087, 9, 0.00175, 0.006)


def tilted():
    """A rotation by odd angles, and a shift."""
    a, b = 0.7, -1.1
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = about_x @ about_z, [10, -20, 30]
    return Pose(matrix)


def sphere_points(rng, count):
    """Unit vectors in all directions."""
    x = rng.normal(size=(count, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def potential(elements, points):
    return elements.potential(np.ascontiguousarray(points), cpu)


def points_around(line, distance, count=400, seed=0):
    """Points about as near to a line (p,3) as `distance`, none nearer."""
    rng = np.random.default_rng(seed)
    fine = np.concatenate(
        [a + np.linspace(0, 1, 50, endpoint=False)[:, None] * (b - a) for a, b in itertools.pairwise(line)]
    )
    steps = rng.normal(size=(8 * count, 3))
    steps *= distance * rng.uniform(1.0, 1.3, (8 * count, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    points = fine[rng.integers(len(fine), size=8 * count)] + steps
    return points[cKDTree(fine).query(points)[0] >= distance][:count]


# --- bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("ratio", [0.3, 0.8, 1.5])
def test_gauss_bound_holds_and_is_not_far_off(count, ratio):
    length, distance = 0.01, 0.01 / ratio
    x, w = np.polynomial.legendre.leggauss(count)
    fine, fine_w = np.polynomial.legendre.leggauss(60)
    worst = 0.0
    for along in np.linspace(-0.5, 0.5, 41) * length + 0.0:
        for at in ([along, distance], [length / 2 + distance, 0.0]):
            means = [(v / 2) @ (1 / np.hypot(at[0] - u * length / 2, at[1])) for u, v in ((x, w), (fine, fine_w))]
            worst = max(worst, abs(means[0] / means[1] - 1))
    bound = gauss_bound(count, length, distance)
    assert worst <= bound
    assert worst > bound / 60  # otherwise it would cost elements for nothing


def test_no_filament_is_wasted_and_none_is_missing():
    winding = Winding((Circle(np.zeros(3), Z, 0.03),), 1.75e-3, 6e-3)
    for accuracy in (1e-1, 1.5e-2, 1e-3, 1e-5):
        plans = winding._plans(5e-3, accuracy)
        for across, along, rest in plans:
            lost = gauss_bound(across, 1.75e-3, 5e-3) * (1 + 5 / 30) + gauss_bound(along, 6e-3, 5e-3)
            assert lost + rest == pytest.approx(accuracy) and rest > 0
        sizes = [
            len(w) * len(winding.filaments(a, b))
            for a, b, rest in plans
            for w in (winding.paths[0].currents(5e-3, rest),)
        ]
        assert len(winding.currents(5e-3, accuracy)) == pytest.approx(min(sizes), rel=0.05)
    with pytest.raises(FemtmsError, match="look from farther off"):
        Winding((Circle(np.zeros(3), Z, 0.2),), 5e-2, 5e-2).currents(1e-3, 1e-3)


@pytest.mark.parametrize("radius", [0.004, 0.043, 0.08])
@pytest.mark.parametrize("accuracy", [1e-2, 1e-4])
def test_circle_keeps_its_bound_against_the_elliptic_integrals(radius, accuracy):
    distance = 5e-3
    pose = tilted()
    circle = Circle(np.zeros(3), Z, radius, turns=-3.0)
    points = points_around(circle.outline(), distance)
    exact = -3.0 * loop_potential(points, radius) @ pose.rotation.T
    elements = circle.moved(pose).currents(distance, accuracy)
    error = np.linalg.norm(potential(elements, pose.in_head(points)) - exact, axis=1)
    r = np.linalg.norm(points[:, None] - circle.outline()[:-1], axis=2)
    scale = 3e-7 * 2 * np.pi * radius * (1 / r).mean(axis=1)  # (μ0/4π) ∮ |dl|/r, well enough
    assert (error <= 1.05 * accuracy * scale).all()
    assert len(elements) == 12 or len(elements) < len(circle.currents(distance, accuracy / 100))


@pytest.mark.parametrize("accuracy", [1e-2, 1e-5])
def test_polyline_keeps_its_bound_against_exact_segments(accuracy):
    distance = 4e-3
    corners = np.array([[0, 0, 0], [0.05, 0, 0], [0.05, 0.03, 0.01], [0.01, 0.04, -0.02]])
    line = Polyline(corners, Z, turns=2.0)
    points = points_around(line.outline(), distance)
    segments = list(itertools.pairwise(line.outline()))
    exact = 2 * sum(segment_potential(points, a, b) for a, b in segments)
    scale = 2 * sum(np.linalg.norm(segment_potential(points, a, b), axis=1) for a, b in segments)
    error = np.linalg.norm(potential(line.currents(distance, accuracy), points) - exact, axis=1)
    assert (error <= accuracy * scale).all()
    assert error.max() > 1e-4 * accuracy * scale.max()


def test_segments_of_a_fine_polygon_are_a_circle():
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    polygon = 0.04 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    points = np.random.default_rng(0).normal(size=(50, 3)) * 0.1
    exact = loop_potential(points, 0.04)
    made = sum(segment_potential(points, a, b) for a, b in zip(polygon, np.roll(polygon, -1, axis=0)))
    np.testing.assert_allclose(made, exact, atol=1e-5 * np.abs(exact).max())


def test_winding_is_accurate_five_millimetres_from_the_wire_against_a_ten_times_finer_model():
    winding, _ = figure_eight(MAGSTIM_70)
    made = winding.currents()
    # many filaments where there are few, and elements for points ten times as near
    paths = winding.filaments(8, 10)
    finer = winding._joined(type(made), [path.currents(5e-4, 1e-3) for path in paths])
    assert len(finer) > 30 * len(made)
    edges = [line for path in winding.paths[:9] for line in (path.shifted(s * 875e-6, 3e-3).outline() for s in (-1, 1))]
    points = np.concatenate([points_around(line, 5e-3, 400) for line in edges])
    wires = np.concatenate(
        [p.shifted(x, z).outline() for p in winding.paths for x in (-8e-4, 0, 8e-4) for z in (-3e-3, 0, 3e-3)]
    )
    points = points[cKDTree(wires).query(points)[0] > 4.9e-3]
    assert len(points) > 100
    expected = potential(finer, points)
    error = np.linalg.norm(potential(made, points) - expected, axis=1)
    assert error.max() < 0.01 * np.linalg.norm(expected, axis=1).max()


def test_dipoles_stand_for_the_wires_as_well_as_they_say():
    winding, _ = figure_eight(Wing(0.02, 0.04, 4, 0.002, 0.004))
    dipoles, error = winding.dipoles(distance=6e-3, accuracy=0.02)
    assert 0 < error <= 0.02
    rng = np.random.default_rng(1)
    points = rng.uniform([-0.06, -0.04, 0.006], [0.06, 0.04, 0.04], (3000, 3))
    expected = potential(winding.currents(6e-3, 1e-4), points)
    made = potential(dipoles, points)
    assert np.linalg.norm(made - expected, axis=1).max() <= 0.02 * np.linalg.norm(expected, axis=1).max()
    assert len(winding.dipoles(distance=12e-3, accuracy=0.02)[0]) < len(dipoles)
    # not more than it says at points that it has not looked at, as near as can be
    near = dipoles.positions[rng.integers(len(dipoles.positions), size=4000)] + 6e-3 * sphere_points(rng, 4000)
    near = near[cKDTree(dipoles.positions).query(near)[0] >= 5.999e-3]
    exact = potential(winding.currents(6e-3, 1e-4), near)
    scale = np.linalg.norm(exact, axis=1).max()
    assert len(near) > 100 and np.linalg.norm(potential(dipoles, near) - exact, axis=1).max() <= error * scale * 1.02
    # the magnetic moments are those of the loops
    areas = np.pi * turn_radii(0.02, 0.04, 4, 0.002) ** 2
    right = dipoles.positions[:, 0] > 0
    assert dipoles.vectors[right, 2].sum() == pytest.approx(areas.sum(), rel=3e-3)
    assert dipoles.vectors[~right, 2].sum() == pytest.approx(-areas.sum(), rel=3e-3)


def test_dipoles_of_a_polyline_fill_a_surface_that_it_bounds():
    square = Polyline(np.array([[0, 0, 0], [0.03, 0, 0], [0.03, 0.02, 0], [0, 0.02, 0]]), Z, 5.0)
    winding = Winding((square,), 1e-3, 1e-3)
    dipoles, error = winding.dipoles(distance=8e-3, accuracy=0.01)
    assert error <= 0.01
    assert dipoles.vectors.sum(axis=0) == pytest.approx([0, 0, 5 * 6e-4], rel=1e-3, abs=1e-9)


# --- shapes --------------------------------------------------------------------------------------------------


def moment(elements):
    return 0.5 * np.cross(elements.positions, elements.vectors).sum(axis=0)


def test_wire_has_its_cross_section():
    winding = Winding((Circle(np.zeros(3), Z, 0.03),), 2e-3, 6e-3)
    radii = sorted({round(path.radius, 6) for path in winding.filaments(2, 1)})
    np.testing.assert_allclose(radii, 0.03 + 1e-3 / np.sqrt(3) * np.array([-1, 1]), atol=1e-6)
    heights = [path.centre[2] for path in winding.filaments(1, 2)]
    np.testing.assert_allclose(heights, 3e-3 / np.sqrt(3) * np.array([-1, 1]))
    assert sum(path.turns for path in winding.filaments(3, 4)) == pytest.approx(1)


def test_polyline_around_a_circle_shifts_as_the_circle_does():
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    line = Polyline(0.03 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]), Z)
    shifted = line.shifted(2e-3, -1e-3)
    np.testing.assert_allclose(np.hypot(*shifted.points[:, :2].T), 0.032, rtol=1e-4)
    np.testing.assert_allclose(shifted.points[:, 2], -1e-3)


def test_polyline_around_a_circle_bends_as_the_circle_does():
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    line = Polyline(0.03 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]), Z)
    assert line.bend(5e-3) == pytest.approx(Circle(np.zeros(3), Z, 0.03).bend(5e-3), rel=1e-3)


def test_polyline_along_its_axis_can_be_shifted():
    line = Polyline(np.array([[0, 0, 0], [0.01, 0, 0], [0.01, 0, 0.02], [0, 0, 0.02]]), Z)
    assert np.isfinite(line.shifted(1e-3, 0).points).all()


@pytest.mark.parametrize("layers", [1, 3])
def test_figure_eight_has_two_equal_and_opposite_wings(layers):
    winding, rims = figure_eight(Wing(0.056, 0.087, 9, 0.00175, 0.006, layers))
    assert len(winding.paths) == 2 * 9 * layers
    elements = winding.currents()
    np.testing.assert_allclose(moment(elements), 0, atol=1e-12)
    np.testing.assert_allclose(elements.vectors.sum(axis=0), 0, atol=1e-12)
    assert -0.006 * layers < elements.positions[:, 2].min() and elements.positions[:, 2].max() < 0
    assert np.ptp(np.concatenate(rims)[:, 0]) == pytest.approx(4 * 0.0435, rel=1e-3)
    coil = wound_coil("eight", winding, outlines=rims)
    assert -coil.vector_potential([[0, 0, 0.02]])[0, 1] > 1e-6  # a rising current induces E along +y


def test_bent_wings_embrace_the_head():
    winding, rims = figure_eight(Wing(0.096, 0.125, 7, 0.00175, 0.006), angle=100)
    axes = {tuple(np.round(path.axis, 6)) for path in winding.paths}
    assert len(axes) == 2
    a, b = (np.array(axis) for axis in axes)
    # the faces are at 100 degrees: so are the lines in them, and their normals at 80
    assert np.degrees(np.arccos(a @ b)) == pytest.approx(80, abs=1e-3)
    points = np.concatenate(rims)
    outer = points[np.abs(points[:, 0]).argmax()]
    assert outer[2] == pytest.approx(0.125 * np.sin(np.radians(40)), rel=1e-3)
    assert outer[2] > 0  # towards the head
    assert points[:, 2].min() >= -1e-12
    np.testing.assert_allclose(moment(winding.currents())[1:], 0, atol=1e-9)


def test_overlapping_wings_lie_upon_each_other():
    winding, _ = figure_eight(MAGSTIM_70, separation=0.06)
    middles = np.array([path.centre for path in winding.paths])
    assert np.ptp(middles[:, 0]) == pytest.approx(0.06)
    left, right = middles[middles[:, 0] < 0, 2], middles[middles[:, 0] > 0, 2]
    assert right.max() == pytest.approx(left.min() - 0.006)


def test_cloverleaf_has_no_field_at_its_middle():
    coil = wound_coil("clover", cloverleaf(Wing(0.02, 0.04, 5, 0.0015, 0.004))[0])
    at_middle, beside = np.abs(coil.vector_potential([[0, 0, 0.01], [0.01, 0, 0.01]])).max(axis=1)
    assert at_middle < 1e-6 * beside


def test_solenoid_has_the_moment_of_its_turns():
    winding, _ = solenoid(0.04, 0.1, 20, 2e-3, 2e-3)
    assert moment(winding.currents())[2] == pytest.approx(20 * np.pi * 0.02**2, rel=2e-3)
    z = winding.currents().positions[:, 2]
    assert -0.1 < z.min() and z.max() < 0


@pytest.mark.parametrize(("inner", "outer", "turns"), [(0.04, 0.1, 3), (0.0, 0.1, 2), (0.02, 0.05, 1)])
def test_spiral_stays_between_its_diameters(inner, outer, turns):
    winding, _ = circular(Wing(inner, outer, turns, 2e-3, 4e-3, spiral=True))
    radii = np.linalg.norm(winding.paths[0].points[:, :2], axis=1)
    assert radii.min() >= inner / 2 + 1e-3 - 1e-9
    assert radii.max() <= (outer / 2 - 1e-3) * 1.002  # a polygon of the area of the circle reaches a little beyond


def test_spiral_is_nearly_its_circles():
    points = np.random.default_rng(0).uniform([-0.06, -0.06, 0.01], [0.06, 0.06, 0.05], (200, 3))
    made = []
    for spiral in (False, True):
        winding, _ = circular(Wing(0.04, 0.094, 15, 0.00175, 0.006, spiral=spiral))
        made.append(potential(winding.currents(), points))
    difference = np.linalg.norm(made[0] - made[1], axis=1).max()
    assert 0 < difference < 0.03 * np.linalg.norm(made[0], axis=1).max()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Wing(0.05, 0.04, 3, 1e-3, 1e-3), "inner < outer"),
        (lambda: Wing(0.03, 0.04, 9, 2e-3, 1e-3), "must fit between the diameters; they need 18 mm and have 5"),
        (lambda: Wing(0.03, 0.04, 0, 2e-3, 1e-3), "at least 1"),
        (lambda: figure_eight(MAGSTIM_70, angle=0), "above 0 and up to 180 degrees; got 0"),
        (lambda: figure_eight(MAGSTIM_70, separation=-1), "must be > 0"),
        (lambda: solenoid(0.04, 0.01, 20, 2e-3, 2e-3), "20 turns of wire 2 mm high must fit into 10 mm"),
        (lambda: Polyline(np.zeros((3, 3)), Z), "3 different points; got 0"),
        (lambda: Circle(np.zeros(3), np.zeros(3), 0.1), "axis"),
        (lambda: Circle(np.zeros(3), Z, -0.1), "radius"),
        (lambda: Winding((), 1e-3, 1e-3), "at least one path"),
        (lambda: Winding((Circle(np.zeros(3), Z, 0.1),), 0, 1e-3), "wire_width"),
        (lambda: figure_eight(MAGSTIM_70)[0].currents(accuracy=2), "accuracy between 0 and 1"),
    ],
)
def test_impossible_windings_are_refused_in_words(make, words):
    with pytest.raises(FemtmsError, match=words):
        make()


# --- inductance --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.02, 0.06])
def test_inductance_of_a_loop_of_square_wire(radius):
    side = 2e-3
    winding = Winding((Circle(np.zeros(3), Z, radius),), side, side)
    exact = MU0 * radius * (np.log(8 * radius / (0.2235 * 2 * side)) - 2)  # Grover 1946, with the mean distance
    assert winding.inductance == pytest.approx(exact, rel=0.005)


def test_inductance_of_two_loops_has_their_mutual_inductance_twice():
    a, b, apart = 0.03, 0.05, 0.04
    one, other = Circle(np.zeros(3), Z, a), Circle(np.array([0, 0, apart]), Z, b)
    k2 = 4 * a * b / ((a + b) ** 2 + apart**2)
    mutual = MU0 * np.sqrt(a * b / k2) * ((2 - k2) * ellipk(k2) - 2 * ellipe(k2))  # Maxwell 1873, art. 701
    both, first, second = (Winding(paths, 1e-3, 1e-3).inductance for paths in ((one, other), (one,), (other,)))
    assert both == pytest.approx(first + second + 2 * mutual, rel=2e-3)


def test_inductance_of_a_long_solenoid():
    radius, length, turns, side = 0.01, 0.2, 100, 2e-3
    winding, _ = solenoid(2 * radius, length, turns, side, side)
    sheet = MU0 * turns**2 * np.pi * radius**2 / (length + 0.9 * radius)  # Wheeler 1928, Proc IRE 16:1398
    # turns are not a sheet: Rosa 1906, Bull Bur Stand 2:161
    wires = 1.5 - np.log(length / turns / (0.2235 * 2 * side)) + 0.336 * (1 - 2.5 / turns)
    assert winding.inductance == pytest.approx(sheet - MU0 * radius * turns * wires, rel=0.01)


def test_inductance_of_a_flat_coil():
    winding, _ = circular(Wing(0.04, 0.094, 15, 0.00175, 0.006))
    mean, height, build = (length / 0.0254 for length in (0.067 / 2, 0.006, 0.027))  # inches
    wheeler = 0.8e-6 * mean**2 * 15**2 / (6 * mean + 9 * height + 10 * build)  # Wheeler 1928
    assert winding.inductance == pytest.approx(wheeler, rel=0.03)


@pytest.mark.parametrize(("width", "height"), [(2e-3, 2e-3), (7e-4, 7.1e-3), (6e-3, 1.75e-3)])
def test_mean_distances_of_rectangles(width, height):
    table = _mean_distances(width, height)
    assert np.sqrt(table[0, 0]) == pytest.approx(0.2235 * (width + height), rel=2e-3)  # Grover 1946, p. 21
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-0.5, 0.5, (200000, 2)) * [width, height] for _ in range(2))
    apart = 3 * max(width, height) * np.linspace(0, 1, len(table)) ** 2
    for row, column in ((5, 0), (0, 9), (12, 30)):
        mean = np.exp(np.log(np.linalg.norm(a - b + [apart[row], apart[column]], axis=1)).mean())
        made = np.sqrt(table[row, column] + apart[row] ** 2 + apart[column] ** 2)
        assert made == pytest.approx(mean, rel=1e-2)
    # between the nodes, too
    for row in range(4, 40, 7):
        u = (apart[row] + apart[row + 1]) / 2
        mean = np.exp(np.log(np.linalg.norm(a - b + [u, 0], axis=1)).mean())
        made = np.sqrt((table[row, 0] + table[row + 1, 0]) / 2 + u**2)
        assert made == pytest.approx(mean, rel=1e-2)


def test_windings_in_series_have_one_inductance():
    one, _ = circular(Wing(0.03, 0.06, 5, 2e-3, 4e-3))
    apart = one.moved(Pose(np.array([[1, 0, 0, 500], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])))
    assert wound_coil("both", [one, apart]).inductance == pytest.approx(2 * one.inductance, rel=1e-3)
    channels = tuple(Stimulator(name) for name in "ab")
    driven = [one, dataclasses.replace(apart, stimulator=1)]
    assert wound_coil("two", driven, stimulators=channels).inductance is None


def test_inductance_of_endless_wire_is_not_computed(caplog):
    winding, _ = circular(Wing(0.02, 0.1, 60, 2e-4, 2e-4))
    assert winding.inductance is None
    assert "is not computed" in caplog.text


def test_wings_of_a_figure_eight_help_each_other():
    one, both = circular(MAGSTIM_70)[0].inductance, figure_eight(MAGSTIM_70)[0].inductance
    assert 2 * one < both < 2.6 * one
    assert load_coil("figure8-70mm").inductance == pytest.approx(both)


@pytest.mark.parametrize("distance,accuracy", [(5e-3, 1.5e-2), (2e-3, 1e-3), (0.05, 0.1)])
def test_number_of_elements_is_known_before_they_are_made(distance, accuracy):
    square = 0.03 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    for winding in (circular(MAGSTIM_70)[0], Winding((Polyline(square, Z),), 0.002, 0.003)):
        expected = len(winding.currents(distance, accuracy))
        assert winding.number(distance, accuracy) == pytest.approx(expected, rel=0.25)


def test_winding_that_would_fill_the_memory_is_refused():
    fine = Winding((Circle(np.zeros(3), Z, 0.05),), 1e-7, 1e-7)
    with pytest.raises(FemtmsError, match=r"at most 500,000 current elements; these take [\d,]+ or more"):
        fine.currents(1e-7)
