"""Dipole coils as pictures show them."""

import numpy as np

from femtms.report.marks import dipole_marks, rim, wires


def test_layers_of_a_stack_are_added_up_and_drawn_towards_the_head():
    positions = np.array([[0.01, 0, -0.003], [0.01, 0, -0.01], [0.03, 0.02, -0.01]])
    moments = np.array([[0, 0, 3.0], [0, 0, -1.0], [4.0, 0, 0]])
    points, strength = dipole_marks(positions, moments)
    np.testing.assert_allclose(points, [[0.01, 0, -0.003], [0.03, 0.02, -0.003]])
    np.testing.assert_allclose(strength, [0.5, 1.0])


def test_rim_goes_around_all_points_and_closes():
    points = np.array([[0, 0, 1.0], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.5, 0.5, 1]])
    outline = rim(points)
    assert len(outline) == 5
    np.testing.assert_array_equal(outline[0], outline[-1])
    assert {tuple(p) for p in outline} == {tuple(p) for p in points[:4]}


def test_points_on_a_line_have_no_rim():
    assert rim(np.array([[0, 0, 0], [1, 1, 0], [2, 2, 0.0]])).shape == (0, 3)
    assert rim(np.zeros((1, 3))).shape == (0, 3)


def test_wires_follow_current_elements_and_end_where_they_do():
    angle = (np.arange(90) + 0.5) * 2 * np.pi / 90
    circle = 0.04 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    tangents = 0.04 * 2 * np.pi / 90 * np.column_stack([-np.sin(angle), np.cos(angle), 0 * angle])
    # two rings, the second 30 mm above the first
    positions, vectors = np.concatenate([circle, circle + [0, 0, 0.03]]), np.concatenate([tangents, tangents])
    lines = wires(positions, vectors)
    assert [len(line) for line in lines] == [92, 92]
    for line, z in zip(lines, (0, 0.03)):
        np.testing.assert_allclose(line[:, 2], z)
        np.testing.assert_allclose(line[[0, -1]], [[0.04, 0, z]] * 2, atol=1e-4)
