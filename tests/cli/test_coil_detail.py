"""femtms coils NAME: one coil in detail, its picture, and as another file."""

import json

import numpy as np
import pytest

from femtms import load_coil


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
    ],
)
def test_what_cannot_be_shown_is_refused(options, words, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("coils", *options, words=words)
    assert not list(tmp_path.iterdir())
