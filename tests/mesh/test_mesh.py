"""Meshes: conforming, positive, and where the labels are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from femtms import FemtmsError, LabelVolume, LayeredSphere, TetMesh, load_head, mesh_head
from femtms.mesh.angles import dihedral_angles
from femtms.mesh.locate import rasterised
from femtms.mesh.surface import boundary_faces, triangle_normals


def assert_conforming(mesh):
    """No face belongs to more than two tetrahedra, and the boundary of the boundary is empty."""
    faces = np.sort(mesh.tets[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]].reshape(-1, 3), axis=1)
    _, counts = np.unique(faces, axis=0, return_counts=True)
    assert counts.max() <= 2
    assert len(boundary_faces(mesh.tets)) == (counts == 1).sum()
    np.testing.assert_allclose(triangle_normals(mesh.nodes, mesh.outer_faces).sum(axis=0), 0, atol=1e-12)
    edges = np.sort(mesh.outer_faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts % 2 == 0).all()
    # each node is used, each tetrahedron once
    assert len(np.unique(mesh.tets)) == len(mesh.nodes)
    assert len(np.unique(np.sort(mesh.tets, axis=1), axis=0)) == len(mesh.tets)


def layered_ball(voxel=3.0, radii=(30, 33, 38, 44), tags=(2, 3, 4, 5)):
    """A label volume of a layered ball about the origin."""
    n = int(2 * (radii[-1] + 8) / voxel)
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = -voxel * (n - 1) / 2
    r = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1) * voxel + affine[:3, 3], axis=-1)
    data = np.zeros(r.shape, np.uint8)
    for radius, tag in zip(radii[::-1], tags[::-1]):
        data[r < radius] = tag
    return LabelVolume(data, affine, "ball")


def test_lattice_mesh_is_conforming_and_well_shaped():
    mesh = mesh_head(layered_ball(), size_mm=4.0)
    assert_conforming(mesh)
    angles = dihedral_angles(mesh.nodes, mesh.tets)
    assert angles.min() > 59.9 and angles.max() < 90.1


def test_lattice_volumes_converge_to_the_labels():
    labels = layered_ball(voxel=2.0)
    errors = []
    for size in (6.0, 3.0, 1.5):
        mesh = mesh_head(labels, size)
        volume = np.bincount(mesh.tags, mesh.volumes, minlength=6)[2:] * 1e6
        voxels = np.bincount(labels.data.ravel(), minlength=6)[2:] * labels.voxel_ml
        errors.append(np.abs(volume - voxels).sum() / voxels.sum())
    assert errors[2] < 0.02 and errors[2] < errors[0]


def test_size_is_the_lattice_constant():
    mesh = mesh_head(layered_ball(), size_mm=5.0)
    np.testing.assert_allclose(mesh.volumes, (5e-3) ** 3 / 12, rtol=1e-9)
    assert len(np.unique(mesh.volumes.round(15))) == 1


def test_mesh_does_not_depend_on_the_number_of_threads():
    import numba

    before = numba.get_num_threads()
    meshes = []
    for threads in (1, before):
        numba.set_num_threads(threads)
        meshes.append(mesh_head(layered_ball(), 5.0))
    np.testing.assert_array_equal(meshes[0].nodes, meshes[1].nodes)
    np.testing.assert_array_equal(meshes[0].tets, meshes[1].tets)
    np.testing.assert_array_equal(meshes[0].tags, meshes[1].tags)


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (5, 6, 4), elements=st.integers(0, 4)))
def test_any_labels_give_a_conforming_mesh_or_one_sentence(data):
    padded = np.pad(data, 2)
    try:
        mesh = mesh_head(LabelVolume(padded, np.diag([2.0, 3.0, 2.5, 1.0]), "random"), size_mm=2.5)
    except FemtmsError as error:
        assert "random" in str(error)
        return
    assert_conforming(mesh)
    assert set(mesh.tissues) <= set(np.unique(data))


@pytest.mark.parametrize("size", [100.0, 30.0, 14.0, 8.0])
@pytest.mark.parametrize("radii", [(92,), (78, 80, 86, 92), (85, 90, 95), (70, 71, 90), (20, 20.5)])
def test_ball_mesh_is_conforming_with_its_nodes_on_the_spheres(radii, size):
    head = LayeredSphere(radii, tuple(range(1, len(radii) + 1)))
    mesh = mesh_head(head, size)
    assert_conforming(mesh)
    for tag in head.tags:  # the outer boundary of what is inside each layer is its sphere
        outer = boundary_faces(mesh.tets[mesh.tags <= tag])
        r = 1e3 * np.linalg.norm(mesh.nodes[np.unique(outer)], axis=1)
        np.testing.assert_allclose(r, head.radii_mm[tag - 1], rtol=1e-12)


def test_ball_volume_converges_with_second_order():
    exact = 4 / 3 * np.pi * 0.092**3
    missing = [1 - mesh_head(LayeredSphere((92,), (2,)), h).volumes.sum() / exact for h in (16.0, 8.0)]
    assert 0 < missing[1] < missing[0] / 3


def test_ball_quality():
    mesh = mesh_head(LayeredSphere(), 8.0)
    angles = dihedral_angles(mesh.nodes, mesh.tets)
    assert angles.min() > 8 and np.percentile(angles.min(axis=1), 1) > 10


def test_built_in_head_is_where_it_should_be():
    mesh = mesh_head(load_head("colin27"), size_mm=6.0)
    eyes = mesh.centroids[mesh.tags == 6]
    assert (eyes[:, 1] > 0.03).all()  # in front
    assert abs(eyes[:, 0].mean()) < 0.005 and eyes[:, 0].min() < -0.02 < 0.02 < eyes[:, 0].max()
    surface = mesh.nodes[np.unique(mesh.outer_faces)]
    for name in ("C3", "CP3", "Cz", "F3", "Oz"):
        assert np.linalg.norm(surface - mesh.landmarks[name], axis=1).min() < 0.006, name
    assert mesh.landmarks["C3"][0] < 0 < mesh.landmarks["C4"][0]


def tet(**changes):
    arguments = {
        "nodes": np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
        "tets": np.array([[0, 1, 2, 3]]),
        "tags": np.array([2]),
    }
    return arguments | changes


def test_one_tetrahedron_is_a_mesh():
    mesh = TetMesh(**tet())
    assert mesh.volumes == pytest.approx([1 / 6])
    np.testing.assert_allclose(mesh.centroids, [[0.25, 0.25, 0.25]])
    assert len(mesh.outer_faces) == 4
    assert "1 tets" in repr(mesh) and "gm" in repr(mesh)
    with pytest.raises(ValueError, match="read-only"):
        mesh.nodes[0] = 1


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"tets": np.array([[0, 2, 1, 3]])}, "inverted"),
        ({"nodes": np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]])}, "flat"),
        ({"nodes": np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0], [0, 0, 1.0]])}, "node 2"),
        ({"tets": np.array([[0, 1, 2, 4]])}, "0 to 4"),
        ({"tets": np.zeros((0, 4), int), "tags": np.zeros(0, int)}, "at least one"),
        ({"tags": np.array([1, 2])}, r"tags must be \(1,\)"),
        ({"nodes": np.zeros((4, 2))}, r"\(n,3\)"),
    ],
)
def test_bad_mesh_is_refused(changes, words):
    with pytest.raises(FemtmsError, match=words):
        TetMesh(**tet(**changes))


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, 0.05])
def test_impossible_size_is_refused(size):
    with pytest.raises(FemtmsError, match="size_mm"):
        mesh_head(load_head("colin27"), size)
    with pytest.raises(FemtmsError, match="size_mm"):
        mesh_head(LayeredSphere(), size)


@pytest.mark.parametrize("radii,tags", [((), ()), ((5, 3), (1, 2)), ((5,), (1, 2)), ((-1,), (1,)), ((np.nan,), (1,))])
def test_impossible_layers_are_refused(radii, tags):
    with pytest.raises(FemtmsError):
        LayeredSphere(radii, tags)


def test_rasterised_owner_contains_the_point():
    mesh = mesh_head(LayeredSphere((30,), (2,)), 8.0)
    affine = np.diag([4e-3, 4e-3, 4e-3, 1.0])
    affine[:3, 3] = -0.034
    owner = rasterised(mesh.nodes, mesh.tets, affine, (18, 18, 18))
    index = np.argwhere(owner >= 0)
    points = index * 4e-3 - 0.034
    x = mesh.nodes[mesh.tets[owner[tuple(index.T)]]]
    edges = (x[:, 1:] - x[:, :1]).transpose(0, 2, 1)
    weights = np.linalg.solve(edges, (points - x[:, 0])[..., None])[..., 0]
    assert weights.min() > -1e-6 and weights.sum(axis=1).max() < 1 + 1e-6
    grid = np.stack(np.meshgrid(*[np.arange(18)] * 3, indexing="ij"), -1) * 4e-3 - 0.034
    deep_inside = np.linalg.norm(grid, axis=-1) < 0.028
    assert (owner[deep_inside] >= 0).all()
    assert (owner[np.linalg.norm(grid, axis=-1) > 0.0301] == -1).all()
