"""Where points are in a mesh, against a walk through all tetrahedra and against exact shapes."""

import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, TetMesh, mesh_head
from femtms.core import set_threads, threads
from femtms.mesh.locate import located

CUBE = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
# around the diagonal from 0 to 7
SIX = np.array([[0, 1, 3, 7], [0, 5, 1, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7]])


@pytest.fixture(scope="module")
def shells():
    return mesh_head(LayeredSphere((40, 55), (2, 5)), 12.0)


def cube(tags=(2, 2, 2, 5, 5, 5), size=0.01):
    return TetMesh(size * CUBE, SIX, np.array(tags))


def placed(mesh, tets, weights):
    return np.einsum("pa,pad->pd", weights, mesh.nodes[mesh.tets[tets]])


def lowest_by_walk(points, mesh):
    """The first tetrahedron whose barycentric coordinates are not negative, one tetrahedron after the other."""
    owner = np.full(len(points), -1)
    for t, tet in enumerate(mesh.tets):
        x0, *others = mesh.nodes[tet]
        weights = np.linalg.solve((np.array(others) - x0).T, (points - x0).T)
        held = (weights >= -1e-9).all(axis=0) & (weights.sum(axis=0) <= 1 + 1e-9)
        owner[held & (owner < 0)] = t
    return owner


def test_points_are_where_a_walk_through_all_tetrahedra_finds_them(shells):
    points = np.random.default_rng(0).uniform(-0.06, 0.06, (5000, 3))
    tets, weights = shells.locate(points, reach=0)
    np.testing.assert_array_equal(tets, lowest_by_walk(points, shells))
    inside = tets >= 0
    assert 0.2 < inside.mean() < 0.6
    np.testing.assert_allclose(placed(shells, tets[inside], weights[inside]), points[inside], atol=1e-15)
    assert weights[inside].min() >= 0
    np.testing.assert_allclose(weights[inside].sum(axis=1), 1, atol=1e-15)
    assert np.isnan(weights[~inside]).all()


def test_the_lowest_tetrahedron_wins_on_shared_faces_edges_and_nodes(shells):
    faces = shells.nodes[shells.tets[:, [1, 2, 3]]].mean(axis=1)
    edges = shells.nodes[shells.tets[:, [2, 3]]].mean(axis=1)
    points = np.concatenate([faces[:400], edges[:400], shells.nodes[:400]])
    tets, _ = shells.locate(points, reach=0)
    np.testing.assert_array_equal(tets, lowest_by_walk(points, shells))
    assert (tets[:400] < np.arange(400)).any() and (tets[:400] <= np.arange(400)).all()


def test_the_same_for_any_order_of_points_and_any_number_of_threads(shells):
    points = np.random.default_rng(1).uniform(-0.06, 0.06, (3000, 3))
    order = np.random.default_rng(2).permutation(len(points))
    for tissue in (None, "gm"):
        tets, weights = shells.locate(points, tissue, 5e-3)
        again, weights_again = shells.locate(points[order], tissue, 5e-3)
        np.testing.assert_array_equal(again, tets[order])
        np.testing.assert_array_equal(weights_again, weights[order])
        before = threads()
        for count in (1, 2, 5, 11):
            try:
                set_threads(count)
                alone, weights_alone = shells.locate(points, tissue, 5e-3)
            finally:
                set_threads(before)
            np.testing.assert_array_equal(alone, tets)
            np.testing.assert_array_equal(weights_alone, weights)


def test_points_on_the_surface_are_inside_and_so_they_are_after_single_precision(shells):
    surface = shells.outer_nodes
    assert (shells.locate(surface)[0] >= 0).all()
    rounded = 1e-3 * (1e3 * surface).astype(np.float32).astype(np.float64)
    tets, weights = shells.locate(rounded)
    assert (tets >= 0).all()
    assert (shells.locate(rounded, reach=0)[0] < 0).any()  # it is the reach that takes them in
    np.testing.assert_allclose(placed(shells, tets, weights), rounded, atol=1e-8)


def test_what_is_nowhere_or_far_away_is_outside(shells):
    points = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [1e9, 0, 0], [0, 0, 0.0561], [0, 0, 0]])
    tets, _ = shells.locate(points)
    assert (tets[:-1] == -1).all() and tets[-1] >= 0
    assert (shells.locate(points[:5])[0] == -1).all()
    tets, weights = shells.locate(np.zeros((0, 3)))
    assert tets.shape == (0,) and weights.shape == (0, 4)


def test_a_tissue_holds_only_its_own_side_of_a_face():
    mesh = cube()
    on_both = np.array([[0.005, 0.005, 0.005], [0.002, 0.002, 0.002]])  # on the diagonal that all six share
    for tissue, tag in (("gm", 2), ("scalp", 5), (5, 5)):
        tets, _ = mesh.locate(on_both, tissue)
        assert (mesh.tags[tets] == tag).all()
    assert (mesh.locate(on_both)[0] == 0).all()


def test_points_beside_a_tissue_go_to_its_nearest_point_within_reach():
    mesh = cube(tags=(2,) * 6)
    points = np.array(
        [[0.005, 0.004, 0.0105], [-0.0005, -0.0005, 0.003], [0.0104, 0.0103, 0.0102], [0.005, 0.005, 0.012]]
    )
    tets, weights = mesh.locate(points, "gm")
    np.testing.assert_array_equal(tets >= 0, [True, True, True, False])
    np.testing.assert_allclose(placed(mesh, tets[:3], weights[:3]), np.clip(points[:3], 0, 0.01), atol=1e-15)
    assert (mesh.locate(points, "gm", reach=0)[0] == -1).all()
    assert (mesh.locate(points, "gm", reach=0.0021)[0] >= 0).all()
    assert (mesh.locate(points)[0] == -1).all()  # without a tissue it is air


def test_the_nearest_point_is_that_of_the_surface_of_the_tissue(shells):
    """Against the tree of the tissue's own boundary, for points in the other tissue and outside."""
    from femtms.mesh.triangle_tree import TriangleTree

    rng = np.random.default_rng(3)
    points = rng.normal(size=(2000, 3))
    points *= (rng.uniform(0.038, 0.05, 2000) / np.linalg.norm(points, axis=1))[:, None]
    tets, weights = shells.locate(points, "gm", reach=4e-3)
    inside = shells.locate(points, "gm", reach=0)[0] >= 0
    feet, distance = TriangleTree.build(shells.nodes[shells.faces_around(shells.tags == 2)]).nearest(points)
    found = tets >= 0
    np.testing.assert_array_equal(found, inside | (distance < 4e-3))
    assert 100 < (found & ~inside).sum() < (~inside).sum() - 100
    moved = placed(shells, tets[found], weights[found])
    np.testing.assert_allclose(moved, np.where(inside[found, None], points[found], feet[found]), atol=1e-12)
    assert (shells.tags[tets[found]] == 2).all()


@pytest.mark.parametrize(
    "points",
    [
        np.tile([0.004, 0.003, 0.002], (2000, 1)),
        np.linspace(0, 1, 4000)[:, None] * [0.01, 0.01, 0.01],
        np.concatenate([np.full((3000, 3), 1e-3) + 1e-9 * np.arange(3000)[:, None], [[0.01, 0.01, 0.01]]]),
        np.stack(np.meshgrid(np.linspace(0, 0.01, 60), np.linspace(0, 0.01, 60), [0.0025]), -1).reshape(-1, 3),
    ],
    ids=["one place", "a line", "a cluster and one far away", "a plane"],
)
def test_points_that_fill_no_box_are_found_as_well(points):
    mesh = cube()
    np.testing.assert_array_equal(mesh.locate(points, reach=0)[0], lowest_by_walk(points, mesh))


def test_bad_points_reaches_and_tissues_are_refused(shells):
    with pytest.raises(FemtmsError, match=r"points must be \(p,3\) in m, one row for each; got shape \(3,\)"):
        shells.locate(np.zeros(3))
    with pytest.raises(FemtmsError, match=r"got shape \(5, 2\)"):
        shells.locate(np.zeros((5, 2)))
    with pytest.raises(FemtmsError, match=r"\(p,3\) numbers in m"):
        shells.locate([["a", "b", "c"]])
    for reach in (-1e-3, np.nan, np.inf):
        with pytest.raises(FemtmsError, match="reach must be a finite distance"):
            shells.locate(np.zeros((1, 3)), reach=reach)
    with pytest.raises(FemtmsError, match="it has gm, scalp, not 'csf'"):
        shells.locate(np.zeros((1, 3)), "csf")


@pytest.mark.parametrize("numbers", [np.int64, np.uint8, np.int32])
def test_files_may_have_other_integers(numbers):
    mesh = cube()
    tets, tags = (x.astype(numbers) for x in (mesh.tets, mesh.tags))
    owner, _ = located(mesh.nodes.astype(np.float32), tets, tags, mesh.centroids, None, 1e-6)
    assert owner.tolist() == list(range(6))
