"""`femtms study`: the example, the check and the schema."""

import json

import nibabel
import numpy as np
import pytest
import yaml

from femtms import read_study
from femtms.study.document import read_document

from .small_files import ball_labels


def test_init_writes_an_example_that_is_in_order(run, tmp_path):
    assert run("study", "init", tmp_path / "study.yaml").code == 0
    design = read_study(tmp_path / "study.yaml")
    assert design.name == "first study" and design.cases == 56
    done = run("study", "check", tmp_path / "study.yaml")
    assert done.code == 0 and "56 cases in 4 blocks\n" in done.out and "rough estimate" in done.out
    assert "C3 (-20, 0)" in done.out


def test_what_the_example_shows_in_comments_is_understood(run, tmp_path):
    """Without the comment signs each of its lines is known; files that are not there are all that is wrong."""
    run("study", "init", tmp_path / "study.yaml")
    lines = (tmp_path / "study.yaml").read_text().splitlines()
    start = lines.index("name: first study")
    shown = [line.replace("# ", "", 1) if "# " in line[:4] else line for line in lines[start:]]
    shown = [line for line in shown if line not in ("heads: colin27", "distances_mm: 4")]
    (tmp_path / "all.yaml").write_text("\n".join(shown).replace("  # distance", "# distance") + "\n")
    result = run("study", "check", tmp_path / "all.yaml")
    faults = result.err.splitlines()
    assert result.code == 2 and len(faults) == 8, result.err
    for fault in faults:
        assert "there is no file" in fault or "no file matches" in fault or "anisotropy needs" in fault, fault


def test_init_overwrites_nothing_unasked(run, refused, tmp_path):
    (tmp_path / "study.yaml").write_text("mine")
    refused("study", "init", tmp_path / "study.yaml", words=("exists already",))
    assert (tmp_path / "study.yaml").read_text() == "mine"
    assert run("study", "init", tmp_path / "study.yaml", "--overwrite").code == 0


def test_each_fault_is_a_line_on_stderr(run, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("heads: colin72\ncoils: figure8-70mm\nplace: C3\n")
    result = run("study", "check", path)
    assert result.code == 2 and result.out == ""
    first, second, third = result.err.splitlines()
    assert first.startswith(f"femtms: error: {path}:1: 'places' must be given")
    assert second.startswith(f"femtms: error: {path}:1: heads: there is no file")
    assert third == f"femtms: error: {path}:3: place: is no key here; did you mean 'places'?"


def test_faults_by_the_thousand_are_cut(run, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("heads: colin27\nplaces: C3\ncoils:\n" + "  - 3\n" * 1000)
    result = run("study", "check", path)
    assert result.code == 2 and len(result.err.splitlines()) == 101
    assert result.err.splitlines()[-1] == "femtms: error: and 900 more like these"


def test_check_as_json(run, tmp_path):
    run("study", "init", tmp_path / "study.yaml")
    result = run("study", "check", tmp_path / "study.yaml", "--json")
    summary = json.loads(result.out)
    assert summary["cases"] == 56 and summary["estimate"]["seconds"] > 0


GRID = "places: [[0, 0, 70], {around: [0, 60, 40], radius_mm: 5, spacing_mm: 5}]\n"
HEAD = "heads: [{name: ball, sphere: [60, 70]}]\ncoils: [figure8-70mm, circular-70mm]\nangles: [0, 45, 90]\n"
TWO_HEADS = HEAD.replace("70]}", "70]}, {name: small, path: ball.nii.gz}")
IMPOSSIBLE = {  # what is wrong -> lines, how many of how many cases, words of the reason
    "a place far away": (HEAD + "places: [[0, 0, 70], [0, 0, 400]]\n", 6, 12, "330 mm from the scalp"),
    "a place in metres": (HEAD + "places: [[0, 0, 0.07], [0, 0, 70]]\n", 6, 12, "70 mm from the scalp"),
    "a grid far away": (HEAD + "places: [{around: [0, 300, 0], radius_mm: 10, spacing_mm: 10}]\n", 30, 30, "scalp"),
    "a direction that is none": (HEAD + "places: [[0, 0, 70]]\ntowards: [0, 0, 70]\n", 6, 6, "points to itself"),
    "a coil that cannot be read": (
        HEAD.replace("circular-70mm", "bad.ccd") + "places: [[0, 0, 70], [0, 10, 70]]\n", 6, 12, "coil 'bad'"),
    "a head that cannot be read": (
        HEAD.replace("70]}", "70]}, bad.nii.gz") + "places: [[0, 0, 70]]\n", 6, 12, "head 'bad'"),
    "no electrodes in one head": (
        TWO_HEADS + "places: [C3]\n", 6, 12, "head 'small' has no electrode C3"),
    "a place far from one head": (
        TWO_HEADS + "places: [[0, 0, 70]]\n", 6, 12, "mm from the scalp of head 'small'"),
    "rates for stimulators that a coil has not": (
        HEAD + "places: [[0, 0, 70]]\noptions: {didt: [1.0e6, 1.0e6]}\n", 6, 6, "coil 'circular-70mm' cannot be used"),
    "poses inside the head": (HEAD + "places: [{poses: poses.npy}]\n", 12, 18, "is inside head 'ball' at poses of"),
}  # fmt: skip


@pytest.mark.parametrize("lines, bad, cases, words", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_cases_that_cannot_work_are_counted_and_refused(lines, bad, cases, words, run, tmp_path):
    (tmp_path / "study.yaml").write_text(lines)
    for name in ("bad.ccd", "bad.nii.gz"):
        (tmp_path / name).write_text("x")
    nibabel.save(nibabel.Nifti1Image(*ball_labels()), tmp_path / "ball.nii.gz")
    np.save(tmp_path / "poses.npy", [matrix_at(z) for z in (76.0, 60.0, 1.0)])
    result = run("study", "check", tmp_path / "study.yaml")
    assert result.code == 2 and f"{bad} of {cases} cases cannot work" in result.err and words in result.out, result
    result = run("study", "check", tmp_path / "study.yaml", "--json")
    summary = json.loads(result.out)
    assert result.code == 2 and summary["impossible_cases"] == bad and summary["cases"] == cases
    assert run("study", "check", tmp_path / "study.yaml", "--allow-failures").code == 0


def matrix_at(z_mm):
    """Above the middle of the head, or in it."""
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[2, 3] = z_mm
    return matrix


def test_all_cases_of_a_sound_study_may_work(run, tmp_path):
    (tmp_path / "study.yaml").write_text(
        HEAD + "places: [[0, 0, 70], {around: [0, 60, 40], radius_mm: 5, spacing_mm: 5}]\n"
    )
    result = run("study", "check", tmp_path / "study.yaml")
    assert result.code == 0 and "cannot work" not in result.out + result.err


def test_schema_agrees_with_the_reader(run, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    assert run("study", "schema", tmp_path / "schema.json").code == 0
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert json.loads(run("study", "schema").out) == schema
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    run("study", "init", tmp_path / "study.yaml")
    example = read_document(tmp_path / "study.yaml").values
    assert validator.is_valid(example)
    for change in ({"angels": 3}, {"angles": "a"}, {"places": {"at": 3}}, {"options": {"order": 3}}, {"coils": {}}):
        assert not validator.is_valid(example | change), change
    for change in ({"angles": [0, 45]}, {"heads": {"sphere": [70, 85]}}, {"places": [1, 2, 3]}, {"angles": 3}):
        assert validator.is_valid(example | change), change
    assert set(schema["required"]) == {"heads", "coils", "places"}


def test_without_pyyaml_the_remedy_is_said(refused, tmp_path, monkeypatch):
    import sys

    (tmp_path / "study.yaml").write_text("heads: colin27\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    for name in [name for name in sys.modules if name.startswith("femtms.study.")]:
        monkeypatch.delitem(sys.modules, name)
    refused("study", "check", tmp_path / "study.yaml", words=("pip install 'femtms[batch]'",))


def test_the_example_means_the_same_to_other_readers(run, tmp_path):
    """Editors and PyYAML see the keys that femtms sees."""
    run("study", "init", tmp_path / "study.yaml")
    text = (tmp_path / "study.yaml").read_text()
    assert yaml.safe_load(text).keys() == read_document(tmp_path / "study.yaml").values.keys()


def test_targets_and_distances_that_no_head_has_are_counted(run, tmp_path):
    study = tmp_path / "study.yaml"
    for more, words in (
        ("distances_mm: [4, 600]", "1 of 2 cases cannot work"),
        ("results: {targets: {M1: [0, 0, 500]}}", "target 'M1' is 408 mm outside of it"),
    ):
        study.write_text(f"heads: [sphere]\ncoils: [figure8-70mm]\nplaces: [C3]\n{more}\n")
        result = run("study", "check", study)
        assert result.code == 2 and words in result.out + result.err, result
        assert run("study", "check", study, "--allow-failures").code == 0
