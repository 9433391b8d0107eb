"""Poses in the axes of other programs, transposed or in another place: recognised and named."""

import logging

import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, Pose, Simulator, load_coil, mesh_head, place
from femtms.coil.place import axes_doubt

COIL = load_coil("figure8-70mm")
# The same place in the axes of another program: its columns in terms of ours.
BRAINSIGHT = np.diag([-1.0, 1, -1])  # z away from the head
LOCALITE = np.array([[0, 0, 1.0], [0, -1, 0], [1, 0, 0]])  # x into the head


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=25.0)


def turned(pose, axes):
    matrix = pose.matrix.copy()
    matrix[:3, :3] = matrix[:3, :3] @ axes
    return Pose(matrix)


@pytest.mark.parametrize(
    "at, towards", [((0, 0, 92), (0, 50, 80)), ((-92, 0, 0), (-80, 50, 0)), ((50, 60, 48), (80, 0, 48))]
)
@pytest.mark.parametrize("gap", [4.0, 60.0])
def test_axes_of_other_programs_are_named(mesh, at, towards, gap):
    pose = place(mesh, at, towards, gap)
    assert axes_doubt(mesh, pose) is None
    assert "(is it in the axes of Brainsight, whose z points away" in axes_doubt(mesh, turned(pose, BRAINSIGHT))
    assert "Localite, whose x points into the head" in axes_doubt(mesh, turned(pose, LOCALITE))


def test_a_tilt_below_60_degrees_is_silent(mesh):
    pose = place(mesh, (0, 0, 92), (0, 50, 80), 30.0)
    for degrees, is_odd in ((0, False), (30, False), (50, False), (70, True), (120, True)):
        a = np.radians(degrees)
        tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        assert (axes_doubt(mesh, turned(pose, tilt)) is not None) == is_odd


def test_a_transposed_rotation_is_named(mesh):
    pose = place(mesh, (-60, 40, 56), (0, 92, 0), 40.0)
    matrix = pose.matrix.copy()
    matrix[:3, :3] = matrix[:3, :3].T
    assert "transposed" in axes_doubt(mesh, Pose(matrix))


def test_a_transposed_matrix_is_recognised(mesh):
    with pytest.raises(FemtmsError, match="the pose is transposed: its last row must be 0 0 0 1"):
        Pose(place(mesh, (0, 0, 92), (0, 50, 80)).matrix.T)


def test_each_kind_of_doubt_is_said(mesh, caplog):
    pose = turned(place(mesh, (0, 0, 92), (0, 50, 80), 60.0), BRAINSIGHT)
    far = pose.matrix.copy()
    far[2, 3] += 1e6
    sim = Simulator(mesh, device="cpu")
    sim.solve(COIL, [pose, Pose(far)])
    assert "Brainsight" in caplog.text and "the distance of the coil from the scalp is" in caplog.text


def test_a_solve_says_it_once(mesh, caplog):
    pose = turned(place(mesh, (0, 0, 92), (0, 50, 80), 60.0), BRAINSIGHT)
    sim = Simulator(mesh, device="cpu")
    sim.solve(COIL, [pose, pose])
    list(sim.sweep(COIL, [pose, pose]))
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "Brainsight" in r.getMessage()]
    assert len(said) == 1


def test_the_error_of_a_coil_in_the_head_names_the_axes(mesh):
    with pytest.raises(FemtmsError, match=r"inside the head.*Localite"):
        Simulator(mesh, device="cpu").solve(COIL, turned(place(mesh, (0, 0, 92), (0, 50, 80)), LOCALITE))


def test_distance_from_the_head(mesh, caplog):
    sim = Simulator(mesh, device="cpu")
    for mm, is_odd in ((100, False), (1100, True)):
        matrix = place(mesh, (0, 0, 92), (0, 50, 80)).matrix.copy()
        matrix[2, 3] += mm
        sim.solve(COIL, Pose(matrix))
        assert ("the distance of the coil from the scalp" in caplog.text) == is_odd
    matrix[2, 3] = 1e12
    with pytest.raises(FemtmsError, match="coil 'figure8-70mm': the distance of the coil from the scalp must be in mm"):
        sim.solve(COIL, Pose(matrix))
