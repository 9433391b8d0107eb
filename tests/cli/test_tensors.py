"""Diffusion tensors on the command line."""

import hashlib
import json

import nibabel
import numpy as np
import pytest
from conductivity.diffusion import along, centres, uniform, write_fsl

from femtms import read_tensors
from femtms.anisotropy import Anisotropy
from femtms.io.files import sha256_of
from femtms.io.sweeps import RESULTS as SWEEP_RESULTS
from femtms.simulate import simulate
from femtms.stage import silent

SHAPE = (12, 12, 12)
COIL = ("--coil", "figure8-70mm", "--device", "cpu")
PLACE = ("--at", "0,0,34", "--towards", "0,30,20")


@pytest.fixture(scope="module")
def tensor_file(tmp_path_factory):
    """Fibres along y for the head `ball`, neurological, with a corner that has none."""
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    affine[:3, 3] = -33
    tensors = uniform(along((0.2, 1, 0)), SHAPE).copy()
    tensors[(centres(affine, SHAPE) < 0).all(axis=-1)] = 0
    return write_fsl(tmp_path_factory.mktemp("tensors") / "dti_tensor.nii.gz", tensors, affine)


@pytest.fixture
def arguments(files, tmp_path):
    """A simulation in a small head, with more options."""
    head = files["msh22-ascii"]
    return lambda *more, out="out": ("simulate", head, *COIL, *PLACE, "-o", tmp_path / out, *more)


def test_tensors_change_the_field_and_the_summary_says_how(run, arguments, tensor_file, tmp_path):
    plain = run(*arguments("--json", out="plain"))
    tensors = run(*arguments("--json", "--tensors", tensor_file))
    assert plain.code == tensors.code == 0, (plain, tensors)
    plain, summary = json.loads(plain.out), json.loads(tensors.out)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())

    assert summary["inputs"]["tensors"] == {
        "path": str(tensor_file),
        "sha256": hashlib.sha256(tensor_file.read_bytes()).hexdigest(),
        "frame": "fsl",
        "normalisation": "vn",
        "max_ratio": 10.0,
        "max_sigma_S_per_m": 2.0,
        "tissues": ["wm", "gm"],
    }
    counts = summary["anisotropy"]["tissues"]
    assert set(counts) == {"wm", "gm"}
    assert 0.05 < counts["gm"]["missing"] / counts["gm"]["tets"] < 0.2  # an eighth
    assert summary["conductivity_S_per_m"]["wm"]["anisotropic"] is True
    # with a given geometric mean the mean of the eigenvalues is larger
    assert 0.126 < summary["conductivity_S_per_m"]["wm"]["mean"] < 2 * 0.126
    assert summary["conductivity_S_per_m"]["csf"] == plain["conductivity_S_per_m"]["csf"] == 1.654
    assert plain["inputs"]["tensors"] is None and plain["anisotropy"] is None
    assert plain["conductivity_S_per_m"]["wm"] == 0.126

    changes = {
        name: abs(summary["tissues"][name]["mean"] / plain["tissues"][name]["mean"] - 1) for name in ("wm", "scalp")
    }
    assert changes["wm"] > 0.01 > changes["scalp"]


def test_people_read_the_counts(run, arguments, tensor_file, tmp_path):
    result = run(*arguments("--tensors", tensor_file))
    assert result.code == 0
    assert "dti_tensor.nii.gz, vn" in result.err and "without a tensor (isotropic)" in result.err
    line = next(line for line in result.out.splitlines() if line.startswith("tensors (vn): "))
    assert "wm" in line and "gm" in line and "% isotropic" in line
    assert line in run("info", tmp_path / "out").out.splitlines()


def test_each_option_arrives(run, arguments, tensor_file):
    options = ("--anisotropy", "dir", "--max-ratio", 3, "--max-sigma", 1.5, "--tensor-frame", "voxel")
    summary = json.loads(run(*arguments("--json", "--tensors", tensor_file, *options, "--sigma", "gm=0.3")).out)
    given = summary["inputs"]["tensors"]
    assert [given[key] for key in ("frame", "normalisation", "max_ratio", "max_sigma_S_per_m")] == [
        "voxel",
        "dir",
        3,
        1.5,
    ]
    made = summary["anisotropy"]
    assert (made["normalisation"], made["max_ratio"], made["max_sigma_S_per_m"]) == ("dir", 3, 1.5)
    wm = made["tissues"]["wm"]
    assert wm["limited_ratio"] == wm["tets"] - wm["missing"] and made["factor_S_per_m"] > 0
    # the frame matters: the grid is right-handed, so that FSL's x is turned round and the fibres with it
    fsl, voxel = (read_tensors(tensor_file, frame).components[8, 8, 8, 1] for frame in ("fsl", "voxel"))
    assert fsl == pytest.approx(-voxel) and voxel != 0


def test_mean_conductivity_has_no_directions(run, arguments, tensor_file):
    summary = json.loads(run(*arguments("--json", "--tensors", tensor_file, "--anisotropy", "mc")).out)
    of_wm = summary["conductivity_S_per_m"]["wm"]
    assert of_wm["anisotropic"] is False and of_wm["min"] <= of_wm["mean"] <= of_wm["max"]


def test_sweep_takes_tensors_and_remembers_them(run, files, tensor_file, tmp_path):
    arguments = ("sweep", files["msh22-ascii"], *COIL, "--poses", files["pose.npy"], "--tensors", tensor_file)
    assert run(*arguments, "-o", tmp_path / "out", "-q").code == 0
    summary = json.loads((tmp_path / "out" / SWEEP_RESULTS[-1]).read_text())
    assert summary["inputs"]["tensors"]["normalisation"] == "vn" and summary["anisotropy"]["tissues"]["wm"]["tets"] > 0
    assert run(*arguments, "-o", tmp_path / "out", "-q").code == 0  # complete already
    other = run(*arguments, "--anisotropy", "dir", "-o", tmp_path / "out", "-q")
    assert other.code == 2  # another job


def test_comparison_takes_tensors_and_says_so_on_its_page(run, files, tensor_file, tmp_path):
    arguments = ("compare", files["msh22-ascii"], *COIL, "--at", "0,0,34", "--tensors", tensor_file)
    result = run(*arguments, "--towards", "0,34,0", "-o", tmp_path / "out", "-q")
    assert result.code == 0, result
    summary = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert summary["anisotropy"]["normalisation"] == "vn"
    assert summary["conductivity_S_per_m"]["gm"]["anisotropic"] is True
    page = (tmp_path / "out" / "report.html").read_text()
    assert summary["inputs"]["tensors"]["sha256"] in page and "(tensors)" in page


def test_numbers_on_a_sphere_with_tensors_are_not_those_of_the_closed_form(run, tmp_path):
    """The closed form knows no tensors: what it has for a sphere must not be shown for this one."""
    affine = np.diag([12.0, 12.0, 12.0, 1.0])
    affine[:3, 3] = -90
    path = write_fsl(tmp_path / "dti.nii", uniform(along((1, 0, 0), 1.0, 0.1), (16, 16, 16)), affine)
    arguments = ("compare", "sphere", *COIL, "--at", "Cz", "--size", 15, "-q")
    assert run(*arguments, "-o", tmp_path / "plain").code == 0
    assert run(*arguments, "--tensors", path, "-o", tmp_path / "fibres").code == 0
    plain, fibres = (
        json.loads((tmp_path / name / "comparison.json").read_text())["rows"] for name in ("plain", "fibres")
    )
    assert [row["place"] for row in plain] == ["Cz"]
    assert [row["place"] for row in fibres] == ["standard sphere", "Cz"]
    standard, here, alone = (row["E_brain_V_per_m_per_A_per_us"] for row in (*fibres, *plain))
    assert standard == pytest.approx(alone, rel=1e-9)
    assert here != pytest.approx(alone, rel=0.05)


# --- bad input ----------------------------------------------------------------------------------------------


def test_options_of_tensors_without_tensors_are_refused(refused, arguments, tmp_path):
    for option, value in (("--anisotropy", "vn"), ("--max-ratio", 5), ("--max-sigma", 1), ("--tensor-frame", "fsl")):
        refused(*arguments(option, value), words=[option, "give their file by --tensors"])
    assert not (tmp_path / "out").exists()


def test_settings_and_files_that_mean_nothing_are_refused_before_any_work(
    refused, arguments, tensor_file, files, tmp_path
):
    refused(*arguments("--tensors", tensor_file, "--anisotropy", "xy"), words=["must be vn, dir or mc; got 'xy'"])
    refused(*arguments("--tensors", tensor_file, "--max-ratio", 0), words=["max_ratio", "from 1"])
    refused(*arguments("--tensors", tensor_file, "--max-sigma", -1), words=["max_sigma", "> 0"])
    refused(*arguments("--tensors", tensor_file, "--tensor-frame", "ras"), words=["fsl, voxel, head"])
    refused(*arguments("--tensors", tmp_path / "none.nii.gz"), words=["no such file"])
    refused(*arguments("--tensors", files[".nii.gz"]), words=["six volumes", "20×20×20"])
    (tmp_path / "text.nii").write_text("not a volume")
    refused(*arguments("--tensors", tmp_path / "text.nii"), words=["text.nii"])
    assert not (tmp_path / "out").exists()


def test_tensors_of_another_place_are_refused(refused, arguments, tensor_file, tmp_path):
    image = nibabel.load(tensor_file)
    affine = image.affine.copy()
    affine[2, 3] += 300
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(), affine), tmp_path / "far.nii.gz")
    refused(*arguments("--tensors", tmp_path / "far.nii.gz"), words=["far.nii.gz", "must cover", "registered"])
    assert not (tmp_path / "out").exists()


def test_tensors_are_hashed_as_they_were_read(files, tensor_file, tmp_path):
    path = tmp_path / "dti.nii.gz"
    path.write_bytes(tensor_file.read_bytes())
    hashed = sha256_of(path)

    def stage(title):
        if title == "mesh":
            path.unlink()  # while we compute
        return silent(title)

    place = {"at": (0, 0, 34), "towards": (0, 30, 20)}
    wanted = Anisotropy(path, tissues=["wm"])
    summary = simulate(
        files["msh22-ascii"], "figure8-70mm", tmp_path / "out", **place, anisotropy=wanted, device="cpu", stage=stage
    )
    assert summary["inputs"]["tensors"]["sha256"] == hashed
    assert set(summary["anisotropy"]["tissues"]) == {"wm"} and summary["conductivity_S_per_m"]["gm"] == 0.275
