"""What meshing does to the volume of a tissue is said, with a size that keeps it."""

import re

import numpy as np
import pytest

from femtms import LabelVolume, LayeredSphere, mesh_head
from femtms.mesh.volumes import volume_changes, volume_note


def shell(thickness):
    """A small head of 1 mm voxels whose CSF is so thick, in mm."""
    n = int(2 * (30 + thickness + 9))
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2] * 3, indexing="ij")), axis=0)
    data = np.zeros(radius.shape, np.uint8)
    for tag, outer in ((5, thickness + 36), (4, thickness + 33), (3, thickness + 30), (2, 30)):
        data[radius < outer] = tag
    affine = np.eye(4)
    affine[:3, 3] = -(n - 1) / 2
    return LabelVolume(data, affine)


def test_thin_csf_that_is_lost_is_said_and_the_size_that_is_named_keeps_it(caplog):
    head = shell(1.0)
    mesh = mesh_head(head, 10.0)
    note = next(note for note in mesh.notes if "volumes changed" in note)
    assert note in caplog.text
    labels_ml = 1e-3 * np.count_nonzero(head.data == 3)
    mesh_ml = 1e6 * mesh.volumes[mesh.tags == 3].sum()
    lost = 100 * (mesh_ml - labels_ml) / labels_ml
    assert lost < -20
    assert f"csf {labels_ml:.3g} to {mesh_ml:.3g} mL ({lost:+.2g} %)" in note
    assert mesh.labels_ml[3] == pytest.approx(labels_ml)

    sizes = re.search(r"--size (\S+) would keep them", note)[1]
    wanted = {"other": float(sizes.split(",")[-1])} | {
        name: float(size) for name, size in (part.split("=") for part in sizes.split(",")[:-1])
    }
    assert wanted["csf"] < 10
    finer = mesh_head(head, wanted)
    assert abs(1e6 * finer.volumes[finer.tags == 3].sum() / labels_ml - 1) < 0.05


def test_what_is_kept_is_not_worth_a_word():
    assert not any("volumes changed" in note for note in mesh_head(shell(3.0), 5.0).notes)
    assert mesh_head(LayeredSphere((60, 70, 81, 92)), 25.0).labels_ml == {}


def test_limits_of_change():
    def changes(tag, labels_ml, mesh_ml):
        return volume_changes({tag: labels_ml}, np.array([tag]), np.array([1e-6 * mesh_ml]))

    assert not changes(5, 100, 104.9) and changes(5, 100, 105.1) and changes(5, 100, 94.9)
    assert changes(3, 100, 100.6) and not changes(3, 100, 100.4)  # half a mL of the brain
    assert volume_changes({6: 3.0}, np.array([5]), np.array([1e-6]))[0].relative == -1  # lost altogether
    assert volume_note((), {}, 1.0) == ()
    (note,) = volume_note(changes(3, 100, 100.6), {3: 4.0}, 1.0)
    assert "csf 100 to 101 mL (+0.6 %)" in note and "--size" not in note


def test_refined_meshes_remember_the_labels():
    mesh = mesh_head(shell(3.0), 12.0)
    assert mesh.refined(np.arange(5)).labels_ml == mesh.labels_ml
