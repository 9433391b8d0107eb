"""Data classes keep what they checked."""

import numpy as np
import pytest

from femtms import FemtmsError, LabelVolume, TetMesh
from femtms.arrays import frozen


def test_frozen_array_does_not_follow_its_source():
    source = np.arange(6.0).reshape(2, 3)
    copy = frozen(source)
    view = source.view()
    view.flags.writeable = False
    of_view = frozen(view)  # read-only, but its base is not
    source[:] = 0
    assert copy[1, 2] == of_view[1, 2] == 5
    assert frozen(copy) is copy
    with pytest.raises(ValueError, match="read-only"):
        copy[0] = 1


def test_mesh_and_labels_do_not_follow_their_sources():
    nodes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    mesh = TetMesh(nodes, np.array([[0, 1, 2, 3]]), np.array([2]))
    nodes[0] = 99
    assert mesh.nodes[0, 0] == 0
    for array in (mesh.nodes, mesh.tets, mesh.tags, mesh.volumes, mesh.centroids):
        assert not array.flags.writeable
    data = np.zeros((4, 4, 4), np.uint8)
    labels = LabelVolume(data, np.eye(4))
    data[:] = 7
    assert not labels.data.any()


@pytest.mark.parametrize(
    "tets,tags,words",
    [
        ([[0, 1, 2, 3 + 2**32]], [2], "2\\^31"),
        ([[0, 1, 2, 3]], [2.7], "tags must be whole numbers"),
        ([[0, 1, 2, 3]], [-1], "from 0 to"),
        ([[0, 1, 2, 3]], [0], "tags must be ≥ 1"),
        ([[0.0, 1, 2, 3]], [2], "tets must be whole numbers"),
    ],
)
def test_values_that_a_cast_would_bend_are_refused(tets, tags, words):
    nodes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    with pytest.raises(FemtmsError, match=words):
        TetMesh(nodes, np.array(tets), np.array(tags))
