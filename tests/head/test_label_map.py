"""Labels of other programs become tissues, and none is lost in silence."""

import logging

import numpy as np
import pytest

from femtms import FemtmsError, LabelMap, LabelVolume, Tissue, mesh_head
from femtms.head.label_map import PRESETS
from femtms.tissue import tag_of

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])  # voxels of 0.008 mL

# Names as FreeSurfer's colour table has them, and the tissue that an anatomist would say they are.
ANATOMY = {
    "wm": {2: "cerebral white matter", 46: "cerebellar white matter", 255: "corpus callosum", 16: "brain stem"}
    | {3030: "wm superior temporal", 4035: "wm insula", 14175: "wm temporal transverse sulcus", 5002: "wm"},
    "gm": {3: "cortex", 47: "cerebellar cortex", 10: "thalamus", 52: "pallidum", 53: "hippocampus", 60: "ventral DC"}
    | {1000: "unknown", 1035: "insula", 2024: "precentral", 11100: "unknown", 12175: "temporal transverse sulcus"},
    "csf": {4: "lateral ventricle", 15: "4th ventricle", 24: "csf", 257: "csf", 63: "choroid plexus"},
    "bone": {165: "skull"},
    "compact_bone": {915: "cortical bone"},
    "spongy_bone": {916: "cancellous bone"},
    "scalp": {258: "head", 911: "skin"},
    "eye": {259: "fluid of the eye", 265: "eyeball"},
    "blood": {902: "artery", 914: "vein"},
    "air": {0: "unknown", 130: "air cavity", 262: "sinus"},
}
CHARM = {501: "air", 502: "blood", 506: "eye", 507: "scalp", 511: "scalp", 515: "compact_bone", 516: "spongy_bone"}
CHARM |= {508: "muscle", 509: "scalp", 512: "wm", 514: "blood", 517: "air", 520: "csf", 530: "wm"}


def number(tissue):
    return 0 if tissue == "air" else tag_of(tissue)


def volume(*labels, margin=3):
    """A slab of 4×4 voxels for each label, in air."""
    data = np.zeros((len(labels) + 2 * margin, 10, 10), np.int32)
    data[margin:-margin, 3:7, 3:7] = np.array(labels)[:, None, None]
    return LabelVolume(data, AFFINE, "foreign")


@pytest.mark.parametrize("preset", ["freesurfer", "samseg"])
@pytest.mark.parametrize("tissue", ANATOMY)
def test_freesurfers_labels_are_the_tissues_that_their_names_say(preset, tissue):
    found = {label: PRESETS[preset].tissues[label] for label in ANATOMY[tissue]}
    assert found == dict.fromkeys(ANATOMY[tissue], number(tissue))


def test_both_hemispheres_are_the_same_tissue():
    tissues = PRESETS["freesurfer"].tissues
    # offset of the right side from the left in FreeSurfer's numbers
    pairs = {left: left + 39 for left in (2, 3, 4, 5, 7, 8)} | {10: 49, 11: 50, 12: 51, 13: 52, 17: 53, 18: 54}
    pairs |= {26: 58, 28: 60, 30: 62, 31: 63}
    for first, last in ((1000, 1035), (3000, 3035), (11100, 11175), (13100, 13175)):
        pairs |= {left: left + 1000 for left in range(first, last + 1)}
    for left, right in pairs.items():
        assert tissues[left] == tissues[right], (left, right)


def test_every_label_that_samseg_writes_is_named():
    brain = [
        2,
        3,
        4,
        5,
        7,
        8,
        *range(10, 19),
        26,
        28,
        29,
        30,
        31,
        41,
        42,
        43,
        44,
        46,
        47,
        *range(49, 55),
        58,
        60,
        62,
        63,
    ]
    first_atlas = [0, *brain, 24, 72, 77, 80, 85, 165, 258, 259]
    new_atlas = [0, *brain, 24, 34, 66, 72, 77, 85, 126, 183, 184, 192, 259, 262, 267, 902, 907, 908, 909, 911]
    new_atlas += [914, 915, 916, 930, 11300, 12300]
    named = PRESETS["samseg"].tissues
    assert [label for label in first_atlas + new_atlas if label not in named] == []


def test_samseg_is_freesurfer_and_charm():
    freesurfer, samseg = PRESETS["freesurfer"].tissues, PRESETS["samseg"].tissues
    assert {label: samseg[label] for label in freesurfer} == dict(freesurfer)
    assert {label: samseg[label] for label in samseg if label not in freesurfer} == {
        label: number(tissue) for label, tissue in CHARM.items()
    }


def test_labels_without_a_tissue_are_in_no_preset_of_freesurfer():
    for label in (1, 6, 40, 45, 25, 57, 99, 75, 76, 260, 501):  # exteriors, lesions, changed meanings, bone or air
        assert label not in PRESETS["freesurfer"].tissues


def test_spm_classes_are_in_the_order_of_its_files():
    assert dict(PRESETS["spm"].tissues) == {0: 0, 1: 2, 2: 1, 3: 3, 4: 4, 5: 5, 6: 0}


def test_no_preset_has_a_rest():
    assert all(preset.rest is None and preset.name == name for name, preset in PRESETS.items())


def test_volume_is_mapped_voxel_by_voxel_and_keeps_all_else():
    head = volume(14175, 1024, 24, 165, 258, 259, 130)
    mapped = head.mapped(PRESETS["freesurfer"])
    assert mapped.data[:, 4, 4].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0]
    assert (mapped.data > 0).sum() == 6 * 16
    assert mapped.data.dtype == np.uint8
    np.testing.assert_array_equal(mapped.affine, head.affine)
    assert (mapped.name, mapped.notes) == ("foreign", ())
    assert head.data.max() == 14175  # the other one is as it was


def test_large_labels_are_kept_until_they_are_mapped():
    head = volume(65_535, 65_536, 16_777_215)
    mapped = head.mapped(LabelMap({65_535: 2, 65_536: 5, 16_777_215: 4}))
    assert mapped.data[3:6, 4, 4].tolist() == [2, 5, 4]
    with pytest.raises(FemtmsError, match=r"at most 16,777,215; got 1\.67772e\+07"):
        volume(16_777_216)


def test_label_that_is_not_named_is_an_error_with_its_size():
    with pytest.raises(FemtmsError) as error:
        volume(2, 99, 258, 700, 99).mapped(PRESETS["samseg"])
    assert "foreign: the map 'samseg' must name every label" in str(error.value)
    assert "labels 99 (32 voxels, 0.256 mL), 700 (16 voxels, 0.128 mL): give" in str(error.value)


def test_one_voxel_is_not_lost_in_silence():
    data = volume(2, 258).data.copy()
    data[4, 4, 4] = 99
    with pytest.raises(FemtmsError, match=r"label 99 \(1 voxel, 0\.008 mL\)"):
        LabelVolume(data, AFFINE).mapped(PRESETS["freesurfer"])


def test_many_labels_that_are_not_named_are_counted():
    with pytest.raises(FemtmsError, match=r"800 .*, 804 \(16 voxels, 0\.128 mL\) and 4 more: give"):
        volume(*range(800, 809)).mapped(PRESETS["spm"])


def test_rest_takes_what_is_not_named_and_that_is_said(caplog):
    with caplog.at_level(logging.WARNING, "femtms"):
        mapped = volume(2, 258, 99).mapped(LabelMap.of({2: "wm", 258: "scalp", "*": "gm"}, "mine.csv"))
    assert mapped.data[3:6, 4, 4].tolist() == [1, 5, 2]
    assert mapped.data[0, 0, 0] == 0  # label 0 is not the rest
    note = "the map 'mine.csv' makes gm of the rest: label 99 (16 voxels, 0.128 mL)"
    assert mapped.notes == (note,)
    assert caplog.messages == [f"foreign: {note}"]
    with caplog.at_level(logging.WARNING, "femtms"):
        mesh = mesh_head(mapped, size_mm=2.0)
    assert mesh.notes[0] == note
    assert sum(note in message for message in caplog.messages) == 1


def test_rest_may_be_air():
    mapped = volume(2, 258, 99).mapped(LabelMap.of({2: "wm", 258: "scalp", "*": "air"}))
    assert mapped.data[3:6, 4, 4].tolist() == [1, 5, 0]
    assert "makes air of the rest" in mapped.notes[0]


def test_zero_is_air_unless_it_is_named():
    assert LabelMap({2: 1}).tissues[0] == 0
    assert volume(2, 258).mapped(LabelMap({0: 5, 2: 1, 258: 5})).data[0, 0, 0] == 5


def test_brain_without_a_skull_is_noted(caplog):
    mapped = volume(2, 3, 24).mapped(PRESETS["freesurfer"])
    assert mapped.notes == ("there is no skull or scalp, only wm, gm, csf: a brain in air",)
    assert volume(2, 3, 24, 258).mapped(PRESETS["freesurfer"]).notes == ()


def test_parcellation_without_a_map_is_refused_before_meshing():
    head = volume(*range(1000, 1061))
    with pytest.raises(FemtmsError, match=r"at most 60 tissues; this volume has 61 labels.*freesurfer, samseg, spm"):
        mesh_head(head, size_mm=2.0)
    assert mesh_head(head.mapped(LabelMap.of({"1000-1060": "gm"})), size_mm=2.0).tissues.tolist() == [Tissue.GM]
    few = volume(*range(1000, 1060))
    assert len(mesh_head(few, size_mm=1.0).tissues) > 50  # unknown numbers in small number are the user's affair


@pytest.mark.parametrize(
    "rows, words",
    [
        ({"abc": 1}, "label must be a whole number ≥ 0, a range such as 1000-1035, or \\*; got 'abc'"),
        ({"-3": 1}, "got '-3'"),
        ({-3: 1}, "label must be a whole number from 0 .*got -3"),
        ({1.5: 1}, "got 1.5"),
        ({True: 1}, "got True"),
        ({"9-3": 1}, "range must ascend .*got '9-3'"),
        ({"0-999999": 1}, "at most 100,000 labels"),
        ({"999999999": 1}, "from 0 to 16,777,215"),
        ({2: "brian"}, "tissue must be air, wm, gm.*got 'brian'"),
        ({2: -1}, "tissue must be .* from 0 to 65,535; got -1"),
        ({2: 65_536}, "got 65536"),
        ({2: None}, "got None"),
        ({"*": "rest"}, "got 'rest'"),
        ({"1-5": 1, 3: 2}, "named once; 3 is named again by '3'"),
    ],
    ids=str,
)
def test_bad_map_is_refused(rows, words):
    with pytest.raises(FemtmsError, match=words):
        LabelMap.of(rows)


def test_map_cannot_be_changed():
    given = {2: 1}
    label_map = LabelMap(given)
    given[2] = 5
    assert label_map.tissues[2] == 1
    with pytest.raises(TypeError):
        label_map.tissues[2] = 5
