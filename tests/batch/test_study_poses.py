"""From the positions of a study to poses."""

import numpy as np
import pytest

from femtms import FemtmsError, place
from femtms.batch.poses import Poses, pose_of
from femtms.study.design import StudyPlace


@pytest.fixture(scope="module")
def poses(sphere_mesh):
    return Poses(sphere_mesh)


def test_a_place_without_offset_and_angle_is_that_of_place(sphere_mesh, poses):
    wanted = place(sphere_mesh, "C3", "CP3", 6.0)
    assert (poses.of(StudyPlace("M1", "C3", "CP3"), 0.0, 6.0).matrix == wanted.matrix).all()
    assert (pose_of(sphere_mesh, StudyPlace("M1", "C3", "CP3"), 0.0, 6.0).matrix == wanted.matrix).all()


def test_an_angle_turns_the_coil_about_its_z_and_the_distance_lifts_it(poses):
    low, high = (poses.of(StudyPlace("", "C3", "CP3", (12, -7)), 30.0, d) for d in (2.0, 9.0))
    straight = poses.of(StudyPlace("", "C3", "CP3", (12, -7)), 0.0, 2.0)
    np.testing.assert_allclose(low.centre, straight.centre, atol=1e-12)
    np.testing.assert_allclose(low.rotation[:, 2], straight.rotation[:, 2], atol=1e-12)
    assert np.isclose(low.rotation[:, 1] @ straight.rotation[:, 1], np.cos(np.radians(30)))
    assert np.cross(straight.rotation[:, 1], low.rotation[:, 1]) @ low.rotation[:, 2] > 0  # right-handed about z
    np.testing.assert_allclose(1e3 * np.linalg.norm(high.centre - low.centre), 7.0, atol=0.1)


def test_a_matrix_is_turned_and_stays_where_it_is(poses, vertex_pose):
    turned = poses.of(StudyPlace("", matrix=vertex_pose.matrix), 90.0, 50.0)
    assert (turned.matrix[:, 3] == vertex_pose.matrix[:, 3]).all()
    np.testing.assert_allclose(turned.rotation[:, 1], -vertex_pose.rotation[:, 0], atol=1e-15)
    assert (poses.of(StudyPlace("", matrix=vertex_pose.matrix), 0.0, 1.0).matrix == vertex_pose.matrix).all()


def test_the_order_of_the_questions_does_not_matter(sphere_mesh, poses):
    grid = [StudyPlace("", "C4", None, (float(u), float(v))) for u in (-9, 0, 9) for v in (-9, 0, 9)]
    one_way = [poses.of(place, 0.0, 4.0).matrix for place in grid]
    other = Poses(sphere_mesh)
    other_way = [other.of(place, 0.0, 4.0).matrix for place in grid[::-1]]
    assert np.array_equal(one_way, other_way[::-1])


@pytest.mark.parametrize(
    "wanted, distance, message",
    [
        (StudyPlace("", "C99"), 4.0, "'at' must be one of"),
        (StudyPlace("", "C3"), -1.0, "gap_mm must be finite"),
        (StudyPlace("", (0.0, 0.0, 0.0)), 4.0, "'at' must be on the scalp"),
        (StudyPlace("", matrix=2 * np.eye(4)), 4.0, "last row of a pose"),
    ],
)
def test_what_cannot_be_is_said(poses, wanted, distance, message):
    with pytest.raises(FemtmsError, match=message):
        poses.of(wanted, 0.0, distance)
