"""Tensors from NIfTI files."""

import nibabel
import numpy as np
import pytest
from conductivity.diffusion import along, centred, fsl_components, rotation, uniform, write_fsl

from femtms import FemtmsError, read_tensors
from femtms.conductivity.tensor import full_tensors

SHAPE = (4, 5, 6)
AFFINE = centred(rotation([1, 1, 0], 0.4) @ np.diag([-1, 1, 1]), [2, 2, 3], SHAPE)
TENSOR = along((1, -2, 0.5))
LOWER = [0, 1, 3, 2, 4, 5]  # xx, yx, yy, zx, zy, zz among xx, xy, xz, yy, yz, zz


def six():
    return fsl_components(uniform(TENSOR, SHAPE), AFFINE)


def saved(path, data, affine=AFFINE, intent=None, kind=nibabel.Nifti1Image):
    image = kind(data, affine)
    if intent is not None:
        image.header.set_intent(*intent)
    nibabel.save(image, path)
    return path


def tensor_in(path, frame="fsl"):
    return full_tensors(read_tensors(path, frame).at(np.zeros((1, 3))))[0]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_six_volumes_of_dtifit(suffix, dtype, rtol, tmp_path):
    found = tensor_in(write_fsl(tmp_path / f"dti{suffix}", uniform(TENSOR, SHAPE), AFFINE, dtype))
    np.testing.assert_allclose(found, TENSOR, atol=rtol * 1e-3)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("axes", [(1, 6), (6,)])
def test_symmetric_matrices_of_nifti_have_the_lower_triangle(axes, kind, tmp_path):
    data = six()[..., LOWER].reshape(*SHAPE, *axes)
    path = saved(tmp_path / "dti.nii.gz", data, intent=("symmetric matrix", (3,)), kind=kind)
    np.testing.assert_allclose(tensor_in(path), TENSOR, atol=1e-15)


def test_scaled_integers_are_what_they_mean(tmp_path):
    image = nibabel.Nifti1Image(np.rint(1e6 * six()).astype(np.int16), AFFINE)
    image.header.set_slope_inter(1e-6, 0)
    nibabel.save(image, tmp_path / "dti.nii")
    np.testing.assert_allclose(tensor_in(tmp_path / "dti.nii"), TENSOR, atol=1e-6)


def test_frames_are_those_that_were_asked_for(tmp_path):
    affine = centred(np.eye(3), [2, 2, 2], SHAPE)  # neurological: here FSL turns x round
    data = np.tile([1.0, 0.5, 0, 2, 0, 3], (*SHAPE, 1))
    path = saved(tmp_path / "dti.nii", data, affine)
    for frame, xy in (("fsl", -0.5), ("voxel", 0.5), ("head", 0.5)):
        np.testing.assert_allclose(tensor_in(path, frame), [[1, xy, 0], [xy, 2, 0], [0, 0, 3]], atol=1e-15)
    with pytest.raises(FemtmsError, match="one of fsl, voxel, head; got 'scanner'"):
        read_tensors(path, "scanner")


def test_file_without_orientation_is_read_as_fsl_does_and_said(tmp_path, caplog):
    image = nibabel.Nifti1Image(np.tile([1.0, 0.5, 0, 2, 0, 3], (*SHAPE, 1)), None)
    image.header.set_zooms((2, 2, 2, 1))
    nibabel.save(image, tmp_path / "dti.nii")
    assert tensor_in(tmp_path / "dti.nii")[0, 1] == pytest.approx(-0.5)  # i points left: so does FSL's x
    assert "no orientation" in caplog.text


@pytest.mark.parametrize(
    "data, intent, words",
    [
        (np.ones(SHAPE), None, "six volumes.*got shape 4×5×6"),
        (np.ones((*SHAPE, 7)), None, "six volumes.*got shape 4×5×6×7"),
        (np.ones((*SHAPE, 3)), None, "six volumes"),
        (np.ones((*SHAPE, 6, 2)), None, "six volumes"),
        (np.ones((*SHAPE, 1, 6)), None, "must have the intent of symmetric matrices"),
        (np.ones((*SHAPE, 1, 10)), ("symmetric matrix", (4,)), "six volumes"),
        (np.zeros((*SHAPE, 6)), None, "at least one voxel must have a tensor; all 120 are zero"),
    ],
)
def test_other_files_are_refused_with_what_they_are(data, intent, words, tmp_path):
    with pytest.raises(FemtmsError, match=f"dti.nii.*{words}"):
        read_tensors(saved(tmp_path / "dti.nii", data, intent=intent))


def test_damaged_missing_and_other_files_are_refused(tmp_path):
    path = saved(tmp_path / "dti.nii.gz", six())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FemtmsError, match=r"dti\.nii\.gz"):
        read_tensors(path)
    with pytest.raises(FemtmsError, match="no such file"):
        read_tensors(tmp_path / "absent.nii")
    (tmp_path / "text.nii").write_text("xx xy xz yy yz zz\n")
    with pytest.raises(FemtmsError, match=r"text\.nii"):
        read_tensors(tmp_path / "text.nii")
    in_m = centred(np.eye(3), [2e-3, 2e-3, 2e-3], SHAPE)
    with pytest.raises(FemtmsError, match="must be in mm"):
        read_tensors(saved(tmp_path / "m.nii", six(), in_m))
