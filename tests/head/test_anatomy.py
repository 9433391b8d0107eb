"""Numbers that are no tissue numbers put tissues where no head has them; the message names the presets that fit."""

import nibabel
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from femtms import FemtmsError, LabelVolume, LayeredSphere, load_head, mesh_head, read_labels
from femtms.head.anatomy import Contacts, foreign, misplaced, only_brain
from femtms.head.label_map import PRESETS

LAYERS = (5, 4, 3, 2, 1)  # scalp to white matter


def layers(labels, voxels=24):
    """A ball of equal layers with these labels from the outside in, and its affine: 4 mm voxels."""
    half = 0.5 * (voxels - 1)
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(voxels) - half] * 3, indexing="ij")), axis=0)
    shell = np.floor((half - radius) / half * len(labels)).astype(int)
    table = np.array([0, *labels])
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -4 * half
    return table[np.clip(shell + 1, 0, len(labels))].astype(np.int32), affine


def saved(folder, labels):
    path = folder / "seg.nii.gz"
    nibabel.save(nibabel.Nifti1Image(*layers(labels)), path)
    return path


def contacts(labels):
    data, _ = layers(labels)
    return Contacts.of_voxels(data, np.full(3, 4.0))


# What numbers mean elsewhere, from the outside in, and what would fit.
FOREIGN = {
    "bids, whole head": ((5, 4, 3, 1, 2), "bids"),
    "bids, brain alone": ((3, 1, 2), "bids"),
    "spm": ((5, 4, 3, 1, 2), "spm"),
    "outside in": ((1, 2, 3, 4, 5), "brain2mesh"),
    "FreeSurfer, cortex and white matter": ((3, 2), "freesurfer"),
    "FreeSurfer, with ventricles": ((3, 2, 4), "freesurfer"),
    "SAMSEG": ((258, 165, 24, 3, 2), "samseg"),
    "scalp in the skull": ((4, 5, 3, 2, 1), ""),
    "csf outermost": ((3, 5, 4, 2, 1), ""),
    "csf around the skull": ((5, 3, 4, 2, 1), ""),
}


@pytest.mark.parametrize("labels, preset", FOREIGN.values(), ids=FOREIGN)
def test_foreign_numbers_are_refused_with_what_would_fit(labels, preset, tmp_path):
    path = saved(tmp_path, labels)
    with pytest.raises(FemtmsError, match=f"seg.nii.gz: .*--labels.*{preset}.*--as-numbered"):
        read_labels(path)
    if preset:
        assert sorted(read_labels(path, preset).tissues) == sorted({PRESETS[preset].tissues[n] for n in labels})


def test_who_insists_is_believed_and_told(tmp_path, caplog):
    path = saved(tmp_path, (1, 2, 3, 4, 5))
    labels = read_labels(path, as_numbered=True)
    assert labels.tissues.tolist() == [1, 2, 3, 4, 5]
    assert "wm forms the surface against air" in caplog.text and "wm forms" in labels.notes[-1]
    assert read_labels(path, {n: n for n in range(6)}).tissues.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "labels",
    [
        LAYERS,
        (5, 4, 2, 1),
        (5, 2),
        (2,),
        (5, 7, 8, 7, 3, 2, 1),
        (5, 12, 10, 4, 3, 2, 1),
        (5, 4, 3, 2, 1, 3),
        (5, 100, 4, 3, 2),
        (300, 200),
    ],
    ids=str,
)
def test_heads_with_fewer_or_more_layers_are_taken(labels):
    found = contacts(labels)
    assert misplaced(found) is None and only_brain(found) is None and foreign(found) is None


@pytest.mark.parametrize("radii", [(80,), (80, 92), (78, 85, 92), (60, 70, 81, 92)], ids=str)
def test_meshes_of_spheres_are_taken(radii, tmp_path):
    from femtms import read_mesh, write_mesh

    mesh = mesh_head(LayeredSphere(radii), size_mm=25.0)
    write_mesh(mesh, tmp_path / "a.msh")
    assert read_mesh(tmp_path / "a.msh").tissues.tolist() == mesh.tissues.tolist()


def test_the_built_in_head_is_a_head():
    head = load_head("colin27")
    found = Contacts.of_voxels(head.data, head.voxel_mm)
    assert misplaced(found) is None and only_brain(found) is None
    swapped = np.array([0, 2, 1, 3, 4, 5, 6])[head.data]
    assert misplaced(Contacts.of_voxels(swapped, head.voxel_mm)) == "gm lies within wm"


def test_volumes_and_their_meshes_are_judged_alike(tmp_path):
    from femtms import read_mesh, write_mesh

    data, affine = layers(LAYERS)
    mesh = mesh_head(LabelVolume(data, affine), size_mm=10.0)
    for order in ((1, 2, 3, 4, 5), (2, 1, 3, 4, 5), (1, 2, 3, 5, 4)):
        table = np.array([0, *order])
        write_mesh(type(mesh)(mesh.nodes, mesh.tets, table[mesh.tags]), tmp_path / "m.msh", overwrite=True)
        nibabel.save(nibabel.Nifti1Image(table[data].astype(np.uint8), affine), tmp_path / "m.nii")
        is_head = order == (1, 2, 3, 4, 5)
        for read, name in ((read_mesh, "m.msh"), (read_labels, "m.nii")):
            if is_head:
                read(tmp_path / name)
            else:
                with pytest.raises(FemtmsError, match="--as-numbered"):
                    read(tmp_path / name)


@examples(30)
@given(st.permutations(LAYERS))
def test_only_the_order_of_a_head_passes(order):
    assert (misplaced(contacts(order)) is None) == (tuple(order) == LAYERS)
