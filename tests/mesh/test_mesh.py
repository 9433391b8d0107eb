"""Meshes: conforming, positive, well shaped, and where the labels are."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from femtms import FemtmsError, LabelVolume, LayeredSphere, TetMesh, core, load_head, mesh_head
from femtms.mesh.angles import dihedral_angles
from femtms.mesh.locate import rasterised


def assert_sound(mesh):
    """Conforming, positive, in one piece, each node used, and a manifold outside: as the quality report sees it."""
    topology = mesh.quality().topology
    assert not topology.faults, topology
    assert topology.pieces == 1
    assert mesh.volumes.min() > 0


def layered_ball(voxel=1.0, radii=(22, 25, 29, 34), tags=(2, 3, 4, 5), turned=None):
    """A label volume of a layered ball about the origin; turned: a rotation (3,3) of the voxel axes."""
    voxel = np.broadcast_to(voxel, 3)
    n = (2 * (radii[-1] + 8) / voxel).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turned is None else turned) @ np.diag(voxel)
    affine[:3, 3] = -affine[:3, :3] @ (n - 1) / 2
    index = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), -1)
    r = np.linalg.norm(index @ affine[:3, :3].T + affine[:3, 3], axis=-1)
    data = np.zeros(r.shape, np.uint8)
    for radius, tag in zip(radii[::-1], tags[::-1]):
        data[r < radius] = tag
    return LabelVolume(data, affine, "ball")


def volumes_ml(mesh):
    return {int(t): 1e6 * mesh.volumes[mesh.tags == t].sum() for t in mesh.tissues}


TURNED = np.array([[0.8, 0.6, 0], [-0.48, 0.64, 0.6], [0.36, -0.48, 0.8]])


@pytest.mark.parametrize(
    "head",
    [
        layered_ball(),
        layered_ball(voxel=(1, 1, 3)),
        layered_ball(turned=TURNED),
        layered_ball(turned=np.diag([-1.0, 1, 1])),
    ],
    ids=["upright", "1x1x3 mm", "oblique", "flipped"],
)
def test_layered_ball_is_sound_well_shaped_and_has_its_volumes(head):
    mesh = mesh_head(head, 2.6)
    assert_sound(mesh)
    angles = dihedral_angles(mesh.nodes, mesh.tets).min(axis=1)
    assert angles.min() > 8 and np.percentile(angles, 1) > 22
    of_voxels = {int(t): np.count_nonzero(head.data == t) * head.voxel_ml for t in head.tissues}
    assert volumes_ml(mesh) == pytest.approx(of_voxels, rel=0.015)
    if head.voxel_mm.max() < 1.01:  # the interfaces of long voxels are smoothed more than the report does
        fit = mesh.quality(head).fit
        assert fit.centroids.mean < 0.07 and fit.centroids.p95 < 0.22


def test_mesh_does_not_depend_on_the_number_of_threads():
    before = core.threads()
    meshes = []
    try:
        for threads in (1, 3):
            core.set_threads(threads)
            meshes.append(mesh_head(layered_ball(), {"gm": 3.0, "other": 6.0}))
    finally:
        core.set_threads(before)
    np.testing.assert_array_equal(meshes[0].nodes, meshes[1].nodes)
    np.testing.assert_array_equal(meshes[0].tets, meshes[1].tets)
    np.testing.assert_array_equal(meshes[0].tags, meshes[1].tags)


def test_a_head_comes_out_in_ras_with_the_right_side_right():
    """The same head stored in other voxel orders and directions gives the same tissues in the same places."""
    data = np.zeros((30, 26, 22), np.uint8)
    data[3:27, 3:23, 3:19] = 5
    data[18:24, 5:10, 6:12] = 2  # on the right (+x), behind and below
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-30, -26, -22]
    expected = np.array([11.0, -12.0, -5.0])  # mm, the middle of the voxels of tissue 2
    for axes, flips in (((0, 1, 2), (1, 1, 1)), ((1, 2, 0), (-1, 1, -1)), ((2, 0, 1), (-1, -1, -1))):
        stored = data.transpose(axes)[tuple(slice(None, None, f) for f in flips)]
        to_mm = np.eye(4)
        for i, (axis, flip) in enumerate(zip(axes, flips)):
            to_mm[:3, i] = flip * affine[:3, axis]
            if flip < 0:
                to_mm[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
        to_mm[:3, 3] += affine[:3, 3]
        mesh = mesh_head(LabelVolume(stored, to_mm, "block"), 3.0)
        of_two = mesh.tags == 2
        centre = np.average(1e3 * mesh.centroids[of_two], axis=0, weights=mesh.volumes[of_two])
        np.testing.assert_allclose(centre, expected, atol=0.1)


# --- any labels whatever -------------------------------------------------------------------------------

fields = st.one_of(
    arrays(np.uint8, (5, 6, 4), elements=st.integers(0, 4)),
    arrays(np.uint8, (6, 6, 6), elements=st.sampled_from([0, 0, 0, 2])),  # touching corners and edges
)


@st.composite
def checkerboards(draw):
    """Voxels or blocks of two labels in turn; one of them may be air."""
    size, a, b = draw(st.integers(1, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 4))
    i, j, k = np.indices((6, 6, 6)) // size
    return np.where((i + j + k) % 2, a, b).astype(np.uint8)


@st.composite
def sheets(draw):
    """One voxel thick layers of several tissues, tilted."""
    normal = np.array(draw(st.tuples(*[st.integers(-2, 2)] * 3)))
    depth = np.tensordot(np.indices((8, 8, 8)), normal, axes=(0, 0))
    return (np.abs(depth) % draw(st.integers(2, 5)) + draw(st.integers(0, 1))).astype(np.uint8)


@examples(40)
@given(st.one_of(fields, checkerboards(), sheets()), st.sampled_from([1.5, 2.5, 4.0]))
def test_any_labels_give_a_sound_mesh_or_one_sentence(data, size):
    padded = np.pad(data, 2)
    try:
        mesh = mesh_head(LabelVolume(padded, np.diag([2.0, 3.0, 2.5, 1.0]), "random"), size)
    except FemtmsError as error:
        assert "random" in str(error)
        return
    assert not mesh.quality().topology.faults and mesh.volumes.min() > 0
    assert set(mesh.tissues) <= set(np.unique(data))


@examples(25)
@given(arrays(np.uint8, (5, 6, 4), elements=st.integers(1, 5)))
def test_volumes_of_any_tissues_add_up_to_the_block_that_they_fill(data):
    mesh = mesh_head(LabelVolume(np.pad(data, 2), np.diag([4.0, 4.0, 4.0, 1.0]), "block"), 2.0)
    assert_sound(mesh)
    block_ml = 1e-3 * data.size * 4.0**3
    assert sum(volumes_ml(mesh).values()) == pytest.approx(block_ml, rel=0.08)  # the block's edges are rounded


@pytest.mark.parametrize("seed", [6, 42, 149])
def test_noise_gives_a_sound_mesh(seed):
    """Rings of tissue between two pieces of air among them."""
    labels = np.random.default_rng(seed).integers(0, 4, (9, 11, 8)).astype(np.uint8)
    assert_sound(mesh_head(LabelVolume(labels, np.eye(4), "noise"), 2.0))


@pytest.mark.parametrize("size", [3.3, 6.0])
def test_folds_of_a_cut_head_do_not_close_over_each_other(size):
    """The cut sides are flat, and surfaces that end on them could slide along them into each other."""
    head = load_head("colin27")
    centre = np.linalg.solve(head.affine, [-45, -10, 45, 1])[:3]
    i, j, k = np.rint(centre).astype(int) - 30
    affine = head.affine.copy()
    affine[:3, 3] = (head.affine @ [i, j, k, 1])[:3]
    assert_sound(mesh_head(LabelVolume(head.data[i : i + 61, j : j + 61, k : k + 61], affine, "cube"), size))


def test_two_blocks_that_touch_in_an_edge_do_not_make_a_pinched_surface():
    data = np.zeros((12, 12, 8), np.uint8)
    data[2:6, 2:6, 2:6] = data[6:10, 6:10, 2:6] = 2
    data[4:8, 4:8, 2:4] = 3  # what holds them together
    assert_sound(mesh_head(LabelVolume(data, np.diag([3.0, 3.0, 3.0, 1.0]), "blocks"), 2.5))


def test_single_voxel_of_another_tissue_joins_what_is_around_it_and_is_reported():
    data = np.pad(np.full((12, 12, 12), 5, np.uint8), 3)
    data[9, 9, 9] = 2
    mesh = mesh_head(LabelVolume(data, np.diag([1.0, 1.0, 1.0, 1.0]), "speck"), 3.0)
    assert_sound(mesh)
    assert 2 in mesh.tissues or any("gm" in note for note in mesh.notes)


# --- spheres -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100.0, 30.0, 14.0, 8.0])
@pytest.mark.parametrize("radii", [(92,), (60, 70, 81, 92), (85, 90, 95), (20, 21.5)])
def test_sphere_has_its_layers_exactly(radii, size):
    head = LayeredSphere(radii, tuple(range(1, len(radii) + 1)))
    mesh = mesh_head(head, size)
    assert_sound(mesh)
    for tag in head.tags:  # the outer boundary of what is inside each layer is its sphere, and closed
        outer = mesh.faces_around(mesh.tags <= tag)
        r = 1e3 * np.linalg.norm(mesh.nodes[np.unique(outer)], axis=1)
        np.testing.assert_allclose(r, head.radii_mm[tag - 1], rtol=1e-9)
        assert len(np.unique(outer)) - len(outer) // 2 == 2  # Euler: nodes - triangles/2, without a hole
    assert dihedral_angles(mesh.nodes, mesh.tets).min() > 8


def test_default_sphere_has_its_thin_layers():
    head = LayeredSphere()
    mesh = mesh_head(head, 12.0)
    exact = 4 / 3 * np.pi * np.diff(np.array(head.radii_mm) ** 3, prepend=0) * 1e-3
    assert list(volumes_ml(mesh).values()) == pytest.approx(exact, rel=0.02)
    contacts = mesh.quality().contacts
    assert set(contacts) == {"gm/csf", "csf/bone", "bone/scalp", "scalp/air"}


def test_ball_volume_converges_with_second_order():
    exact = 4 / 3 * np.pi * 0.092**3
    missing = [1 - mesh_head(LayeredSphere((92,), (2,)), h).volumes.sum() / exact for h in (16.0, 8.0)]
    assert 0 < missing[1] < missing[0] / 3


# --- sizes ---------------------------------------------------------------------------------------------


def size_between(mesh, low, high):
    """Lattice constant in mm of the median tetrahedron between two distances in mm from the centre."""
    r = 1e3 * np.linalg.norm(mesh.centroids, axis=1)
    return 1e3 * (12 * np.median(mesh.volumes[(r > low) & (r < high)])) ** (1 / 3)


def test_each_tissue_has_its_size():
    head = layered_ball(radii=(40, 48, 72), tags=(1, 2, 5), voxel=2.0)
    even, graded = mesh_head(head, 3.0), mesh_head(head, {"gm": 3.0, "wm": 12.0, "scalp": 7.0})
    assert_sound(graded)
    assert size_between(graded, 41, 47) == pytest.approx(size_between(even, 41, 47), rel=0.2)
    assert size_between(graded, 0, 25) > 3 * size_between(even, 0, 25)
    assert size_between(graded, 56, 66) > 1.5 * size_between(even, 56, 66)
    assert len(graded.tets) < 0.7 * len(even.tets)
    angles = dihedral_angles(graded.nodes, graded.tets).min(axis=1)
    assert angles.min() > 8 and np.percentile(angles, 1) > 20


def test_size_of_others_stands_for_tissues_that_are_not_named():
    head = layered_ball()
    named = mesh_head(head, {"other": 5.0, "gm": 5.0})
    plain = mesh_head(head, 5.0)
    np.testing.assert_array_equal(named.nodes, plain.nodes)


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, 0.05, {"gm": -1}, {"gm": 0.05}])
def test_impossible_size_is_refused(size):
    with pytest.raises(FemtmsError, match="size_mm"):
        mesh_head(layered_ball(), size)
    with pytest.raises(FemtmsError, match="size_mm"):
        mesh_head(LayeredSphere(), size)


def test_size_of_a_tissue_that_does_not_exist_is_refused():
    with pytest.raises(FemtmsError, match="gmm"):
        mesh_head(LayeredSphere(), {"gmm": 2.0})


# --- built-in head -------------------------------------------------------------------------------------


def test_built_in_head_is_where_it_should_be(colin27_mesh):
    mesh = colin27_mesh
    assert_sound(mesh)
    eyes = mesh.centroids[mesh.tags == 6]
    assert (eyes[:, 1] > 0.03).all()  # in front
    assert abs(eyes[:, 0].mean()) < 0.005 and eyes[:, 0].min() < -0.02 < 0.02 < eyes[:, 0].max()
    surface = mesh.nodes[np.unique(mesh.outer_faces)]
    for name in ("C3", "CP3", "Cz", "F3", "Oz"):
        assert np.linalg.norm(surface - mesh.landmarks[name], axis=1).min() < 0.004, name
    assert mesh.landmarks["C3"][0] < 0 < mesh.landmarks["C4"][0]
    assert set(mesh.seconds) == {"indicators", "lattice", "refinement", "cutting", "tidying", "optimisation"}


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
