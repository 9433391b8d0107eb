"""What a volume of tensors is at a point."""

import numpy as np
import pytest
from conductivity.diffusion import along, uniform

from femtms import FemtmsError, TensorVolume
from femtms.conductivity.tensor import components_of

TENSOR = components_of(along((1, 2, 0)))


def volume_of(data):
    return TensorVolume(data, np.diag([2.0, 2.0, 2.0, 1.0]))


def full():
    return components_of(uniform(along((1, 2, 0)), (5, 5, 5))).copy()


def test_outside_of_the_grid_there_is_no_tensor():
    points = 1e-3 * np.array([[-0.9, 4, 4], [-1.1, 4, 4], [8.9, 4, 4], [9.1, 4, 4], [4, 4, 500]])
    found = volume_of(full()).at(points)
    assert found.any(axis=1).tolist() == [True, False, True, False, False]
    np.testing.assert_allclose(found[[0, 2]], [TENSOR, TENSOR], rtol=1e-14)


def test_voxels_without_a_tensor_do_not_dilute_their_neighbours():
    data = full()
    data[3] = 0
    data[:, 3] = np.nan
    points = 1e-3 * np.array([[4.9, 2, 2], [5.1, 2, 2], [2, 4.9, 2], [2, 5.1, 2], [5.1, 5.1, 2]])
    found = volume_of(data).at(points)
    np.testing.assert_allclose(found[[0, 2]], [TENSOR, TENSOR], rtol=1e-14)
    assert not found[1].any()
    assert np.isnan(found[[3, 4]]).all()


def test_a_mean_of_positive_definite_tensors_is_one():
    a = np.random.default_rng(1).normal(size=(5, 5, 5, 3, 3))
    found = volume_of(components_of(a @ a.transpose(0, 1, 2, 4, 3))).at(
        np.random.default_rng(2).uniform(0, 8e-3, (200, 3))
    )
    assert (np.linalg.eigvalsh(found[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)) > 0).all()


@pytest.mark.parametrize(
    "data, affine, words",
    [
        (np.ones((3, 3, 3)), np.eye(4), r"six components in each voxel; got shape \(3, 3, 3\)"),
        (np.ones((3, 3, 3, 9)), np.eye(4), "six components"),
        (np.zeros((3, 3, 3, 6)), np.eye(4), "at least one voxel must have a tensor; all 27 are zero or NaN"),
        (np.full((3, 3, 3, 6), np.nan), np.eye(4), "all 27 are zero or NaN"),
        (np.ones((3, 3, 3, 6)), np.zeros((4, 4)), "invertible"),
        (np.ones((3, 3, 3, 6)), np.eye(3), "4×4"),
        (np.ones((3, 3, 3, 6), complex), np.eye(4), "numbers"),
    ],
)
def test_what_is_no_volume_of_tensors_is_refused(data, affine, words):
    with pytest.raises(FemtmsError, match=words):
        TensorVolume(data, affine)


def test_printed_it_says_what_it_has():
    data = full()
    data[0] = 0
    assert repr(volume_of(data)) == "TensorVolume(tensors: 5×5×5 voxels of 2×2×2 mm, 100 with a tensor)"
