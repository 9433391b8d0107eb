"""Which points are in the mesh, against a walk through all tetrahedra."""

import numpy as np
import pytest

from femtms import LayeredSphere, TetMesh, mesh_head


@pytest.fixture(scope="module")
def shell():
    """A ball with a cavity: points may be outside in two ways."""
    mesh = mesh_head(LayeredSphere((50.0, 80.0), (2, 5)), 16.0)
    return TetMesh(mesh.nodes, mesh.tets[mesh.tags == 5], mesh.tags[mesh.tags == 5])


def held_by_any(points, mesh):
    """Whether each point is in a tetrahedron, by its barycentric coordinates in all of them, one after the other."""
    held = np.zeros(len(points), bool)
    for tet in mesh.tets:
        x0, *others = mesh.nodes[tet]
        weights = np.linalg.solve((np.array(others) - x0).T, (points - x0).T)
        held |= (weights >= -1e-9).all(axis=0) & (weights.sum(axis=0) <= 1 + 1e-9)
    return held


def test_points_are_held_as_a_walk_through_all_tetrahedra_says(shell):
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (4_000, 3))
    held = shell.cells.hold(points)
    np.testing.assert_array_equal(held, held_by_any(points, shell))
    assert 0.1 < held.mean() < 0.5


def test_nodes_and_centroids_are_held_and_what_is_far_or_nowhere_is_not(shell):
    assert shell.cells.hold(shell.nodes[np.unique(shell.tets)]).all()
    assert shell.cells.hold(shell.centroids).all()
    assert not shell.cells.hold(np.array([[0, 0, 0], [1e9, 0, 0], [0, -0.2, 0], [np.nan, 0, 0], [np.inf, 0, 0]])).any()
    assert shell.cells.hold(np.zeros((0, 3))).shape == (0,)


def test_every_tetrahedron_is_in_a_cell_however_long_the_mesh():
    rod = np.concatenate([[[1e-3 * i, 0, 0], [1e-3 * i, 1e-3, 0], [1e-3 * i, 0, 1e-3]] for i in range(200)])
    tets = np.concatenate([[[3 * i, 3 * i + 1, 3 * i + 2, 3 * i + 3]] for i in range(199)])
    mesh = TetMesh(rod, tets, np.full(len(tets), 2))
    assert mesh.cells.hold(mesh.centroids).all()
    assert np.prod(mesh.cells.shape) < 10 * len(tets)
