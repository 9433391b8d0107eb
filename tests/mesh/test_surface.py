"""Surfaces of tissues: closed, two triangles at every edge, one fan at every node, outward, around the right volume."""

import numpy as np
import pytest
import scipy.sparse as sp
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse.csgraph import connected_components

from femtms import FemtmsError, LayeredSphere, Surface, TetMesh, mesh_head

# a cube of six tetrahedra around its diagonal 0-7; bits of the corner number are x, y, z
KUHN = np.array([[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]])


def block(shape):
    """Nodes and tetrahedra of a brick of cubes of 1 m, all filled; the tetrahedra of cube c are 6c to 6c + 5."""
    grid = np.stack(np.meshgrid(*[np.arange(s + 1) for s in shape], indexing="ij"), -1)
    number = np.arange(grid[..., 0].size).reshape(grid.shape[:3])
    i, j, k = (g.ravel() for g in np.meshgrid(*[np.arange(s) for s in shape], indexing="ij"))
    corners = np.stack([number[i + (b & 1), j + (b >> 1 & 1), k + (b >> 2)] for b in range(8)], axis=1)
    return grid.reshape(-1, 3).astype(float), corners[:, KUHN].reshape(-1, 4)


def of_cubes(cubes):
    """The mesh of an array of tissue numbers (i,j,k), one for each cube, 0 for none."""
    nodes, tets = block(cubes.shape)
    tags = np.repeat(cubes.ravel(), 6)
    return TetMesh(nodes, tets[tags > 0], tags[tags > 0])


def filled(tets, inside):
    """Which tetrahedra (m,) of a brick are inside, or cut off by those from the outside of the brick."""
    faces = np.sort(tets[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]].reshape(-1, 3), axis=1)
    _, index, counts = np.unique(faces, axis=0, return_inverse=True, return_counts=True)
    owner, index = np.repeat(np.arange(len(tets)), 4), index.ravel()
    order = np.argsort(index, kind="stable")
    first = np.flatnonzero(counts[index[order]] == 2)[::2]
    pairs = np.stack([owner[order[first]], owner[order[first + 1]]], axis=1)
    outside = len(tets)
    rim = owner[counts[index] == 1]
    pairs = np.concatenate([pairs, np.stack([rim, np.full(len(rim), outside)], axis=1)])
    pairs = pairs[~np.append(inside, False)[pairs].any(axis=1)]
    graph = sp.coo_matrix((np.ones(len(pairs)), pairs.T), shape=(outside + 1, outside + 1))
    component = connected_components(graph, directed=False)[1]
    return inside | (component[:-1] != component[-1])


def assert_closed_manifold(surface):
    """Each directed edge once, and once in the other direction; the triangles at each node are one ring."""
    count = np.int64(len(surface.nodes))
    start, end = surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64).T
    directed = np.unique(start * count + end)
    assert len(directed) == len(start)
    np.testing.assert_array_equal(directed, np.unique(end * count + start))
    corners = surface.triangles[:, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]].reshape(-1, 3)
    # nodes of the graph are the ends of edges as seen from one node; around a node they are one ring
    pairs = np.concatenate([corners[:, :2], corners[:, ::2]]).astype(np.int64)
    ends, index = np.unique(pairs[:, 0] * count + pairs[:, 1], return_inverse=True)
    index = index.reshape(2, -1)
    graph = sp.coo_matrix((np.ones(index.shape[1]), index), shape=(len(ends), len(ends)))
    assert connected_components(graph, directed=False)[0] == len(np.unique(ends // count)) == len(surface.nodes)
    assert surface.is_watertight


@examples(150)
@given(arrays(np.int32, 384, elements=st.sampled_from([0, 2, 5])))
def test_any_set_of_tetrahedra_has_a_closed_surface_around_its_filled_volume(tags):
    nodes, tets = block((4, 4, 4))
    if not (tags > 0).any():
        return
    mesh = TetMesh(nodes, tets[tags > 0], tags[tags > 0])
    for tissue, inside in (("gm", tags == 2), ("scalp", tags > 0)):
        if not (tags == (2 if tissue == "gm" else 5)).any():
            continue
        surface = mesh.surface(tissue)
        assert_closed_manifold(surface)
        solid = filled(tets, inside)
        assert surface.volume == pytest.approx(solid.sum() / 6)
        around = TetMesh(nodes, tets[solid], np.ones(solid.sum(), int))
        assert surface.area == pytest.approx(np.linalg.norm(np.cross(*edges_of(around)), axis=1).sum() / 2)


def edges_of(mesh):
    x = mesh.nodes[mesh.outer_faces]
    return x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]


def test_cubes_that_touch_in_an_edge_or_a_corner_are_separate_pieces():
    for other in ((1, 1, 0), (1, 1, 1)):
        cubes = np.zeros((3, 3, 3), int)
        cubes[0, 0, 0] = cubes[other] = 2
        surface = of_cubes(cubes).surface("gm")
        assert_closed_manifold(surface)
        assert len(surface.nodes) == 16
        assert surface.area == pytest.approx(12)


def test_handle_that_touches_itself_along_an_edge_is_closed():
    cubes = np.zeros((2, 2, 3), int)
    cubes[:, :, ::2] = 2  # a plate above and one below
    cubes[0, 0, 1] = cubes[1, 1, 1] = 2  # two pillars between them, which touch along an edge
    surface = of_cubes(cubes).surface("gm")
    assert_closed_manifold(surface)
    assert surface.volume == pytest.approx(10)
    euler = len(surface.nodes) - len(surface.triangles) // 2
    assert euler == 0  # a torus


def test_cavities_of_air_and_of_other_tissue_are_filled_with_what_floats_in_them():
    cubes = np.full((7, 7, 7), 5)
    cubes[1:6, 1:6, 1:6] = 0  # air
    cubes[3, 3, 3] = 5  # floats in it
    surface = of_cubes(cubes).surface("scalp")
    assert_closed_manifold(surface)
    assert (surface.volume, surface.area) == (pytest.approx(343), pytest.approx(294))

    cubes = np.full((7, 7, 7), 3)
    cubes[1:6, 1:6, 1:6] = 2
    cubes[2:5, 2:5, 2:5] = 3  # a ventricle
    cubes[3, 3, 3] = 2
    surface = of_cubes(cubes).surface("gm")
    assert (surface.volume, surface.area) == (pytest.approx(125), pytest.approx(150))
    cubes[1, 3, 3] = 3  # now it is open
    surface = of_cubes(cubes).surface("gm")
    assert_closed_manifold(surface)
    assert surface.volume == pytest.approx(125 - 27)
    assert of_cubes(cubes).surface("gm", largest=True).volume == pytest.approx(125 - 28)


def test_air_that_is_joined_to_the_outside_along_an_edge_only_is_filled():
    cubes = np.full((4, 4, 4), 5)
    cubes[1, 1, 1] = 0
    cubes[0, 0, :] = 0
    surface = of_cubes(cubes).surface("scalp")
    assert_closed_manifold(surface)
    assert surface.volume == pytest.approx(60)


def test_shells_in_shells_with_dust_between_them_are_filled():
    nodes, tets = block((14, 14, 14))
    centres = nodes[tets].mean(axis=1)
    depth = np.floor(7 - np.abs(centres - 7).max(axis=1))
    dust = np.random.default_rng(5).random(len(tets)) < 0.03
    inside = np.isin(depth, (1, 4)) | dust
    mesh = TetMesh(nodes, tets[inside], np.full(inside.sum(), 2))
    surface = mesh.surface("gm")
    assert_closed_manifold(surface)
    assert surface.volume == pytest.approx(filled(tets, inside).sum() / 6)
    kept = mesh.surface("gm", largest=True)
    assert_closed_manifold(kept)
    assert 12**3 <= kept.volume < surface.volume


def nested():
    """Slabs from wm in the middle outward; the eye and a foreign tissue stand in the scalp."""
    x = np.arange(9)
    depth = np.minimum.reduce(np.meshgrid(*[np.minimum(x, 8 - x)] * 3, indexing="ij"))
    cubes = np.array([5, 7, 9, 2, 1])[depth]
    cubes[4, 4, 0], cubes[4, 4, 8] = 6, 77
    return of_cubes(cubes)


@pytest.mark.parametrize(
    "tissue,volume", [("wm", 1), ("gm", 27), ("blood", 125), ("compact_bone", 343), ("scalp", 729), ("eye", 1), (77, 1)]
)
def test_a_tissue_is_bounded_with_all_that_is_inside_it(tissue, volume):
    surface = nested().surface(tissue)
    assert_closed_manifold(surface)
    assert surface.volume == pytest.approx(volume)
    assert surface.tissue == ("tissue 77" if tissue == 77 else tissue)


@pytest.mark.parametrize("tissue,words", [("bone", "has wm, gm.* not 'bone'"), ("brian", "brian"), (3, "not '3'")])
def test_a_tissue_that_is_not_there_is_refused(tissue, words):
    with pytest.raises(FemtmsError, match=words):
        nested().surface(tissue)


def test_tetrahedra_that_overlap_are_refused():
    nodes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0], [0, 0, 1.5], [0, 0, 2]])
    mesh = TetMesh(nodes, np.array([[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 5]]), np.full(3, 2))
    with pytest.raises(FemtmsError, match="face to face"):
        mesh.surface("gm")


def test_surface_of_a_sphere_has_its_area_volume_and_normals():
    mesh = mesh_head(LayeredSphere((60, 70, 81, 92)), 14.0)
    for tag, tissue, radius in ((2, "gm", 0.060), (3, "csf", 0.070), (4, "bone", 0.081), (5, "scalp", 0.092)):
        surface = mesh.surface(tissue)
        assert_closed_manifold(surface)
        np.testing.assert_allclose(np.linalg.norm(surface.nodes, axis=1), radius)
        assert surface.area == pytest.approx(4 * np.pi * radius**2, rel=0.03)
        assert surface.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
        assert surface.volume == pytest.approx(mesh.volumes[mesh.tags <= tag].sum())
        directions = surface.nodes[surface.triangles].mean(axis=1) / radius
        np.testing.assert_allclose(np.einsum("fd,fd->f", surface.normals, directions), 1, atol=0.03)


def test_surfaces_of_the_built_in_head_are_closed_and_nested(colin27_mesh):
    mesh = colin27_mesh
    volumes = {}
    for tissue in ("wm", "gm", "csf", "bone", "scalp"):
        surface = mesh.surface(tissue)
        assert_closed_manifold(surface)
        volumes[tissue] = surface.volume
        pieces = mesh.surface(tissue, largest=True)
        assert_closed_manifold(pieces)
        assert 0.9 * surface.volume < pieces.volume <= surface.volume * (1 + 1e-12)
    assert sorted(volumes.values()) == list(volumes.values())
    assert volumes["gm"] >= mesh.volumes[mesh.tags <= 2].sum() * (1 - 1e-12)


def test_an_open_or_a_twisted_surface_is_not_watertight():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    faces = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
    assert Surface(corners, faces, "gm").is_watertight
    assert Surface(corners, faces, "gm").volume == pytest.approx(1 / 6)
    assert not Surface(corners, faces[:3], "gm").is_watertight
    assert not Surface(corners, np.concatenate([faces[:3], faces[3:, ::-1]]), "gm").is_watertight
    assert not Surface(corners, np.concatenate([faces, faces]), "gm").is_watertight


@pytest.mark.parametrize(
    "nodes,triangles,words",
    [
        (np.zeros((3, 2)), [[0, 1, 2]], r"\(n,3\)"),
        (np.zeros((3, 3)), np.zeros((0, 3), int), "at least one"),
        (np.zeros((3, 3)), [[0, 1, 3]], "0 to 3"),
    ],
)
def test_bad_surface_is_refused(nodes, triangles, words):
    with pytest.raises(FemtmsError, match=words):
        Surface(nodes, triangles, "gm")
