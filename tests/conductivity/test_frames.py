"""Tensors come out of any file as they are in the head."""

import numpy as np
import pytest
from conductivity.diffusion import along, centred, centres, fsl_components, rotation, uniform

from femtms import FemtmsError, TensorVolume
from femtms.conductivity.frames import tensor_axes
from femtms.conductivity.tensor import components_of, full_tensors, turned

TURN = rotation([0.3, -0.5, 0.8], 0.6)
GRIDS = {
    "radiological (LAS)": centred(np.diag([-1, 1, 1]), [2, 2, 2], (9, 9, 9)),
    "neurological (RAS)": centred(np.eye(3), [2, 2, 2], (9, 9, 9)),
    "anisotropic voxels": centred(np.diag([-1, 1, 1]), [1.5, 2, 3.5], (9, 9, 9)),
    "anisotropic neurological": centred(np.eye(3), [1.5, 2, 3.5], (9, 9, 9)),
    "oblique": centred(TURN @ np.diag([-1, 1, 1]), [2, 2, 2], (9, 9, 9)),
    "oblique neurological thick": centred(TURN, [1.2, 2, 4], (9, 9, 9)),
    "sagittal (PSR)": centred([[0, 0, 1], [-1, 0, 0], [0, 1, 0]], [1, 1, 3], (9, 9, 9)),
    "sagittal mirrored (PSL)": centred([[0, 0, -1], [-1, 0, 0], [0, 1, 0]], [1, 1, 3], (9, 9, 9)),
    "y reversed (RPS)": centred(np.diag([1, -1, 1]), [2, 2, 3], (9, 9, 9)),
    "upside down (LPI)": centred(-np.eye(3), [2, 2, 3], (9, 9, 9)),
}


@pytest.mark.parametrize("affine", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (0.2, -0.5, 0.7)])
def test_fibres_point_where_they_point_in_the_head_whatever_the_grid(affine, direction):
    tensor = along(direction)
    volume = TensorVolume.in_frame(fsl_components(uniform(tensor, (9, 9, 9)), affine), affine)
    np.testing.assert_allclose(full_tensors(volume.at(np.zeros((1, 3))))[0], tensor, atol=1e-15)


@pytest.mark.parametrize("affine", GRIDS.values(), ids=GRIDS)
def test_tensors_are_where_they_are_in_the_head_whatever_the_grid(affine):
    """A linear field of tensors, another component in each direction: places and axes must both be right."""
    slopes = 1e-5 * np.random.default_rng(1).normal(size=(3, 3, 3))
    slopes += slopes.transpose(0, 2, 1)
    field = lambda mm: along((1, 2, 3)) + np.einsum("...a,abc->...bc", mm, slopes)  # noqa: E731
    volume = TensorVolume.in_frame(fsl_components(field(centres(affine, (9, 9, 9))), affine), affine)
    mm = np.random.default_rng(2).uniform(-3.0, 3.0, (50, 3))
    np.testing.assert_allclose(full_tensors(volume.at(1e-3 * mm)), field(mm), atol=1e-14)


@pytest.mark.parametrize("x_axis", [-1, 1])
def test_fibres_to_the_right_and_front_have_a_negative_xy_in_fsl_either_way(x_axis):
    """FSL's x points to the subject's left in both kinds of storage: the sign is known without any of our code."""
    affine = np.diag([2.0 * x_axis, 2, 2, 1])
    data = np.tile([1.0e-3, -0.7e-3, 0, 1.0e-3, 0, 0.3e-3], (3, 3, 3, 1))
    tensor = full_tensors(TensorVolume.in_frame(data, affine).at(1e-3 * affine[:3, :3].sum(axis=1)[None]))[0]
    values, vectors = np.linalg.eigh(tensor)
    assert values[2] == pytest.approx(1.7e-3)
    assert abs(vectors[:, 2] @ [1, 1, 0]) == pytest.approx(np.sqrt(2))


def test_frames_differ_by_the_sign_of_x_alone_and_only_for_right_handed_grids():
    for affine in GRIDS.values():
        flip = -1 if np.linalg.det(affine[:3, :3]) > 0 else 1
        np.testing.assert_allclose(tensor_axes(affine, "fsl"), tensor_axes(affine, "voxel") * [flip, 1, 1], atol=1e-15)
        np.testing.assert_array_equal(tensor_axes(affine, "head"), np.eye(3))


def test_axes_of_a_sheared_grid_are_the_nearest_orthogonal_ones():
    sheared = np.array([[2, 0.2, 0, 0], [0, 2, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]])
    axes = tensor_axes(sheared, "voxel")
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-14)
    given = sheared[:3, :3] / np.linalg.norm(sheared[:3, :3], axis=0)
    nearby = [axes @ rotation(axis, angle) for axis in np.eye(3) for angle in (-0.01, 0.01)]
    assert all(np.linalg.norm(axes - given) < np.linalg.norm(other - given) for other in nearby)


def test_turned_tensors_keep_eigenvalues_and_the_type():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(20, 3, 3))
    tensors = a + a.transpose(0, 2, 1)
    np.testing.assert_allclose(full_tensors(turned(components_of(tensors), TURN)), TURN @ tensors @ TURN.T, atol=1e-14)
    assert turned(components_of(tensors).astype(np.float32), TURN).dtype == np.float32


def test_other_frames_are_refused_with_those_that_there_are():
    with pytest.raises(FemtmsError, match="one of fsl, voxel, head; got 'ras'"):
        tensor_axes(np.eye(4), "ras")
