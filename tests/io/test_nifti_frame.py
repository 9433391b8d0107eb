"""Where the voxels of volumes are: units, missing and double orientations, rounding."""

import logging

import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, load_coil, read_labels, read_tensors

LABELS = np.zeros((12, 12, 12), np.uint8)
LABELS[1:-1, 1:-1, 1:-1] = 5
TENSORS = np.tile(np.array([1e-3, 0, 0, 1e-3, 0, 1e-3], np.float32), (6, 6, 6, 1))
A = np.random.default_rng(0).normal(scale=1e-7, size=(6, 6, 6, 3)).astype(np.float32)
READERS = {"labels": (read_labels, LABELS), "tensors": (read_tensors, TENSORS), "A": (load_coil, A)}
AFFINE = np.diag([15.0, 15, 15, 1])


def warnings_in(caplog):
    return " | ".join(r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)


@pytest.mark.parametrize("read, data", READERS.values(), ids=READERS)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("unit, words", [("meter", "xyzt_units say m"), ("micron", "xyzt_units say µm"), (5, "unit 5")])
def test_another_unit_is_refused_alike(read, data, kind, unit, words, tmp_path):
    image = kind(data, AFFINE)
    for fine in ("mm", "unknown"):
        image.header.set_xyzt_units(fine)
        nibabel.save(image, tmp_path / "x.nii")
        read(tmp_path / "x.nii")
    if isinstance(unit, str):
        image.header.set_xyzt_units(unit)
    else:
        image.header["xyzt_units"] = unit
    nibabel.save(image, tmp_path / "x.nii")
    with pytest.raises(FemtmsError, match=f"x.nii: the affine must be in mm; .*{words}$"):
        read(tmp_path / "x.nii")


@pytest.mark.parametrize("read, data", READERS.values(), ids=READERS)
def test_a_qform_that_is_elsewhere_is_said_with_the_distance(read, data, tmp_path, caplog):
    image = nibabel.Nifti1Image(data, AFFINE)
    image.set_sform(AFFINE, 1)
    for shift, is_said in ((0.0, False), (0.01, False), (3.0, True)):
        qform = AFFINE.copy()
        qform[0, 3] += shift
        image.set_qform(qform, 1)
        nibabel.save(image, tmp_path / "x.nii")
        caplog.clear()
        read(tmp_path / "x.nii")
        assert ("the qform puts voxels up to 3.0 mm elsewhere" in warnings_in(caplog)) == is_said


def test_the_sform_counts(tmp_path):
    image = nibabel.Nifti1Image(LABELS, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(np.diag([-15.0, 15, 15, 1]), 1)
    nibabel.save(image, tmp_path / "x.nii")
    np.testing.assert_allclose(read_labels(tmp_path / "x.nii").affine, AFFINE)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm2AnalyzeImage], ids=["Analyze", "SPM2"])
def test_analyze_has_no_orientation_and_it_is_said(kind, tmp_path, caplog):
    kind(LABELS, np.diag([-15.0, 15, 15, 1])).to_filename(str(tmp_path / "x.img"))
    for beside in tmp_path.glob("*.mat"):
        beside.unlink()
    read_labels(tmp_path / "x.hdr")
    assert "has no orientation (an Analyze file has none)" in warnings_in(caplog)


def test_nifti_without_codes_is_said(tmp_path, caplog):
    image = nibabel.Nifti1Image(LABELS, None)
    image.header["pixdim"][1:4] = 15
    nibabel.save(image, tmp_path / "x.nii")
    read_labels(tmp_path / "x.nii")
    assert "has no orientation (qform and sform codes are 0)" in warnings_in(caplog)


@pytest.mark.parametrize("too_long", [6.5e-7, 3e-6])
def test_rounded_quaternions_are_taken(too_long, tmp_path):
    """As in files of MNE: the squares of b, c and d add up to a little more than 1."""
    image = nibabel.Nifti1Image(LABELS, None)
    image.header["qform_code"], image.header["sform_code"] = 1, 0
    image.header["pixdim"][1:4] = 15
    b = np.array([0.6, 0.5, 0.62])
    for name, value in zip("bcd", b * np.sqrt(1 + too_long) / np.linalg.norm(b)):
        image.header[f"quatern_{name}"] = value
    image.to_filename(tmp_path / "x.nii")
    with pytest.raises(Exception, match="w2 should be positive"):
        nibabel.load(tmp_path / "x.nii")
    axes = read_labels(tmp_path / "x.nii").affine[:3, :3] / 15
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-4)


@pytest.mark.parametrize("off, is_taken", [(5e-4, True), (-9e-4, True), (2e-3, False), (0.25, False)])
def test_labels_near_whole_numbers_are_taken(off, is_taken, tmp_path):
    data = LABELS.astype(np.float32)
    data[LABELS > 0] += np.float32(off)
    nibabel.save(nibabel.Nifti1Image(data, AFFINE), tmp_path / "x.nii")
    if is_taken:
        np.testing.assert_array_equal(read_labels(tmp_path / "x.nii").data, LABELS)
    else:
        with pytest.raises(FemtmsError, match=rf"voxel \(1, 1, 1\) is {5 + off:.6g}"):
            read_labels(tmp_path / "x.nii")


def test_messages_print_the_digits_that_matter(tmp_path):
    data = LABELS.astype(np.float64)
    data[3, 4, 5] = 5.0010001
    nibabel.save(nibabel.Nifti1Image(data, AFFINE), tmp_path / "x.nii")
    with pytest.raises(FemtmsError, match=r"voxel \(3, 4, 5\) is 5\.0010001"):
        read_labels(tmp_path / "x.nii")
