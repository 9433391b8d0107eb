"""Which tetrahedron is at a point: the same as by trying all, and without a look at points that are elsewhere."""

import numpy as np
import pytest
from examples import limited

from femtms import LayeredSphere, mesh_head
from femtms.kernels.places import ALL, held_by, nearest_to
from femtms.mesh.locate import _in_cells

REACH = 4e-3  # m


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((20, 30), (2, 5)), 10.0)


ALONG = np.linspace(-33e-3, 33e-3, 40)[:, None]
CLOUDS = {
    "coincident": np.tile([[4e-3, 7e-3, -11e-3]], (40, 1)),
    "along an axis": ALONG * [0, 1, 0] + [4e-3, 0, -11e-3],
    "on a diagonal": ALONG / np.sqrt(3) + [0, 2e-3, 0],
    "on a plane": np.random.default_rng(0).uniform(-31e-3, 31e-3, (60, 3)) * [1, 0, 1],
    "in a corner": np.random.default_rng(1).uniform(12e-3, 22e-3, (60, 3)),
    "around": np.random.default_rng(2).uniform(-32e-3, 32e-3, (60, 3)),
}


def weights(mesh, points):
    """Barycentric coordinates (p,m,4) of each point in each tetrahedron."""
    corners = mesh.nodes[mesh.tets]
    inverse = np.linalg.inv((corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1))
    rest = np.einsum("mad,pmd->pma", inverse, points[:, None] - corners[None, :, 0])
    return np.concatenate([1 - rest.sum(axis=2, keepdims=True), rest], axis=2)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("tissue", [None, "gm"])
def test_points_are_held_by_the_lowest_tetrahedron_of_all_that_hold_them(mesh, cloud, tissue):
    points = CLOUDS[cloud]
    holds = weights(mesh, points).min(axis=2) >= -1e-9
    holds &= (tissue is None) | (mesh.tags == 2)
    expected = np.where(holds.any(axis=1), holds.argmax(axis=1), -1)
    np.testing.assert_array_equal(mesh.locate(points, tissue, reach=0.0)[0], expected)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_near_does_not_depend_on_the_other_points(mesh, cloud):
    """Alone, in a crowd that fills the head and more, and among its like."""
    points = CLOUDS[cloud]
    crowd = np.random.default_rng(3).uniform(-32e-3, 32e-3, (300, 3))
    found = mesh.locate(points, "gm", REACH)
    in_crowd = mesh.locate(np.concatenate([points, crowd]), "gm", REACH)
    alone = [mesh.locate(point[None], "gm", REACH) for point in points]
    for k in range(2):
        np.testing.assert_array_equal(found[k], in_crowd[k][: len(points)])
        np.testing.assert_array_equal(found[k], np.concatenate([one[k] for one in alone]))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [-1, 1])
def test_tetrahedra_beyond_all_points_look_at_none(axis, side):
    """Or else the work is their number times that of all points in the cells at the rim: minutes here."""
    count = 300_000
    points = np.random.default_rng(4).uniform(0, 1e-3, (count, 3)) * (np.arange(3) != axis)
    corners = np.concatenate([np.zeros((1, 3)), 1e-3 * np.eye(3)])
    away = 2e-3 * side * np.eye(3)[axis]
    tets = np.tile(np.arange(4, dtype=np.int32), (count, 1))
    arguments = (corners + away, tets, np.ones(count, np.int32), ALL)
    rows, grid = _in_cells(points, np.arange(count))
    with limited():
        assert (held_by(*arguments, points[rows], grid) == -1).all()
        assert (nearest_to(*arguments, points[rows], grid, 0.5e-3) == -1).all()
