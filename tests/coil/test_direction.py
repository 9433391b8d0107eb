"""Where a coil points when nobody says."""

import numpy as np
import pytest

from femtms import LayeredSphere, mesh_head, place
from femtms.coil.direction import towards_the_midline


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 92)), size_mm=12.0)


def pointed(mesh, at):
    """The pose at a place, from one whose y is anywhere."""
    landmark = 1e3 * mesh.landmarks[at]
    return towards_the_midline(place(mesh, at, landmark + np.array([7.0, -20.0, 11.0])))


@pytest.mark.parametrize("at", "F3 C3 P3 F7 T7 C4 F4 O1 T8 TP10 Fp2".split())
def test_y_is_at_45_degrees_to_the_sagittal_plane_anterior_and_towards_the_midline(mesh, at):
    pose = pointed(mesh, at)
    y, outward, side = pose.rotation[:, 1], -pose.rotation[:, 2], np.sign(mesh.landmarks[at][0])
    anterior = np.array([0, 1, 0]) - outward[1] * outward
    anterior /= np.linalg.norm(anterior)
    assert y @ outward == pytest.approx(0, abs=1e-9)
    assert y @ anterior == pytest.approx(np.sqrt(0.5), abs=1e-6)
    medial = y - (y @ anterior) * anterior
    assert medial @ [-side, 0, 1] > 0.3


@pytest.mark.parametrize("at", "Fz Cz Pz".split())
def test_on_the_midline_y_is_straight_anterior(mesh, at):
    y = pointed(mesh, at).rotation[:, 1]
    assert y[0] == pytest.approx(0, abs=0.03)
    assert y[1] > 0.5


def test_anterior_goes_on_over_the_forehead_and_begins_at_the_back_of_the_head(mesh):
    assert pointed(mesh, "Nz").rotation[2, 1] == pytest.approx(-1, abs=0.03)
    assert pointed(mesh, "Iz").rotation[2, 1] == pytest.approx(1, abs=0.03)


def test_left_and_right_are_mirror_images(mesh):
    mirror = np.array([-1, 1, 1])
    np.testing.assert_allclose(
        pointed(mesh, "F4").rotation[:, 1], mirror * pointed(mesh, "F3").rotation[:, 1], atol=0.05
    )


def test_only_the_direction_changes(mesh):
    before = place(mesh, "F3", "Oz")
    after = towards_the_midline(before)
    np.testing.assert_allclose(after.matrix[:, 2:], before.matrix[:, 2:], atol=1e-12)
