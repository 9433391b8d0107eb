import numpy as np
import pytest

from femtms.mesh.angles import dihedral_angles

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])[[0, 2, 1, 3]]


def test_known_tetrahedra_have_their_angles():
    np.testing.assert_allclose(dihedral_angles(REGULAR, np.array([[0, 1, 2, 3]])), np.degrees(np.arccos(1 / 3)))
    slanted = np.degrees(np.arccos(1 / np.sqrt(3)))
    angles = dihedral_angles(7e-3 * CORNERS, np.array([[0, 1, 2, 3], [1, 0, 3, 2]]))
    np.testing.assert_allclose(
        angles, [[90, 90, 90, slanted, slanted, slanted], [90, slanted, slanted, 90, 90, slanted]]
    )


def test_angles_are_those_between_planes_through_each_edge():
    rng = np.random.default_rng(3)
    nodes = rng.normal(size=(400, 3))
    tets = np.arange(400).reshape(-1, 4)
    flip = np.linalg.det(nodes[tets[:, 1:]] - nodes[tets[:, :1]]) < 0
    tets[flip] = tets[flip][:, [0, 2, 1, 3]]
    angles = dihedral_angles(nodes, tets)
    for column, (a, b, c, d) in enumerate(
        [(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 0, 2), (2, 3, 0, 1)]
    ):
        x = nodes[tets]
        along = x[:, b] - x[:, a]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        p, q = (v - (v * along).sum(axis=1, keepdims=True) * along for v in (x[:, c] - x[:, a], x[:, d] - x[:, a]))
        cosine = (p * q).sum(axis=1) / np.linalg.norm(p, axis=1) / np.linalg.norm(q, axis=1)
        np.testing.assert_allclose(angles[:, column], np.degrees(np.arccos(cosine)), atol=1e-6)


@pytest.mark.parametrize("height", [1e-3, 1e-9])
def test_angles_of_a_sliver_keep_their_digits(height):
    flat = np.array([[1, 0, height], [-1, 0, height], [0, 1, 0], [0, -1, 0.0]])[[0, 1, 3, 2]]
    angles = np.sort(dihedral_angles(flat, np.array([[0, 1, 2, 3]]))[0])
    np.testing.assert_allclose(180 - angles[4:], np.degrees(2 * np.arctan(height)), rtol=1e-6)
    np.testing.assert_allclose(angles[:4], angles[0])
    assert 0 < angles[0] < np.degrees(3 * height)
