"""Positions around a head on a flat map."""

import numpy as np
import pytest

from femtms.report.scalp_map import azimuthal_map, head_outline, offset_map, seen_from_above


def on_sphere(u, v, radius=0.09, turn=0.0):
    """(n,4,3): coils at arcs u in front of and v right of the top of a sphere, y to the front.

    z points into the sphere, and x = y × z.
    """
    u, v = np.atleast_1d(u), np.atleast_1d(v)
    length = np.hypot(u, v)
    angle, side = length / radius, np.stack([v, u], axis=1) / np.maximum(length, 1e-12)[:, None]
    out = np.column_stack([np.sin(angle)[:, None] * side, np.cos(angle)])
    y = np.array([0.0, 1.0, 0.0]) - out * out[:, 1:2]
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    x = np.cross(y, -out)
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([c * x + s * y, c * y - s * x, -out, radius * out], axis=1)


def test_arcs_from_the_middle_have_their_length():
    u, v = np.array([0, 0.03, -0.03, 0, 0]), np.array([0, 0, 0, 0.05, -0.05])
    scalp = azimuthal_map(on_sphere(u, v))
    np.testing.assert_allclose(scalp.xy, 1e3 * np.stack([v, u], axis=1), atol=1e-3)
    assert scalp.axes == ("towards R (mm)", "towards A (mm)")


def test_seen_from_outside_a_coil_turns_clockwise_with_its_angle():
    """Positive angles are right-handed about z, which points away from who looks."""
    u, v = np.array([0, 0.02, -0.02, 0.02, -0.02]), np.array([0, 0.02, -0.02, -0.02, 0.02])
    scalp = azimuthal_map(on_sphere(u, v))
    np.testing.assert_allclose(scalp.y[0], (0, 1), atol=1e-3)
    np.testing.assert_allclose(scalp.x[0], (-1, 0), atol=1e-3)
    turned = azimuthal_map(on_sphere(u, v, turn=np.pi / 2))
    np.testing.assert_allclose(turned.y[0], (1, 0), atol=1e-3)
    (y0, y1), (t0, t1) = scalp.y.T, turned.y.T
    assert (y0 * t1 - y1 * t0).max() < -0.99  # all of them


@pytest.mark.parametrize("side", [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)])
def test_the_sides_of_a_head_have_their_top_up(side):
    """Turn the top of the sphere to a side: what was towards the top stays up."""
    side = np.array(side, dtype=float)
    up = np.array([0.0, 0.0, 1.0])
    out = side + np.array([[0.0], [0.2], [-0.2]]) * up
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    y = up - out * (out @ up)[:, None]
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    scalp = azimuthal_map(np.stack([np.cross(y, -out), y, -out, 0.09 * out], axis=1))
    assert scalp.xy[1, 1] > scalp.xy[0, 1] > scalp.xy[2, 1]
    np.testing.assert_allclose(scalp.y, [(0, 1)] * 3, atol=1e-3)
    assert scalp.axes[1] == "towards S (mm)"


def test_an_unknown_position_stays_unknown_and_moves_no_other():
    frames = on_sphere(np.array([0, 0.03, -0.03]), np.array([0, 0, 0]))
    with_unknown = np.concatenate([frames, np.full((1, 4, 3), np.nan)])
    scalp = azimuthal_map(with_unknown)
    assert np.isnan(scalp.xy[3]).all() and np.isnan(scalp.y[3]).all()
    np.testing.assert_array_equal(scalp.xy[:3], azimuthal_map(frames).xy)
    assert np.isnan(azimuthal_map(with_unknown[3:]).xy).all()


def test_one_position_and_parallel_ones_are_not_far_away():
    assert np.abs(azimuthal_map(on_sphere(0.0, 0.0)).xy).max() < 1e-6
    frames = on_sphere(np.zeros(3), np.zeros(3))
    frames[1, 3, 0] += 0.01
    frames[2, 3, 0] -= 0.01
    assert np.ptp(azimuthal_map(frames).xy[:, 0]) == pytest.approx(20.0, rel=0.02)


def test_a_grid_is_seen_as_the_same_positions_projected():
    """u is along y, v along x, which points to the left: with the first axis mirrored both maps are the same."""
    offsets = [(0.0, 0.0), (10.0, 0.0), (-10.0, 0.0), (0.0, 10.0), (0.0, -10.0)]
    grid = offset_map(offsets)
    u, v = 1e-3 * np.array(offsets).T
    projected = azimuthal_map(on_sphere(u, -v))  # x is to the left
    assert grid.is_mirrored
    np.testing.assert_allclose(grid.xy * [-1, 1], projected.xy, atol=1e-3)
    np.testing.assert_allclose((grid.y * [-1, 1])[0], projected.y[0], atol=1e-3)
    np.testing.assert_allclose((grid.x * [-1, 1])[0], projected.x[0], atol=1e-3)


def test_the_outline_from_above_has_the_nose_in_front_and_ears_at_both_sides():
    circle, nose, *ears = head_outline(*np.eye(3))
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), np.pi / 2)
    np.testing.assert_allclose(circle[0], circle[-1], atol=1e-12)
    tip = nose[np.linalg.norm(nose, axis=1).argmax()]
    assert tip[0] == pytest.approx(0, abs=1e-12) and tip[1] > 1.1 * np.pi / 2
    left, right = sorted(ears, key=lambda ear: ear[:, 0].mean())
    np.testing.assert_allclose(np.sort(left * [-1, 1], axis=0), np.sort(right, axis=0), atol=1e-12)
    assert right[:, 0].max() > np.pi / 2 and abs(right[:, 1].mean()) < 1e-12
    assert len(head_outline(*np.eye(3))) == 4


def test_from_the_left_the_ear_is_in_the_middle_and_the_other_is_hidden():
    """Who looks at the left ear sees A at the left."""
    _, nose, ear = head_outline(np.array([0.0, -1, 0]), np.array([0.0, 0, 1]), np.array([-1.0, 0, 0]))
    assert nose[:, 0].min() < -1.1 * np.pi / 2
    assert np.linalg.norm(ear, axis=1).max() < 0.3


def test_the_outline_is_where_coils_a_quarter_of_the_head_away_are():
    u, v = np.array([0, 1, -1, 0, 0]), np.array([0, 0, 0, 1, -1])
    quarter = 0.09 * np.pi / 2
    scalp = azimuthal_map(on_sphere(quarter * u, quarter * v))
    radius = np.abs(scalp.outline[0]).max()
    np.testing.assert_allclose(np.linalg.norm(scalp.xy[1:], axis=1), radius, rtol=0.01)
    np.testing.assert_allclose(
        seen_from_above(on_sphere(quarter * u, quarter * v)), np.pi / 2 * np.stack([v, u], axis=1), atol=1e-6
    )
    assert offset_map([(0.0, 0.0)]).outline == []
