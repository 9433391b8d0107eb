"""Electrodes on heads that came without any."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

import femtms
from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.fiducials import fiducials_summary, with_fiducials

RADIUS = 80.0
AXES = {"Nz": [0, RADIUS, 0], "Iz": [0, -RADIUS, 0], "LPA": [-RADIUS, 0, 0], "RPA": [RADIUS, 0, 0]}
SHIFT = np.array([3.0, -20.0, 11.0])  # the head's middle is not the origin


def ball(voxel_mm=2.0):
    """A ball of scalp about SHIFT, as a label volume that has no electrodes."""
    n = int(2 * (RADIUS + 10) / voxel_mm)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = SHIFT - 0.5 * (n - 1) * voxel_mm
    at = np.indices((n, n, n)).T * voxel_mm + affine[:3, 3] - SHIFT
    r = np.linalg.norm(at, axis=-1).T
    return LabelVolume(np.where(r < RADIUS - 20, 2, 5) * (r < RADIUS), affine)


@pytest.fixture(scope="module")
def head():
    return ball()


@pytest.fixture(scope="module")
def mesh(head):
    return femtms.mesh_head(head, 10)


def shifted(points, scale=1.0):
    return {name: scale * (np.array(point) + SHIFT) for name, point in points.items()}


@pytest.mark.parametrize("kind", ["volume", "mesh"])
def test_four_fiducials_give_the_positions_of_the_sphere(head, mesh, kind):
    found = with_fiducials(head if kind == "volume" else mesh, shifted(AXES)).landmarks_mm
    known = LayeredSphere((RADIUS,)).landmarks
    assert set(found) == set(known)
    for name, point in known.items():
        assert np.linalg.norm(found[name] - SHIFT - point) < (1.0 if kind == "volume" else 2.5), name


def test_coils_are_placed_by_the_names_that_were_given(mesh):
    own = with_fiducials(mesh, shifted({"hotspot": [-48, 0, 64], "aim": [0, 0, 80]}))
    pose = femtms.place(own, "hotspot", "aim", gap_mm=4)
    there = femtms.place(own, (SHIFT + [-48, 0, 64]).tolist(), (SHIFT + [0, 0, 80]).tolist(), gap_mm=4)
    np.testing.assert_allclose(pose.matrix, there.matrix, atol=0.2)
    assert not mesh.landmarks, "the head that was given stays as it was"


def test_electrodes_of_the_file_take_the_place_of_computed_ones(head):
    measured = np.array([-60.0, 0, 53])
    found = with_fiducials(head, shifted(AXES | {"c3": measured, "E129": [0, 60, 53]})).landmarks_mm
    assert np.linalg.norm(found["c3"] - SHIFT - measured) < 1.5
    assert "C3" not in found and "C4" in found and "E129" in found


def test_without_all_fiducials_only_what_is_given_is_known(head, caplog):
    with caplog.at_level(logging.WARNING):
        found = with_fiducials(head, shifted({"Nz": AXES["Nz"], "Cz": [0, 0, RADIUS]})).landmarks_mm
    assert set(found) == {"Nz", "Cz"}
    assert "without Iz and LPA and RPA only the positions that are given are known" in caplog.text


def swapped(a, b):
    return AXES | {a: AXES[b], b: AXES[a]}


@pytest.mark.parametrize(
    "points, message",
    [
        (shifted(AXES, 1e-3), "in mm in the frame of the head; .* mm away \\(is it in m\\?\\)"),
        (shifted(AXES, 0.1), "mm away \\(is it in cm\\?\\)"),
        ({n: p + [0, 0, 200] for n, p in shifted(AXES).items()}, "1\\d\\d mm away \\(are they in another frame\\?\\)"),
        (shifted(swapped("LPA", "RPA")), "LPA must be on the left of RPA, at lower x .*are left and right exchanged"),
        (shifted(swapped("Nz", "Iz")), "Nz must be in front of Iz, at higher y"),
        ({n: p * [-1, -1, 1] for n, p in shifted(AXES).items()}, "both are reversed \\(are the .* in LPS\\?\\)"),
        (
            shifted({"C3": [48, 0, 64], "C4": [-48, 0, 64], "F3": [40, 40, 57], "F4": [-40, 40, 57],
                     "P3": [40, -40, 57], "P4": [-40, -40, 57]}),
            "C3 must be on the left of C4",
        ),
        (shifted(AXES | {"Iz": [0, 75, 20], "Nz": [0, 78, 15]}), "Nz and Iz must be different places"),
        (shifted({"Nz": AXES["Nz"], "LPA": AXES["LPA"]}), "need Nz, Iz, LPA and RPA; Iz and RPA are missing"),
        ({"C3": [0, np.inf, 0]}, "fiducials must be three finite numbers in mm"),
        ({"C3": "here"}, "fiducials must be three finite numbers in mm"),
        ({"Nz": [0, 0, 0], "NAS": [0, 0, 0]}, "fiducials must have each name once; 'Nz' is there twice"),
        ({}, "fiducials must have at least one position"),
    ],
)  # fmt: skip
def test_positions_that_cannot_be_on_this_head_are_refused(head, points, message):
    with pytest.raises(FemtmsError, match=message):
        with_fiducials(head, points)


def test_one_electrode_far_away_is_told_and_costs_no_other(head, caplog):
    with caplog.at_level(logging.WARNING):
        found = with_fiducials(head, shifted(AXES | {"EOG": [0, 130, 0]}))
    assert "EOG is 50 mm from the scalp" in caplog.text
    assert "C3" in found.landmarks


def test_spheres_have_positions_of_their_own():
    with pytest.raises(FemtmsError, match="for label volumes and meshes; spheres have their own"):
        with_fiducials(LayeredSphere((80.0,)), AXES)


def test_the_summary_says_where_positions_are_from(head, tmp_path):
    path = tmp_path / "nz.csv"
    path.write_text("\n".join(f"{n},{','.join(map(str, p))}" for n, p in shifted(AXES).items()))
    own = with_fiducials(head, path)
    found = fiducials_summary(path, own)
    assert found["path"] == str(path) and len(found["sha256"]) == 64
    np.testing.assert_allclose(found["mm"]["Nz"], SHIFT + AXES["Nz"], atol=1.0)
    assert fiducials_summary(None, head) is None
    assert fiducials_summary(AXES, own)["given"]["Iz"] == [0, -RADIUS, 0]


# --- estimated -------------------------------------------------------------------------------------------------------


def warped(head, matrix):
    """A head under a linear map about its middle, on a grid of 2 mm, and its own fiducials there."""
    from scipy import ndimage

    middle = np.array(head.box_mm).mean(axis=0)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = middle - 140
    inverse = np.linalg.inv(matrix)
    to_voxel = np.linalg.inv(head.affine)[:3, :3] @ inverse
    start = np.linalg.inv(head.affine)[:3] @ np.append(inverse @ (affine[:3, 3] - middle) + middle, 1)
    data = ndimage.affine_transform(np.asarray(head.data), 2 * to_voxel, start, output_shape=(140,) * 3, order=0)
    true = {name: matrix @ (head.landmarks[name] - middle) + middle for name in AXES}
    return LabelVolume(data, affine), true


def test_an_estimate_finds_the_fiducials_of_a_head_that_is_turned_and_stretched():
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", [10, -8, 9], degrees=True).as_matrix()
    other, true = warped(femtms.load_head("colin27"), turn @ np.diag([0.9, 1.04, 0.95]))
    found = with_fiducials(other, "estimate")
    for name, point in true.items():
        assert np.linalg.norm(found.landmarks[name] - point) < 1.0, name
    assert "estimated from the shape of the scalp: Nz (" in found.notes[-1] and "Iz" in found.notes[-1]
    assert fiducials_summary("estimate", found)["uncertainty_mm"]["Iz"] > 0


@pytest.mark.parametrize("what", ["ball", "back to front", "brain"])
def test_an_estimate_is_refused_for_what_has_not_the_shape_of_a_head(head, what):
    other = head
    if what != "ball":
        other = femtms.load_head("colin27")
        data = other.data[:, ::-1] if what == "back to front" else np.where(np.isin(other.data, (1, 2, 3)), 5, 0)
        other = LabelVolume(np.ascontiguousarray(data, np.uint8), other.affine)
    with pytest.raises(FemtmsError, match="a whole human head in RAS axes, upright within 30°; the scalp"):
        with_fiducials(other, "estimate")


def test_an_estimate_needs_a_scalp(head):
    with pytest.raises(FemtmsError, match="estimated from the scalp, which the head must have"):
        with_fiducials(LabelVolume(np.minimum(head.data, 2), head.affine), "estimate")


# Picked on the segmentation by eye: Nz in the dent of the profile, Iz where the outer bone's occipital and nuchal
# planes meet, carried outward, RPA in front of the ear; of the left ear little is to be seen, so LPA mirrors it.
ANTS40 = {"Nz": (2.5, 63, -36), "Iz": (3, -123.5, -33), "RPA": (78, -38, -46), "LPA": (-70, -38, -46)}


@pytest.mark.skipif("FEMTMS_EXTERNAL_DATA" not in os.environ, reason="FEMTMS_EXTERNAL_DATA is not set")
def test_on_another_head_an_estimate_keeps_what_it_promises():
    head = femtms.read_labels(Path(os.environ["FEMTMS_EXTERNAL_DATA"]) / "ants40_labels.nii.gz")
    true, found = with_fiducials(head, ANTS40).landmarks, with_fiducials(head, "estimate")
    allowed = fiducials_summary("estimate", found)["uncertainty_mm"]
    for name in [*ANTS40, "C3", "C4", "F3", "F4", "Cz", "P3", "P4"]:
        off = np.linalg.norm(found.landmarks[name] - true[name])
        assert off < allowed.get(name, allowed["others"]), name


def test_lengths_in_mm_have_names_that_say_so(head, mesh):
    own = with_fiducials(mesh, shifted(AXES))
    np.testing.assert_allclose(own.landmarks_mm["Nz"], 1e3 * own.landmarks["Nz"])
    volume = with_fiducials(head, shifted(AXES))
    np.testing.assert_array_equal(volume.landmarks_mm["Nz"], volume.landmarks["Nz"])
    np.testing.assert_array_equal(volume.affine_mm, volume.affine)
    pose = femtms.place(own, own.landmarks_mm["C3"].tolist(), "CP3")
    np.testing.assert_allclose(pose.matrix, femtms.place(own, "C3", "CP3").matrix, atol=1e-6)
    np.testing.assert_array_equal(pose.matrix_mm, pose.matrix)
    np.testing.assert_allclose(pose.centre_mm, 1e3 * pose.centre)
