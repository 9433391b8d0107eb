"""--labels on the command line: from the numbers of other programs to a field."""

import json

import nibabel
import numpy as np
import pytest

PLACE = ("--coil", "figure8-70mm", "--at", "0,0,34", "--towards", "0,30,20")
SMALL = ("--size", "8", "--device", "cpu")
SPM = np.array([0, 2, 1, 3, 4, 5])  # femtms -> spm
SAMSEG = np.array([0, 41, 1024, 24, 165, 258])
CSV = "label,tissue\n41,wm\n1000-1035,gm\n24,csf\n165,bone\n*,scalp\n"


@pytest.fixture
def foreign(ball, tmp_path):
    """The small head in the numbers of two other programs, and a map."""
    data, affine = ball
    nibabel.save(nibabel.Nifti1Image(SPM[data].astype(np.uint8), affine), tmp_path / "spm.nii.gz")
    nibabel.save(nibabel.MGHImage(SAMSEG[data].astype(np.int32), affine), tmp_path / "seg.mgz")
    (tmp_path / "map.csv").write_text(CSV)
    return tmp_path


def json_of(result):
    assert result.code == 0, result
    return json.loads(result.out)


CASES = [("spm.nii.gz", "spm"), ("seg.mgz", "samseg"), ("seg.mgz", "freesurfer"), ("seg.mgz", "map.csv")]


@pytest.mark.parametrize("head, labels", CASES)
def test_info_and_mesh_are_those_of_the_same_head_in_tissue_numbers(head, labels, foreign, files, run, monkeypatch):
    monkeypatch.chdir(foreign)
    expected = json_of(run("info", files[".nii.gz"], "--json"))["volume_ml"]
    assert json_of(run("info", head, "--labels", labels, "--json"))["volume_ml"] == pytest.approx(expected)
    expected = json_of(run("mesh", files[".nii.gz"], "-o", "a.msh", "--size", "8", "--json"))["volume_ml"]
    report = json_of(run("mesh", head, "--labels", labels, "-o", "b.msh", "--size", "8", "--json"))
    assert report["volume_ml"] == pytest.approx(expected)
    assert any("makes scalp of the rest: label 258" in note for note in report["notes"]) == (labels == "map.csv")


@pytest.fixture
def cheap_picture(monkeypatch):
    """A picture takes longer than all the rest of a small head."""
    monkeypatch.setattr("femtms.simulate.draw_field_picture", lambda path, *a: path.write_text("picture"))


def test_simulate_with_a_map_gives_the_same_field_and_the_summary_names_the_map(foreign, files, run, cheap_picture):
    from femtms.io.files import sha256_of

    plain = json_of(run("simulate", files[".nii.gz"], *PLACE, *SMALL, "-o", foreign / "a", "--json"))
    assert plain["inputs"]["labels"] is None
    for labels, head, record in (
        ("spm", "spm.nii.gz", {"name": "spm"}),
        ("SAMSEG", "seg.mgz", {"name": "samseg"}),
        (
            foreign / "map.csv",
            "seg.mgz",
            {"path": str(foreign / "map.csv"), "sha256": sha256_of(foreign / "map.csv")},
        ),
    ):
        arguments = (*PLACE, *SMALL, "--labels", labels, "-o", foreign / "b", "--json", "--overwrite")
        summary = json_of(run("simulate", foreign / head, *arguments))
        assert summary["inputs"]["labels"] == record
        assert summary["tissues"]["gm"]["p99"] == pytest.approx(plain["tissues"]["gm"]["p99"], rel=1e-9)
    assert "makes scalp of the rest" in summary["mesh"]["notes"][0]


def test_python_takes_a_mapping_and_records_it(foreign, cheap_picture):
    from femtms.simulate import simulate

    place = {"at": (0, 0, 34), "towards": (0, 30, 20), "size_mm": 8.0, "device": "cpu"}
    mapping = {1: "gm", 2: "wm", 3: 3, "4-5": "scalp"}
    summary = simulate(foreign / "spm.nii.gz", "figure8-70mm", foreign / "out", labels=mapping, **place)
    tissues = {"0": 0, "1": 2, "2": 1, "3": 3, "4": 5, "5": 5}
    assert summary["inputs"]["labels"] == {"name": "labels", "tissues": tissues, "rest": None}


@pytest.mark.parametrize("command", ["info", "mesh", "simulate"])
def test_map_for_another_kind_of_head_is_refused(command, files, refused, tmp_path):
    more = {"info": (), "mesh": ("-o", tmp_path / "x.msh"), "simulate": (*PLACE, "-o", tmp_path / "out")}[command]
    for head in ("sphere", "colin27"):
        refused(command, head, *more, "--labels", "spm", words=["--labels", "label volumes", f"'{head}'"])
    if command != "info":
        refused(command, "sphere", "--radii", "80,90", *more, "--labels", "spm", words=["--labels", "--radii"])
    assert not (tmp_path / "out").exists() and not (tmp_path / "x.msh").exists()


def test_info_with_a_map_is_for_heads_only(files, refused, tmp_path):
    for file in (files[".ccd"], files["pose.txt"], tmp_path):
        refused("info", file, "--labels", "spm", words=["label volumes", str(file)])


def test_layered_sphere_with_a_map_is_refused_in_python(tmp_path):
    from femtms import FemtmsError, LayeredSphere
    from femtms.simulate import simulate

    with pytest.raises(FemtmsError, match="label volumes"):
        simulate(LayeredSphere(), "figure8-70mm", tmp_path / "o", at="C3", towards="CP3", labels="spm")


def test_wrong_preset_is_refused_with_the_labels_that_it_does_not_name(foreign, refused):
    words = ["seg.mgz", "'spm'", "24 (", "41 (", "mL", "CSV"]
    refused("mesh", foreign / "seg.mgz", "-o", foreign / "x.msh", "--labels", "spm", words=words)
    assert not (foreign / "x.msh").exists()
