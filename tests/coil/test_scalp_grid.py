"""Ways along the scalp: on a sphere they are great circles, and directions keep their angle with them."""

import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, TetMesh, load_head, mesh_head, place
from femtms.coil.direction import towards_the_midline
from femtms.coil.place import seat_at
from femtms.coil.scalp import Scalp

R = 0.092


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=8.0)


@pytest.fixture(scope="module")
def scalp(mesh):
    return Scalp.of(mesh)


def exact(seat, u, v):
    """Point, normal and y on the sphere at (u, v) m from a seat: along a great circle, in parallel."""
    n = seat.foot / np.linalg.norm(seat.foot)
    y = seat.y - (seat.y @ n) * n
    y /= np.linalg.norm(y)
    x, length = np.cross(n, y), np.hypot(u, v)
    d, t = (u * y + v * x) / length, length / R
    normal, along = np.cos(t) * n + np.sin(t) * d, np.cos(t) * d - np.sin(t) * n
    return R * normal, normal, (u * along - v * np.cross(normal, along)) / length


def degrees_between(a, b):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


@pytest.mark.parametrize("offset", [(5, 0), (0, -12), (20, 20), (-35, 10), (60, -40)])
@pytest.mark.parametrize("at", ["C3", "Fz", "O2"])
def test_an_offset_on_a_sphere_is_the_exponential_map(mesh, scalp, at, offset):
    start = seat_at(scalp, mesh, at, "Cz")
    seat = scalp.moved(start, offset)
    point, normal, y = exact(start, *(1e-3 * np.array(offset)))
    assert 1e3 * np.linalg.norm(seat.foot - point) < 0.2  # the facets are 0.1 mm below the sphere
    assert degrees_between(seat.outward, normal) < 0.5
    assert degrees_between(seat.y, y) < 0.5
    assert abs(seat.y @ seat.outward) < 1e-12 and np.isclose(np.linalg.norm(seat.y), 1)


def test_directions_of_a_small_grid_agree(mesh, scalp):
    start = seat_at(scalp, mesh, "C3", "CP3")
    grid = [scalp.moved(start, (u, v)) for u in (-10, 0, 10) for v in (-10, 0, 10)]
    # the curvature turns y into the head by 10/92 rad, and the angles of a square on the sphere hardly at all
    for seat in grid:
        along = seat.y - (seat.y @ start.outward) * start.outward
        assert degrees_between(along, start.y) < 1


def test_the_way_back_leads_to_the_start(mesh, scalp):
    start = seat_at(scalp, mesh, "P4", "Cz")
    there = scalp.moved(start, (30, -10))
    back = scalp.moved(there, (-30, 10))
    assert 1e3 * np.linalg.norm(back.foot - start.foot) < 0.3
    assert degrees_between(back.y, start.y) < 0.5


def test_bumps_and_coarse_facets_change_places_little(scalp, mesh):
    fine = seat_at(scalp, mesh, "C3", "CP3")
    coarse_mesh = mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=14.0)
    coarse = Scalp.of(coarse_mesh)
    far = [s.moved(seat_at(s, m, "C3", "CP3"), (25, 25)) for s, m in ((scalp, mesh), (coarse, coarse_mesh))]
    assert 1e3 * np.linalg.norm(far[0].foot - far[1].foot) < 1.0
    assert np.linalg.norm(far[0].foot - fine.foot) > 0.03


def test_no_offset_is_the_place_itself_to_the_last_bit(mesh, scalp):
    seat = seat_at(scalp, mesh, "C3", "CP3")
    assert scalp.moved(seat, (0, 0)) is seat
    assert (scalp.pose(seat, 4.0).matrix == place(mesh, "C3", "CP3", 4.0).matrix).all()


def test_a_quarter_turn_takes_y_to_minus_x(mesh, scalp):
    seat = seat_at(scalp, mesh, "C3", "CP3")
    before, after = scalp.pose(seat, 0).rotation, scalp.pose(seat.turned(90), 0).rotation
    np.testing.assert_allclose(after[:, 1], -before[:, 0], atol=1e-12)
    np.testing.assert_allclose(after[:, 2], before[:, 2], atol=1e-12)


def test_no_direction_is_45_degrees_to_the_sagittal_plane(mesh, scalp):
    for at in ("C3", "F4", "Cz"):
        seat = seat_at(scalp, mesh, at, None)
        expected = towards_the_midline(place(mesh, at, (10.0, 35.0, 120.0), 0.0))
        np.testing.assert_allclose(scalp.pose(seat, 0.0).matrix, expected.matrix, atol=1e-6)


def test_a_grid_on_a_real_head_keeps_its_distances():
    mesh = mesh_head(load_head("colin27"), size_mm=12.0)
    scalp = Scalp.of(mesh)
    start = seat_at(scalp, mesh, "C3", "CP3")
    feet = np.array([[scalp.moved(start, (u, v)).foot for v in (-10, 0, 10)] for u in (-10, 0, 10)])
    for axis in (0, 1):
        apart = 1e3 * np.linalg.norm(np.diff(feet, axis=axis), axis=-1)
        assert (abs(apart - 10) < 1).all(), apart


def test_where_the_scalp_ends_is_said():
    """The tip of a needle cannot be passed."""
    nodes = 1e-3 * np.array([[0.0, 0, 0], [60, 0, 0], [0, 60, 0], [0, 0, 300.0]])
    needle = TetMesh(nodes, np.array([[0, 1, 2, 3]]), np.array([5]))
    scalp = Scalp.of(needle)
    seat = seat_at(scalp, needle, (0.0, 20.0, 100.0), (0.0, 20.0, 200.0))
    with pytest.raises(FemtmsError, match=r"the scalp must go on for 400\.0 mm .* it ends after [0-9.]+ mm, at"):
        scalp.moved(seat, (400, 0))
