"""What is written in a study file, and what it becomes."""

import numpy as np
import pytest
from study.study_texts import SMALL

from femtms import StudyFaults, read_study
from femtms.study.design import StudyConductivity, StudyOption, StudyResults


def names(things):
    return [thing.name for thing in things]


def test_three_lines_are_a_study_with_the_defaults_of_femtms(study):
    design = study()
    assert design.name == "study" and design.shape == (1,) * 7
    assert design.heads[0].source == "colin27" and design.coils[0].source == "figure8-70mm"
    assert design.conductivities == (StudyConductivity("standard"),)
    assert design.options == (StudyOption("standard"),)
    assert design.results == StudyResults()
    assert design.angles == (0.0,) and design.distances_mm == (4.0,)
    assert design.places[0].at == "C3" and design.places[0].towards is None


def test_the_same_from_python_and_from_a_file(study, folder):
    lines = ["places: [C3, [1, 2, 3]]", "options: {size_mm: {gm: 3, other: 6}}"]
    text = study("angles: {from: 0, to: 20, step: 10}", *lines)
    values = {
        "heads": "colin27",
        "coils": ("figure8-70mm",),
        "places": ["C3", np.array([1, 2, 3])],
        "angles": np.arange(0, 30, 10),
        "options": {"size_mm": {"gm": np.int64(3), "other": 6}},
    }
    python = read_study(values, folder)
    assert (python.heads, python.coils, python.options, python.angles) == (
        text.heads,
        text.coils,
        text.options,
        text.angles,
    )
    assert [(p.name, p.at) for p in python.places] == [(p.name, p.at) for p in text.places]


@pytest.mark.parametrize(
    "written, numbers",
    [
        ("3", (3.0,)),
        ("[3, 1]", (3.0, 1.0)),
        ("{from: 0, to: 170, step: 10}", tuple(10.0 * i for i in range(18))),
        ("{from: 0, to: 175, step: 10}", tuple(10.0 * i for i in range(18))),
        ("{from: 10, to: 0, step: -5}", (10.0, 5.0, 0.0)),
        ("[{from: 0, to: 0.5, step: 0.1}, 7, 1e1]", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 7.0, 10.0)),
        ("010", (10.0,)),
    ],
)
def test_numbers_are_exactly_those_that_their_decimals_say(written, numbers, study):
    assert study(f"angles: {written}").angles == numbers
    assert study(f"distances_mm: {written}").distances_mm == numbers


def test_words_of_yaml_1_1_are_words(study):
    """`no`, `on` and 12:30 are text, and 1e6 is a number, as in YAML 1.2."""
    design = study("conductivities: [{name: no}, {name: on}, {name: 12:30}]", "options: {didt: 1e6, rtol: 1e-7}")
    assert names(design.conductivities) == ["no", "on", "12:30"]
    assert design.options[0].didt == 1e6 and design.options[0].rtol == 1e-7


def test_heads_of_a_data_set_are_named_by_subject_with_the_files_beside_them(study, folder):
    design = study(
        "heads:",
        "  - {path: 'bids/**/anat/*_labels.nii.gz', labels: samseg, tensors: '../dwi/*_tensor.nii.gz'}",
        "  - {path: head.nii.gz, labels: map.csv, tensors: 'bids/sub-01/ses-1/dwi/sub-01_ses-1_tensor.nii.gz'}",
        "  - {sphere: [70, 85]}",
        "places: [[0, 0, 80]]",
        "conductivities: standard",
    )
    assert names(design.heads) == ["sub-01_ses-1", "sub-02_ses-1", "head", "sphere 70-85"]
    first, second, third, sphere = design.heads
    assert first.source == str(folder / "bids/sub-01/ses-1/anat/sub-01_ses-1_labels.nii.gz")
    assert [h.labels for h in design.heads] == ["samseg", "samseg", str(folder / "map.csv"), None]
    for head, sub in ((first, "01"), (second, "02"), (third, "01")):
        assert (folder / f"bids/sub-{sub}/ses-1/dwi/sub-{sub}_ses-1_tensor.nii.gz").samefile(head.tensors)
    assert sphere.source == "sphere" and sphere.radii_mm == (70.0, 85.0)
    assert {path.name for path in design.inputs()} >= {"head.nii.gz", "map.csv", "sub-02_ses-1_tensor.nii.gz"}


def test_tensors_are_found_by_subject_and_session(study, folder):
    pattern = "bids/sub-{sub}/ses-{ses}/dwi/*_tensor.nii.gz"
    design = study(f"heads: {{path: 'bids/*/*/anat/*.nii.gz', tensors: '{pattern}'}}", "places: [[0, 0, 80]]")
    assert [head.tensors[-26:] for head in design.heads] == [f"sub-{s}_ses-1_tensor.nii.gz" for s in ("01", "02")]


def test_coils_from_files_of_one_name_are_told_apart_by_their_folders(study, folder):
    design = study("coils: ['*/coil.ccd', {name: third, path: a/coil.ccd}, c-b60]")
    assert names(design.coils) == ["a coil", "b coil", "third", "C-B60"]
    assert [c.source for c in design.coils] == [str(folder / f"{x}/coil.ccd") for x in "aba"] + ["C-B60"]


def test_options_and_conductivities(study):
    design = study(
        "options:",
        "  - {name: fast}",
        "  - {name: fine, size_mm: {gm: 1.8, other: 4}, order: 2, recovery: spr, didt: [1e6, 5e5], outside: zero}",
        "conductivities: [standard, {name: low skull, sigma: {bone: 0.004, 9: 1}}]",
    )
    fast, fine = design.options
    assert fast == StudyOption("fast")
    assert fine == StudyOption("fine", {"gm": 1.8, "other": 4}, 2, "spr", 1e-6, (1e6, 5e5), "zero")
    assert design.conductivities[1].sigma == {"bone": 0.004, 9: 1.0}


def test_results(study, folder):
    design = study(
        "results:",
        "  tissues: [grey matter, 3]",
        "  targets: {M1: C3, deep: [1, 2, 3]}",
        "  fields: [surfaces, gm-nodes]",
        "  surfaces: {lh: lh.gii}",
    )
    assert design.results == StudyResults(
        ("gm", "csf"),
        {"M1": "C3", "deep": (1.0, 2.0, 3.0)},
        5.0,
        ("surfaces", "gm-nodes"),
        {"lh": str(folder / "lh.gii")},
    )


def test_targets_of_a_head_are_in_place_of_those_of_the_study(study):
    design = study("heads: {path: colin27, targets: {M1: [1, 2, 3]}}", "results: {targets: {M1: C3}}")
    assert design.heads[0].targets == {"M1": (1.0, 2.0, 3.0)}


def test_a_file_is_found_before_a_name_and_patterns_need_not_be_patterns(study, folder):
    (folder / "[1].ccd").write_bytes(b"x")
    assert study("coils: '[1].ccd'").coils[0].source == str(folder / "[1].ccd")


def test_coils_of_the_users_folder(study, folder, monkeypatch):
    monkeypatch.setenv("FEMTMS_COILS", str(folder / "a"))
    (coil,) = study("coils: Coil").coils
    assert coil.name == "coil" and coil.source == str(folder / "a/coil.ccd")


def test_paths_start_from_the_folder_of_the_study(folder, monkeypatch, tmp_path_factory):
    (folder / "study.yaml").write_text(SMALL.replace("figure8-70mm", "a/coil.ccd"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert read_study(folder / "study.yaml").coils[0].source == str(folder / "a/coil.ccd")
    with pytest.raises(StudyFaults, match="there is no file"):
        read_study({"heads": "colin27", "coils": "a/coil.ccd", "places": "C3"})
