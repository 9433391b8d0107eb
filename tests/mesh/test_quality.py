"""The quality report gives the figures that are known beforehand, and sees each fault that is put in."""

import json

import numpy as np
import pytest
from mesh.boxes import REGULAR, box, joined

from femtms import LabelVolume, LayeredSphere, TetMesh, mesh_head
from femtms.kernels.faces import OUTSIDE, face_neighbours
from femtms.mesh.quality import quality_of
from femtms.mesh.shape import tet_shapes

ONE = np.array([[0, 1, 2, 3]])


def quality(nodes, tets, tags=None, labels=None):
    """The report, for nodes in mm."""
    return quality_of(1e-3 * np.asarray(nodes), tets, np.ones(len(tets), int) if tags is None else tags, labels)


def topology(nodes, tets):
    """The counts that are not zero."""
    return {name: count for name, count in vars(quality(nodes, tets).topology).items() if count}


# --- shapes --------------------------------------------------------------------------------------------------


def test_regular_tetrahedron_has_the_best_of_all_shapes():
    found = quality(REGULAR, ONE)
    angle = np.degrees(np.arccos(1 / 3))
    assert found.shape.smallest_angle["min"] == pytest.approx(angle)
    assert found.shape.largest_angle["max"] == pytest.approx(angle)
    assert found.shape.radius_ratio["min"] == pytest.approx(1)
    assert found.shape.mean_ratio["min"] == pytest.approx(1)
    assert found.volume_ml == pytest.approx({"wm": 8 / 3 * 1e-3})
    assert found.contacts["wm/air"].area_cm2 == pytest.approx(4 * np.sqrt(3) / 4 * 8 * 1e-2)
    assert found.fold.mean == pytest.approx(180 - angle)
    assert found.shape.histogram[70] == found.shape.histogram.sum() == 1
    assert len(found.shape.histogram) == 71


def test_corner_of_a_cube_has_the_angles_and_radii_of_the_textbook():
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    shape = tet_shapes(corner, ONE)
    assert shape.smallest_angle == pytest.approx(np.degrees(np.arctan(np.sqrt(2))))
    assert shape.largest_angle == pytest.approx(90)
    inner, outer = 1 / (3 + np.sqrt(3)), np.sqrt(3) / 2
    assert shape.radius_ratio == pytest.approx(3 * inner / outer)
    assert shape.mean_ratio == pytest.approx(12 * 0.5 ** (2 / 3) / 9)
    assert shape.longest_edge == pytest.approx(np.sqrt(2))


def test_shapes_do_not_depend_on_size_place_or_order_of_nodes():
    rng = np.random.default_rng(1)
    nodes = rng.normal(size=(4, 3))
    even = np.array([[0, 1, 2, 3], [1, 2, 0, 3], [3, 2, 1, 0], [1, 0, 3, 2]])
    if tet_shapes(nodes, ONE).volume < 0:
        even = even[:, [1, 0, 2, 3]]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = 1e-3 * nodes @ turn.T + 0.2
    one = tet_shapes(nodes, even[:1])
    for other in (tet_shapes(nodes, even), tet_shapes(moved, even)):
        for name in ("smallest_angle", "largest_angle", "radius_ratio", "mean_ratio"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name)[0], rtol=1e-8)


def test_inverted_and_flat_tetrahedra_are_counted():
    nodes = np.concatenate([REGULAR, [REGULAR[1] + REGULAR[2] - REGULAR[0]]])
    found = quality(nodes, np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 2, 4]]))
    assert (found.shape.inverted, found.shape.flat) == (1, 1)
    assert found.shape.smallest_angle["min"] == pytest.approx(0, abs=1e-6)
    assert found.shape.largest_angle["max"] == pytest.approx(180)
    assert found.shape.radius_ratio["min"] == pytest.approx(-1)
    assert found.shape.worst_tet == 2
    assert "1 inverted tets, 1 flat tets" in str(found)


def test_worst_tetrahedron_and_the_percentage_below_an_angle_are_those_of_the_thin_one():
    good, thin = REGULAR, REGULAR * [1, 1, 0.05] + [10, 20, 30]
    nodes, tets = joined((good, ONE), (good + [0, 5, 0], ONE), (thin, ONE), (good + [5, 0, 0], ONE))
    shape = quality(nodes, tets).shape
    assert shape.worst_tet == 2
    np.testing.assert_allclose(shape.worst_mm, [10, 20, 30])
    assert shape.smallest_angle["min"] < 10
    assert shape.percent_below[10] == shape.percent_below[20] == 25


# --- how they hang together --------------------------------------------------------------------------------------


def test_box_of_cubes_has_no_faults():
    nodes, tets = box((3, 4, 2))
    assert topology(nodes, tets) == {"pieces": 1}
    shape = quality(nodes, tets).shape
    assert (shape.smallest_angle["min"], shape.largest_angle["max"]) == pytest.approx((45, 90))


def test_two_tetrahedra_that_share_an_edge_or_a_node_are_not_manifold():
    nodes = np.concatenate([REGULAR, -3 + REGULAR])
    assert topology(nodes, np.array([[0, 1, 2, 3], [0, 1, 6, 7]])) == {
        "pieces": 2, "non_manifold_edges": 1, "unused_nodes": 2,
    }  # fmt: skip
    assert topology(nodes, np.array([[0, 1, 2, 3], [0, 5, 6, 7]])) == {
        "pieces": 2, "non_manifold_nodes": 1, "unused_nodes": 1,
    }  # fmt: skip


def test_face_of_three_tetrahedra_is_overfull_and_leaves_the_boundary_open():
    nodes = np.concatenate([REGULAR, REGULAR[3:] + [[0, 0, 1], [0, 1, 0]]])
    tets = np.array([[0, 1, 2, 3], [0, 1, 2, 4], [2, 1, 0, 5]])
    found = topology(nodes, tets)
    assert found["overfull_faces"] == 1
    assert found["open_edges"] == 3
    assert "1 overfull faces" in str(quality(nodes, tets))


def test_duplicate_tetrahedra_are_counted_in_any_order_of_their_nodes():
    nodes, tets = box((2, 2, 2))
    assert "duplicate_tets" not in topology(nodes, tets)
    twice = np.concatenate([tets, tets[5:7][:, [1, 2, 0, 3]], tets[5:6]])
    assert topology(nodes, twice)["duplicate_tets"] == 3
    assert topology(REGULAR, np.array([[0, 1, 2, 3], [0, 2, 3, 1]]))["duplicate_tets"] == 1


def test_crack_shows_as_coincident_nodes():
    left, right = box((2, 3, 3)), box((1, 3, 3))
    right[0][:, 0] += 2
    found = topology(*joined(left, right))
    assert found == {"pieces": 2, "coincident_nodes": 16}


def test_fine_cubes_on_a_coarse_one_hang():
    coarse, fine = box((1, 1, 1)), box((2, 2, 2), size=0.5)
    fine[0][:, 2] += 1
    assert topology(*joined(coarse, fine)) == {"pieces": 2, "coincident_nodes": 4, "hanging_nodes": 5}
    fine[0][:, 2] += 0.01
    assert topology(*joined(coarse, fine)) == {"pieces": 2}


def test_face_neighbours_are_those_that_brute_force_finds():
    mesh = mesh_head(LayeredSphere((60, 70, 81, 92)), 30.0)
    tets = np.random.default_rng(2).permutation(mesh.tets)
    neighbour, overfull = face_neighbours(tets, len(mesh.nodes))
    faces = np.sort(tets[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]], axis=2)
    owners = {}
    for t, four in enumerate(faces.tolist()):
        for face in four:
            owners.setdefault(tuple(face), []).append(t)
    for t, four in enumerate(faces.tolist()):
        for a, face in enumerate(four):
            others = [other for other in owners[tuple(face)] if other != t]
            assert neighbour[t, a] == (others[0] if others else OUTSIDE)
    assert overfull == 0


# --- interfaces -------------------------------------------------------------------------------------------------


def test_cube_folds_by_a_right_angle_at_its_edges_alone():
    nodes, tets = box((1, 1, 1))
    found = quality(nodes, tets).contacts["wm/air"]
    assert (found.area_cm2, found.triangles) == (pytest.approx(6e-2), 12)
    assert found.fold.mean == pytest.approx(12 * 90 / 18)  # 12 edges, and 6 diagonals that are flat
    assert found.fold.p95 == pytest.approx(90)


def test_interface_is_counted_once_and_between_its_own_two_tissues():
    nodes, tets = box((2, 2, 3))
    tags = 2 + nodes[tets][:, :, 2].mean(axis=1).astype(int)  # gm, csf, bone from bottom to top
    found = quality(nodes, tets, tags)
    areas = {name: contact.area_cm2 * 1e2 for name, contact in found.contacts.items()}
    assert areas == pytest.approx({"gm/csf": 4, "csf/bone": 4, "gm/air": 12, "csf/air": 8, "bone/air": 12})
    assert list(found.contacts)[:2] == ["gm/csf", "csf/bone"]
    assert found.contacts["gm/csf"].fold.mean == pytest.approx(0, abs=1e-5)


# --- against the labels --------------------------------------------------------------------------------------------


def slabs(voxel_mm, axis=2, tags=(1, 2), flip=False):
    """A cube of 12 mm: one slab of each of two tissues; the plane between them is at 6 mm along the axis."""
    shape = np.round(12 / np.array(voxel_mm)).astype(int)
    upper = np.moveaxis(np.zeros(shape, bool), axis, 0)
    upper[len(upper) // 2 :] = True
    data = np.where(np.moveaxis(upper, 0, axis), tags[1], tags[0]).astype(np.uint8)
    affine = np.diag([*voxel_mm, 1.0]).astype(float)
    affine[:3, 3] = 0.5 * np.array(voxel_mm)
    labels = LabelVolume(data, affine)
    return flipped(labels) if flip else labels


def flipped(labels):
    """The same head with its voxels stored the other way along the first axis, and the other two swapped."""
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (labels.data.shape[0] - 1)
    affine[:, 0] *= -1
    return LabelVolume(labels.data[::-1].transpose(0, 2, 1), affine[:, [0, 2, 1, 3]])


def slab_mesh(axis=2, shift=0.0, tags=(1, 2)):
    nodes, tets = box((4, 4, 4), size=3.0)
    upper = nodes[tets][:, :, axis].mean(axis=1) > 6
    nodes[:, axis] += shift
    return nodes, tets, np.where(upper, tags[1], tags[0])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("voxel_mm", [(1, 1, 1), (1, 1, 3), (0.5, 1, 2)])
def test_shift_of_the_mesh_is_the_distance_that_is_found(voxel_mm, axis, flip):
    labels = slabs(voxel_mm, axis, flip=flip)
    for shift in (0.0, 0.3, -0.3):
        found = quality(*slab_mesh(axis, shift), labels)
        off = found.contacts["wm/gm"].distance
        assert (off.mean, off.max) == pytest.approx((abs(shift), abs(shift)), abs=0.01)
        assert off.percent_not_found == 0


def test_report_does_not_depend_on_how_the_voxels_are_stored():
    labels = LabelVolume(
        np.random.default_rng(3).integers(0, 4, (6, 7, 4)).astype(np.uint8), np.diag([2.0, 2.0, 3.0, 1.0])
    )
    mesh = mesh_head(labels, 1.5)
    one, other = mesh.quality(labels).to_dict(), mesh.quality(flipped(labels)).to_dict()

    def numbers(value):
        if isinstance(value, dict):
            return [n for key in sorted(value) for n in numbers(value[key])]
        return [n for v in value for n in numbers(v)] if isinstance(value, list) else [value]

    assert one["fit"]["centroids"]["percent_not_found"] < 20
    assert numbers(other) == pytest.approx(numbers(one), rel=1e-3, abs=1e-3)


def ball_of_labels(voxel_mm=1.0, radii=(12, 16), tags=(2, 5)):
    half = int(np.ceil((radii[-1] + 3) / voxel_mm))
    axis = voxel_mm * np.arange(-half, half + 1)
    r = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1), axis=-1)
    data = np.zeros(r.shape, np.uint8)
    for radius, tag in zip(radii[::-1], tags[::-1]):
        data[r < radius] = tag
    affine = np.diag([voxel_mm] * 3 + [1.0])
    affine[:3, 3] = -voxel_mm * half
    return LabelVolume(data, affine, "ball")


def test_spheres_are_close_to_their_own_voxels_and_far_when_moved():
    labels = ball_of_labels()
    mesh = mesh_head(LayeredSphere((12, 16), (2, 5)), 2.0)
    found = mesh.quality(labels)
    assert found.fit.centroids.mean < 0.2 and found.fit.nodes.mean < 0.2
    assert found.fit.centroids.percent_not_found == 0
    assert max(map(abs, found.fit.volume_percent.values())) < 4
    assert 1.3 < found.contacts["scalp/air"].voxel_area_cm2 / found.contacts["scalp/air"].area_cm2 < 1.7
    moved = TetMesh(mesh.nodes + [1e-3, 0, 0], mesh.tets, mesh.tags).quality(labels).fit
    assert 0.4 < moved.centroids.mean < 0.65  # the mean of |cos| over a sphere is 1/2
    assert moved.centroids.max > 0.9


def test_grey_matter_on_bone_that_is_not_in_the_voxels_is_false_contact():
    labels = slabs((1, 1, 1), tags=(2, 4))
    assert quality(*slab_mesh(tags=(2, 4)), labels).fit.false_contact_cm2 == pytest.approx(0, abs=1e-9)
    data = labels.data.copy()
    data[:, :, 6] = 3  # a film of csf that the mesh does not have
    with_csf = LabelVolume(data, labels.affine)
    found = quality(*slab_mesh(tags=(2, 4)), with_csf)
    assert found.fit.false_contact_cm2 == pytest.approx(1.44)
    assert found.fit.volume_percent["csf"] == pytest.approx(-100)
    assert found.contacts["gm/csf"].area_cm2 == 0
    assert found.contacts["gm/csf"].voxel_area_cm2 == pytest.approx(1.44)
    assert quality(*slab_mesh(tags=(2, 7)), with_csf).fit.false_contact_cm2 == pytest.approx(1.44)


# --- as text and as JSON -----------------------------------------------------------------------------------------


def test_report_is_aligned_and_its_numbers_are_json():
    mesh = mesh_head(LayeredSphere((12, 16), (2, 5)), 4.0)
    for labels in (None, ball_of_labels()):
        found = mesh.quality(labels)
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["tets"] == len(mesh.tets)
        text = str(found)
        assert "1 piece; no faults" in text and "gm/scalp" in text
        assert max(map(len, text.splitlines())) <= 88
        assert "nan" not in text
