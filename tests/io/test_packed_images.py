"""A packed image has a checksum at the end of its stream, and readers go there."""

import gzip
import random

import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, load_coil, read_labels
from femtms.io.tensors import read_tensors

AFFINE = np.diag([10.0, 10, 10, 1])


def labels():
    data = np.zeros((6, 5, 7), np.uint8)
    data[1:5, 1:4, 1:6] = np.random.default_rng(0).integers(1, 6, (4, 3, 5))
    return nibabel.Nifti1Image(data, AFFINE)


def tensors():
    data = np.random.default_rng(1).normal(size=(4, 4, 4, 6)).astype(np.float32)
    data[..., [0, 3, 5]] = 9
    return nibabel.Nifti1Image(data, AFFINE)


def field():
    image = nibabel.Nifti1Image(np.random.default_rng(2).normal(size=(4, 5, 4, 3)), AFFINE)
    image.header.set_xyzt_units("mm")
    return image


KINDS = {
    "labels.nii.gz": (labels, lambda path: read_labels(path).data),
    "labels.mgz": (lambda: nibabel.MGHImage(np.asarray(labels().dataobj), AFFINE), lambda path: read_labels(path).data),
    "tensors.nii.gz": (tensors, lambda path: read_tensors(path).components),
    "field.nii.gz": (field, lambda path: load_coil(path).elements[0].values),
}


def packed(name, tmp_path):
    """The bytes of a file, and what its reader makes of it."""
    make, read = KINDS[name]
    nibabel.save(make(), tmp_path / name)
    return (tmp_path / name).read_bytes(), read, np.array(read(tmp_path / name))


@pytest.mark.parametrize("name", KINDS)
def test_no_flipped_bit_gives_other_data(name, tmp_path):
    content, read, right = packed(name, tmp_path)
    bits = range(8 * len(content))
    passed = 0
    for bit in bits if len(bits) < 3000 else random.Random(0).sample(bits, 600):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / name).write_bytes(damaged)
        try:
            found = read(tmp_path / name)
        except FemtmsError as error:
            assert name in str(error)
            continue
        passed += 1
        np.testing.assert_array_equal(found, right)
    assert passed < 200  # of the name and the date in the header of the stream


@pytest.mark.parametrize("name", KINDS)
def test_stream_that_is_whole_is_read_however_it_is_packed(name, tmp_path):
    content, read, right = packed(name, tmp_path)
    raw = gzip.decompress(content)
    two = gzip.compress(raw[:500]) + gzip.compress(raw[500:])
    for good in (two, content + bytes(512), gzip.compress(raw + bytes(1000), 1)):
        (tmp_path / name).write_bytes(good)
        np.testing.assert_array_equal(read(tmp_path / name), right)
    for bad in (content[:-1], content[:-8], content + b"more"):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(FemtmsError, match=name):
            read(tmp_path / name)


def test_stream_that_goes_on_and_on_is_refused(tmp_path):
    content, read, _ = packed("labels.nii.gz", tmp_path)
    (tmp_path / "labels.nii.gz").write_bytes(gzip.compress(gzip.decompress(content) + bytes(2**26 + 2**21)))
    with pytest.raises(FemtmsError, match=r"labels\.nii\.gz: must end where its data do"):
        read(tmp_path / "labels.nii.gz")


@pytest.mark.parametrize("before", [(1,), (1, 1)])
@pytest.mark.parametrize("name", ["labels.nii.gz", "tensors.nii.gz", "field.nii.gz"])
def test_leading_axis_of_length_1_is_left_out(name, before, tmp_path):
    make, read = KINDS[name]
    image = make()
    nibabel.save(image, tmp_path / name)
    right = np.array(read(tmp_path / name))
    data = np.asarray(image.dataobj)
    nibabel.save(nibabel.Nifti1Image(data.reshape(*before, *data.shape), image.affine, image.header), tmp_path / name)
    assert len(nibabel.load(tmp_path / name).shape) == data.ndim + len(before)
    np.testing.assert_array_equal(read(tmp_path / name), right)


@pytest.mark.parametrize("shape", [(1, 6, 6), (1, 6, 6, 1), (1, 1, 6, 6), (6, 1, 6), (1, 6, 1, 6)])
def test_slice_is_no_volume(shape, tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.uint8), AFFINE), tmp_path / "slice.nii")
    with pytest.raises(FemtmsError, match=r"slice\.nii.*label volume must have"):
        read_labels(tmp_path / "slice.nii")
