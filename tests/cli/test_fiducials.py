"""--fiducials and --electrodes as users give them."""

import json

import pytest

QUICK = ("--coil", "figure8-70mm", "--size", "12", "--device", "cpu")
PLACE = ("--at", "C3", "--towards", "CP3", "--gap", "20")


@pytest.fixture
def nz(tmp_path):
    path = tmp_path / "nz.csv"
    path.write_text("Nz,0,34,0\nIz,0,-34,0\nLPA,-34,0,0\nRPA,34,0,0\n")
    return path


def test_a_coil_is_placed_by_electrodes_of_ones_own_head(run, files, nz, tmp_path):
    out = tmp_path / "out"
    result = run("simulate", files["msh22-ascii"], *QUICK, *PLACE, "--fiducials", nz, "-o", out, "--quiet")
    assert result.code == 0, result
    summary = json.loads((out / "summary.json").read_text())
    assert summary["placement"]["at"] == "C3"
    given = summary["inputs"]["fiducials"]
    assert given["path"] == str(nz) and set(given["mm"]) == {"Nz", "Iz", "LPA", "RPA"}
    x, y, z = (row[3] for row in summary["pose_mm"][:3])
    assert x < -25 and abs(y) < 6 and z > 35


def test_coils_are_compared_at_electrodes_of_ones_own_head(run, files, nz, tmp_path):
    out = tmp_path / "out"
    head = files["msh22-ascii"]
    result = run("compare", head, *QUICK, "--at", "C3", "--gap", "20", "--fiducials", nz, "-o", out, "--quiet")
    assert result.code == 0, result
    summary = json.loads((out / "comparison.json").read_text())
    assert len(summary["inputs"]["fiducials"]["sha256"]) == 64


def test_without_electrodes_the_ways_to_have_some_are_told(refused, files, nz, tmp_path):
    common = ("simulate", files["msh22-ascii"], *QUICK, *PLACE, "-o", tmp_path / "out")
    refused(*common, words=("no electrode positions", "--fiducials", "--electrodes estimate"))
    refused(*common, "--fiducials", nz, "--electrodes", "estimate", words=("give one of them",))
    refused(*common, "--electrodes", "guess", words=("--electrodes must be estimate", "'guess'"))
    refused(*common, "--fiducials", tmp_path / "gone.csv", words=("gone.csv",))
    refused("simulate", "sphere", *QUICK, *PLACE, "-o", tmp_path / "out", "--fiducials", nz, words=("have their own",))
    nz.write_text(nz.read_text().replace("34", "0.034"))
    refused(*common, "--fiducials", nz, words=("is it in m?",))
    assert not (tmp_path / "out").exists()


def test_a_ball_is_no_head_whose_electrodes_can_be_estimated(refused, files, tmp_path):
    head = files["msh22-ascii"]
    words = ("whole human head", "--fiducials")
    refused("simulate", head, *QUICK, *PLACE, "--electrodes", "estimate", "-o", tmp_path / "out", words=words)
