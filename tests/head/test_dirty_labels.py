"""Label volumes are dirty in real life: nothing may crash, and what is dropped is said."""

import logging

import nibabel
import numpy as np
import pytest
from scipy import sparse

from femtms import FemtmsError, LabelVolume, Simulator, load_coil, mesh_head, place, read_labels
from femtms.head.clean import PINHOLE_ML, cleaned

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])  # voxels of 0.008 mL


def box(shape=(24, 24, 24), margin=4):
    """Scalp around a core of grey matter, in air."""
    data = np.zeros(shape, np.uint8)
    data[tuple(slice(margin, n - margin) for n in shape)] = 5
    data[tuple(slice(2 * margin, n - 2 * margin) for n in shape)] = 2
    return data


def tidy(data, affine=AFFINE):
    """Cleaned data and what was said, as one text."""
    labels, notes = cleaned(LabelVolume(data, affine))
    return labels.data, "; ".join(notes)


def test_clean_head_is_left_alone_and_nothing_is_said():
    data, said = tidy(box())
    np.testing.assert_array_equal(data, box())
    assert said == ""


def test_islands_are_dropped_and_said():
    dirty = box()
    dirty[0, 0, 0] = 5
    dirty[22, 22, 20:22] = 2
    data, said = tidy(dirty)
    np.testing.assert_array_equal(data, box())
    assert said == "dropped 2 islands of tissue (0.024 mL) not connected to the head"


def test_corner_contact_is_no_connection():
    dirty = box()
    dirty[3, 3, 3] = 5  # touches the corner voxel of the head only by its corner
    data, said = tidy(dirty)
    np.testing.assert_array_equal(data, box())
    assert "dropped 1 island of" in said


def test_tissue_that_exists_only_in_an_island_is_named():
    dirty = box()
    dirty[0, 0, 0] = 9
    _, said = tidy(dirty)
    assert "tissue 9 occurred only in dropped islands" in said


@pytest.mark.parametrize("length", [1, 2, 8, 16])
def test_second_head_is_refused(length):
    """A tenth of the first is no crumb: either may be the one that is meant."""
    dirty = np.zeros((30, 10, 10), np.uint8)
    dirty[1 : 1 + length, 1:9, 1:9] = 5
    dirty[18:28, 1:9, 1:9] = 2
    dirty[0, 0, 0] = 5
    if length == 1:
        dirty[1, 1, 1] = 0  # 63 voxels are less than a tenth of 640
        data, said = tidy(dirty)
        assert np.unique(data).tolist() == [0, 2] and "dropped 2 islands" in said
        return
    words = rf"one head; .*{0.008 * 64 * min(length, 10):.3g} mL in voxels i .*, k 1 to 8.*: crop the volume"
    with pytest.raises(FemtmsError, match=words):
        tidy(dirty)


def test_pinholes_take_the_tissue_around_them_and_that_is_said():
    dirty = box()
    dirty[11, 11, 11] = 0
    dirty[12, 14, 12] = 0
    dirty[5, 12, 12] = 0
    data, said = tidy(dirty)
    np.testing.assert_array_equal(data, box())
    assert said == "filled 3 enclosed air voxels (0.024 mL) in pinholes"


def test_large_cavity_stays_air_and_has_a_surface():
    dirty = box()
    dirty[10:14, 10:14, 10:14] = 0
    assert 64 * 0.008 > PINHOLE_ML
    data, said = tidy(dirty)
    np.testing.assert_array_equal(data, dirty)
    assert said == ""
    mesh = mesh_head(LabelVolume(dirty, AFFINE), size_mm=2.0)
    within = np.abs(mesh.nodes[mesh.outer_faces].mean(axis=1) - 0.023).max(axis=1) < 0.006
    assert within.sum() > 50, "the walls of the cavity belong to the surface"
    inside = np.abs(mesh.centroids - 0.023).max(axis=1) < 0.003
    assert not inside.any()


def test_pocket_that_opens_to_the_outside_is_no_pinhole():
    dirty = box()
    dirty[4, 12, 12] = 0
    data, said = tidy(dirty)
    np.testing.assert_array_equal(data, dirty)
    assert said == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end, word", [(0, "low"), (-1, "high")])
def test_head_at_the_border_is_kept_and_the_border_named(axis, end, word):
    data = np.moveaxis(box(), axis, 0)
    data = np.moveaxis(data[8:] if end == 0 else data[:-8], 0, axis)
    kept, said = tidy(data)
    np.testing.assert_array_equal(kept, data)
    assert f"touches the border of the volume ({word} end of voxel axis {'ijk'[axis]}): that cut insulates" == (
        said.removeprefix("the head ")
    )
    mesh = mesh_head(LabelVolume(data, AFFINE), size_mm=2.0)
    assert 1e6 * mesh.volumes.sum() == pytest.approx(0.008 * (data > 0).sum(), rel=0.08)  # edges are rounded


def test_neck_that_is_cut_off_has_no_pinhole_at_the_cut():
    data = box()[:, :, 8:]
    data[12, 12, 0] = 0  # a gap in the cut is open to the outside
    kept, said = tidy(data)
    assert kept[12, 12, 0] == 0
    assert "filled" not in said


def test_notes_are_logged_with_the_name_of_the_head_and_kept_in_the_mesh(caplog):
    dirty = box()
    dirty[0, 0, 0] = 5
    with caplog.at_level(logging.WARNING, "femtms"):
        mesh = mesh_head(LabelVolume(dirty, AFFINE, name="patient 7"), size_mm=4.0)
    assert [record.getMessage() for record in caplog.records] == [f"patient 7: {note}" for note in mesh.notes]
    assert any("island" in note for note in mesh.notes)


def test_no_tissue_and_no_air_are_refused():
    for value, word in ((0, "no tissue"), (3, "no air")):
        with pytest.raises(FemtmsError, match=word):
            cleaned(LabelVolume(np.full((4, 5, 6), value), AFFINE))


def test_few_voxels_are_a_head_when_the_mesh_is_fine_enough():
    data = np.zeros((9, 9, 9), np.uint8)
    data[3:6, 3:6, 3:6] = 3
    labels = LabelVolume(data, np.diag([4.0, 4, 4, 1]), "cube")
    mesh = mesh_head(labels, size_mm=1.5)
    assert 1.3 < 1e6 * mesh.volumes.sum() < 12**3 * 1e-3  # edges and corners are rounded
    np.testing.assert_allclose(1e3 * mesh.centroids.mean(axis=0), 16, atol=0.2)
    assert any("one compartment" in note for note in mesh.notes)
    with pytest.raises(FemtmsError, match="use a smaller size"):
        mesh_head(labels, size_mm=90.0)


def test_thin_sheet_is_meshed_or_said_to_be_too_thin():
    data = box()
    data[4:20, 4:20, 12] = 7
    fine = mesh_head(LabelVolume(data, AFFINE), size_mm=1.5)
    assert 1e6 * fine.volumes[fine.tags == 7].sum() == pytest.approx(0.008 * 256, rel=0.2)
    coarse = mesh_head(LabelVolume(data, AFFINE), size_mm=12.0)
    assert (7 in coarse.tissues) != any("compact_bone: too thin" in note for note in coarse.notes)


@pytest.mark.parametrize("size", [1.0, 2.0, 3.0, 5.0, 9.0])
def test_lone_sheet_becomes_one_piece_or_a_sentence(size):
    data = np.zeros((30, 30, 9), np.uint8)
    data[3:27, 3:27, 4] = 5
    try:
        mesh = mesh_head(LabelVolume(data, AFFINE), size_mm=size)
    except FemtmsError as error:
        assert size > 2 and "smaller size" in str(error)
        return
    first, others = np.repeat(mesh.tets[:, 0], 3), mesh.tets[:, 1:].ravel()
    graph = sparse.coo_array((np.ones(len(first)), (first, others)), shape=(len(mesh.nodes),) * 2)
    assert sparse.csgraph.connected_components(graph, directed=False)[0] == 1
    if size == 1.0:
        assert 1e6 * mesh.volumes.sum() == pytest.approx(0.008 * 576, rel=0.25)


def test_checkerboard_of_many_pieces_leaves_one_and_counts_the_others():
    grid = np.indices((24, 24, 24)).sum(axis=0)
    data = np.where(grid % 2 == 0, 5, 0).astype(np.uint8)
    data[:6, :6, :6] = 2
    kept, said = tidy(data)
    assert (kept == 2).sum() == 216
    assert f"dropped {(data == 5).sum() - (kept == 5).sum():,} islands" in said
    mesh = mesh_head(LabelVolume(data, AFFINE), size_mm=2.0)
    assert 2 in mesh.tissues


def test_random_labels_end_in_a_field():
    """The dirtiest head: noise. It has slivers, needles and pieces that hang together by an edge."""
    random = np.random.default_rng(5)
    data = np.zeros((20, 20, 20), np.uint8)
    data[3:17, 3:17, 3:17] = random.integers(0, 6, (14, 14, 14))
    mesh = mesh_head(LabelVolume(data, AFFINE), size_mm=2.5)
    assert mesh.notes
    pose = place(mesh, (19, 19, 34), (19, 34, 34))
    field = Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), pose)
    assert np.isfinite(field.magnE).all()
    assert field.residual < 1e-6


# --- voxels of every shape and direction --------------------------------------------------------------------


def marked_head(position_mm):
    """Label at RAS points (…,3) in mm: a ball of three layers; an eye on the right, in front, above."""
    radius = np.linalg.norm(position_mm, axis=-1)
    data = np.select([radius < 20, radius < 26, radius < 32], [2, 4, 5], 0)
    data[np.linalg.norm(position_mm - [14.0, 18.0, 10.0], axis=-1) < 8] = 6
    return data.astype(np.uint8)


def rotation(axis, degrees):
    axis = np.array(axis) / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    angle = np.radians(degrees)
    return np.eye(3) - np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


GRIDS = {
    "RAS": np.eye(3),
    "LAS": np.diag([-1.0, 1, 1]),
    "PIR": np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
    "anisotropic": np.diag([1.0, 1, 3]),
    "flipped and anisotropic": np.diag([-3.0, 1, 1]),
    "oblique": rotation([1, 2, 3], 25),
    "oblique and anisotropic": rotation([3, 1, 2], 40) @ np.diag([1.0, 1.5, 2]),
    "sheared": np.array([[1.0, 0.3, 0], [0, 1, 0.2], [0, 0, 1]]),
}


@pytest.mark.parametrize("directions", GRIDS.values(), ids=GRIDS.keys())
def test_every_voxel_grid_gives_the_same_head_in_the_same_place(directions, tmp_path):
    voxel = 1.5 * directions
    reach = np.ceil(36 * np.abs(np.linalg.inv(voxel)).sum(axis=1)).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = voxel
    affine[:3, 3] = -voxel @ reach
    index = np.stack(np.meshgrid(*[np.arange(2 * n + 1) for n in reach], indexing="ij"), axis=-1)
    nibabel.save(nibabel.Nifti1Image(marked_head(index @ voxel.T + affine[:3, 3]), affine), tmp_path / "head.nii.gz")

    mesh = mesh_head(read_labels(tmp_path / "head.nii.gz"), size_mm=2.5)
    assert mesh.notes == ()
    ball = 4 / 3 * np.pi * np.array([8.0, 32.0]) ** 3 * 1e-3  # mL: the eye, the head
    volume = {int(t): 1e6 * mesh.volumes[mesh.tags == t].sum() for t in mesh.tissues}
    assert volume[6] == pytest.approx(ball[0], rel=0.06)
    assert sum(volume.values()) == pytest.approx(ball[1], rel=0.02)
    eye = mesh.tags == 6
    centre = np.average(1e3 * mesh.centroids[eye], axis=0, weights=mesh.volumes[eye])
    np.testing.assert_allclose(centre, [14, 18, 10], atol=0.5)
    middle = (mesh.volumes[:, None] * mesh.centroids).sum(axis=0) / mesh.volumes.sum()
    np.testing.assert_allclose(1e3 * middle, 0, atol=0.3)


def test_volume_without_orientation_says_which_way_it_is_read(tmp_path, caplog):
    image = nibabel.Nifti1Image(box(), None)
    image.header["pixdim"][1:4] = 2.0
    nibabel.save(image, tmp_path / "lost.nii")
    content = bytearray((tmp_path / "lost.nii").read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    (tmp_path / "lost.nii").write_bytes(content)
    with caplog.at_level(logging.WARNING, "femtms"):
        labels = read_labels(tmp_path / "lost.nii")
    assert "no orientation" in caplog.text
    assert ("points left" in caplog.text or "point left" in caplog.text) == (labels.affine[0, 0] < 0)
