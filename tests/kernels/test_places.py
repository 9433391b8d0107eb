"""Which tetrahedron is at a point: the same as by trying all, and without a look at points that are elsewhere."""

import numpy as np
import pytest

from femtms import LayeredSphere, mesh_head
from femtms.kernels.places import ALL, _held_by, _nearest_to
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


def boxes(mesh, by=0.0):
    corners = mesh.nodes[mesh.tets]
    return corners.min(axis=1) - by, corners.max(axis=1) + by


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


class Watched:
    """Points that count how often the first coordinate of one was asked for."""

    def __init__(self, points):
        self.points, self.looks = points, 0

    def __getitem__(self, at):
        self.looks += at[1] == 0
        return self.points[at]


@pytest.mark.parametrize("cloud", ["coincident", "along an axis", "on a plane", "in a corner"])
def test_tetrahedra_beyond_all_points_look_at_none(mesh, cloud):
    """Or else the time for points on a line is their number times that of all tetrahedra."""
    rows, grid = _in_cells(CLOUDS[cloud], np.arange(len(CLOUDS[cloud])))
    points, owner = CLOUDS[cloud][rows], np.full((1, len(rows)), -1, np.int32)
    arguments = (mesh.nodes, mesh.tets, mesh.tags, ALL)
    held, near = Watched(points), Watched(points)
    _held_by.py_func(*arguments, held, *grid, owner)
    _nearest_to.py_func(*arguments, near, *grid, REACH, np.full_like(owner, -1), np.full(owner.shape, REACH**2))
    for looks, by in ((held.looks, 1e-9), (near.looks, REACH)):
        low, high = boxes(mesh, by)
        meet = ((low <= points.max(axis=0)) & (high >= points.min(axis=0))).all(axis=1)
        assert meet.sum() < 0.6 * len(mesh.tets)
        assert 0 < looks <= meet.sum() * len(points)
    assert (owner >= 0).any()
