"""femtms coils NAME: one coil in detail, its picture, and as another file."""

import json

import numpy as np
import pytest

from femtms import load_coil, read_tcd


def json_of(result):
    assert result.code == 0, result
    return json.loads(result.out)


def test_detail_of_a_coil_has_its_fields_on_the_plane(run):
    coil = load_coil("figure8-70mm")
    found = json_of(run("coils", "figure8-70mm", "--plane-mm", "20", "--json"))
    plane = found["plane"]
    at = 1e-3 * np.array([plane["max_E_at_mm"]])
    assert plane["max_E_V_per_m_per_A_per_us"] == pytest.approx(
        1e6 * np.linalg.norm(coil.vector_potential(at)), rel=1e-3
    )
    at = 1e-3 * np.array([plane["max_B_at_mm"]])
    assert plane["max_B_T_per_A"] == pytest.approx(np.linalg.norm(coil.magnetic_field(at)), rel=1e-3)
    assert plane["max_E_at_mm"] == pytest.approx([0, 0, 20], abs=2)
    assert found["elements"]["current_elements"] == len(coil.positions)
    assert found["high_mm"][0] - found["low_mm"][0] == pytest.approx(174, abs=0.1)
    assert not plane["cuts_the_coil"] and found["casing"] is None
    text = run("coils", "figure8-70mm", "--plane-mm", "20").out
    assert f"|E| up to {plane['max_E_V_per_m_per_A_per_us']:.3g} V/m per A/µs" in text
    assert "at most 114.7 A/µs" in text


def test_plane_that_cuts_the_coil_is_said_to(run):
    assert json_of(run("coils", "double-cone", "--json"))["plane"]["cuts_the_coil"]
    assert "cuts the coil" in run("coils", "double-cone").out
    assert not json_of(run("coils", "double-cone", "--plane-mm", "90", "--json"))["plane"]["cuts_the_coil"]


def test_coil_is_drawn_and_written(run, refused, files, tmp_path):
    picture, other = tmp_path / "ring.png", tmp_path / "ring.tcd"
    arguments = ("coils", files[".ccd"], "--picture", picture, "--write", other)
    assert json_of(run(*arguments, "--json"))["written"] == [str(other), str(picture)]
    assert picture.read_bytes().startswith(b"\x89PNG")
    points = [[0.01, 0.02, 0.03]]
    expected = load_coil(files[".ccd"]).vector_potential(points)
    np.testing.assert_array_equal(load_coil(other).vector_potential(points), expected)
    before = picture.read_bytes(), other.read_bytes()
    refused(*arguments, words=["ring.png", "exists already"])
    refused("coils", files[".ccd"], "--write", other, words=["ring.tcd", "exists already"])
    assert (picture.read_bytes(), other.read_bytes()) == before
    assert run(*arguments, "--overwrite").code == 0


@pytest.mark.parametrize(
    "options,words",
    [
        (["--picture", "a.png"], ["say which"]),
        (["--write", "a.ccd"], ["say which"]),
        (["nothing"], ["nothing", "catalogue"]),
        (["figure8-70mm", "--picture", "a.jpg"], [".png, .pdf or .svg"]),
        (["figure8-70mm", "--write", "a.doc"], ["a.doc", ".tcd"]),
        (["figure8-70mm", "--plane-mm", "nan"], ["finite"]),
        ([""], ["name of a coil", "must not be empty"]),
        (["--limits-mm", "0,1,0,1,0,1"], ["say which"]),
        (["figure8-70mm", "--resolution-mm", "3"], ["there is no --write"]),
        (["figure8-70mm", "--write", "a.nii.gz"], ["limits and a resolution", "--limits-mm", "--resolution-mm"]),
        (["figure8-70mm", "--write", "a.nii.gz", "--limits-mm", "0,1,0,1"], ["--limits-mm", "six numbers"]),
        (["figure8-70mm", "--write", "a.nii.gz", "--limits-mm", "1,0,0,1,0,1"], ["low < high"]),
        (["figure8-70mm", "--write", "a.nii.gz", "--resolution-mm", "0"], ["resolution", "> 0"]),
        (["figure8-70mm", "--write", "a.ccd", "--resolution-mm", "3"], ["are for a sampled A"]),
        (["none\x1b[31m.ccd"], ["none[31m.ccd"]),
    ],
)
def test_what_cannot_be_shown_is_refused(options, words, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("coils", *options, words=words)
    assert not list(tmp_path.iterdir())


def test_coil_is_sampled_in_a_box(run, tmp_path):
    file = tmp_path / "a.nii.gz"
    box = ("--limits-mm", "-60,60,-40,40,5,45", "--resolution-mm", "4,4,2")
    assert run("coils", "figure8-70mm", "--write", file, *box).code == 0
    sampled = load_coil(file)
    assert sampled.elements[0].values.shape == (31, 21, 21, 3)
    corner = 1e-3 * np.array([[-60, -40, 5], [60, 40, 45]])
    expected = load_coil("figure8-70mm").vector_potential(corner)
    np.testing.assert_allclose(sampled.vector_potential(corner), expected, rtol=1e-6)


def test_model_whose_parts_move_keeps_them_in_a_model_only(run, refused, tmp_path, monkeypatch):
    part = {"type": 1, "points": [[0, 0, -1]], "values": [[0, 0, 1e-6]], "deformations": [0]}
    content = {
        "coilElementList": [part],
        "deformList": [{"type": "x", "deformRange": 0}],
        "deformRangeList": [{"initial": 0, "range": [-5, 5]}],
    }
    (tmp_path / "coils").mkdir()
    (tmp_path / "coils" / "mine.tcd").write_text(json.dumps(content))
    monkeypatch.setenv("FEMTMS_COILS", str(tmp_path / "coils"))
    refused("coils", "mine", "--write", tmp_path / "h1.ccd", words=["parts", "move", "write a .tcd, or, in Python"])
    assert run("coils", "mine", "--write", tmp_path / "h1.tcd").code == 0
    assert len(read_tcd(tmp_path / "h1.tcd").ranges) == 1


def test_info_of_a_file_needs_no_folder_of_coils(run, files, tmp_path, monkeypatch):
    monkeypatch.setenv("FEMTMS_COILS", str(tmp_path / "none"))
    for kind in (".ccd", "coil.nii.gz", "pose.txt", "msh22-binary"):
        assert run("info", files[kind]).code == 0
