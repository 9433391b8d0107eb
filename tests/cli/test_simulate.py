"""The main job as a user runs it, on heads that are small enough for a test."""

import json
import sys

import meshio
import nibabel
import numpy as np
import pytest

from femtms.cli.main import main
from femtms.io.files import sha256_of
from femtms.simulate import RESULTS, simulate
from femtms.stage import silent


def femtms(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["femtms", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
        sys.exit(0)
    return leaving.value.code or 0


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    """A NIfTI head of 4 mm voxels: grey matter, CSF, bone, scalp; an oblique affine."""
    n = 48
    affine = np.diag([-4.0, 4.0, 4.0, 1.0])  # stored from right to left
    affine[:3, 3] = [94, -94, -94]
    index = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)
    r = np.linalg.norm(index @ affine[:3, :3].T + affine[:3, 3], axis=-1)
    data = np.zeros((n, n, n), np.uint8)
    for radius, tag in ((86, 5), (78, 4), (70, 3), (64, 2)):
        data[r < radius] = tag
    path = tmp_path_factory.mktemp("head") / "ball.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path


PLACE = ["--coil", "figure8-70mm", "--at=-60,0,60", "--towards=-60,-30,60", "--size", 12, "--device", "cpu"]


@pytest.fixture(scope="module")
def result(ball, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "deep" / "er"
    with pytest.MonkeyPatch.context() as patch:
        assert femtms(patch, "simulate", ball, *PLACE, "-o", out, "--quiet", "--msh") == 0
    return out


def test_every_promised_file_is_there_and_nothing_else(result):
    assert sorted(p.name for p in result.iterdir()) == sorted((*RESULTS, "field.msh"))
    assert [p.name for p in result.parent.iterdir()] == [result.name]


def test_files_agree_with_each_other(result, ball):
    summary = json.loads((result / "summary.json").read_text())
    vtu, msh = meshio.read(result / "field.vtu"), meshio.read(result / "field.msh")
    np.testing.assert_allclose(vtu.cell_data["magnE"][0], msh.cell_data["magnE"][0].ravel(), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(msh.cell_data["E"][0], axis=1), msh.cell_data["magnE"][0].ravel())
    gm = msh.cell_data["gmsh:physical"][0] == 2
    magnitude = msh.cell_data["magnE"][0].ravel()
    assert summary["tissues"]["gm"]["peak"] == pytest.approx(magnitude[gm].max())
    centroid = msh.points[msh.cells[0].data[gm][magnitude[gm].argmax()]].mean(axis=0)
    assert summary["tissues"]["gm"]["peak_mm"] == pytest.approx(list(centroid))
    assert centroid[0] < 0 < centroid[2]  # under the coil: left, high
    assert summary["mesh"]["tets"] == len(msh.cells[0].data)

    volume = nibabel.load(result / "magnE.nii.gz")
    labels = nibabel.load(ball)
    assert volume.shape == labels.shape
    np.testing.assert_allclose(volume.affine, labels.affine)
    data = volume.get_fdata()
    assert data.max() <= 1.1 * magnitude.max()  # these are at centroids
    # the strong voxel is on the coil's side
    strongest = volume.affine @ [*np.unravel_index(data.argmax(), data.shape), 1]
    assert strongest[0] < 0 < strongest[2]
    assert (data[labels.get_fdata() == 0] > 0).mean() < 0.05
    assert (data[labels.get_fdata() == 2] > 0).all()


def test_summary_says_what_was_run(result, ball):
    summary = json.loads((result / "summary.json").read_text())
    assert summary["inputs"]["head"]["path"] == str(ball)
    assert len(summary["inputs"]["head"]["sha256"]) == 64
    assert summary["coil"] == "figure8-70mm" and summary["didt"] == 1e6
    assert {"femtms", "numpy", "python"} <= set(summary["versions"])
    assert summary["solver"]["iterations"] > 0 and summary["solver"]["residual"] <= 1e-6
    assert {"mesh", "assemble", "setup", "dadt", "solve", "write"} <= set(summary["seconds"])
    assert np.linalg.det(np.array(summary["pose_mm"])[:3, :3]) == pytest.approx(1)
    for row in summary["tissues"].values():
        assert 0 < row["median"] <= row["p95"] <= row["p99"] <= row["p99_9"] <= row["peak"]
        assert row["focality_75_ml"] <= row["focality_50_ml"] <= row["volume_ml"]


def test_result_is_not_overwritten_unasked(monkeypatch, capsys, result, ball):
    before = {p.name: p.read_bytes() for p in result.iterdir()}
    assert femtms(monkeypatch, "simulate", ball, *PLACE, "--didt", 2e6, "-o", result) == 2
    assert "holds a result already" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in result.iterdir()} == before


def test_overwriting_replaces_the_result_and_keeps_other_files(monkeypatch, capsys, tmp_path, result, ball):
    out = tmp_path / "out"
    arguments = ["simulate", ball, *PLACE, "-o", out, "--json"]
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert femtms(monkeypatch, *arguments) == 0
    first = json.loads(capsys.readouterr().out)
    assert femtms(monkeypatch, *arguments, "--didt", 2e6, "--overwrite") == 0
    second = json.loads(capsys.readouterr().out)
    assert second == json.loads((out / "summary.json").read_text())
    assert second["tissues"]["gm"]["mean"] == pytest.approx(2 * first["tissues"]["gm"]["mean"], rel=1e-6)
    assert (out / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in out.iterdir()) == sorted([*RESULTS, "notes.txt"])


def test_matrix_gives_the_same_field_as_the_place_it_came_from(monkeypatch, capsys, tmp_path, result, ball):
    summary = json.loads((result / "summary.json").read_text())
    np.savetxt(tmp_path / "pose.txt", summary["pose_mm"])
    np.save(tmp_path / "pose.npy", np.array(summary["pose_mm"]))
    for name in ("pose.txt", "pose.npy"):
        arguments = ["--coil", "figure8-70mm", "--matrix", tmp_path / name, "--size", 12, "--device", "cpu"]
        assert femtms(monkeypatch, "simulate", ball, *arguments, "-o", tmp_path / name[-3:], "--json") == 0
        again = json.loads(capsys.readouterr().out)
        assert again["tissues"]["gm"]["p99"] == pytest.approx(summary["tissues"]["gm"]["p99"], rel=1e-9)


def test_mesh_file_gives_the_same_field_as_the_labels(monkeypatch, capsys, tmp_path, result, ball):
    summary = json.loads((result / "summary.json").read_text())
    assert femtms(monkeypatch, "mesh", ball, "-o", tmp_path / "head.msh", "--size", 12, "--quiet") == 0
    assert femtms(monkeypatch, "simulate", tmp_path / "head.msh", *PLACE, "-o", tmp_path / "out", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["tissues"]["gm"]["p99"] == pytest.approx(summary["tissues"]["gm"]["p99"], rel=1e-6)


def test_sigma_on_the_command_line_is_used(monkeypatch, capsys, tmp_path, result, ball):
    summary = json.loads((result / "summary.json").read_text())
    assert femtms(monkeypatch, "simulate", ball, *PLACE, "-o", tmp_path / "o", "--json", "--sigma", "bone=0.1") == 0
    changed = json.loads(capsys.readouterr().out)
    assert changed["conductivity_S_per_m"]["bone"] == 0.1
    assert changed["tissues"]["bone"]["mean"] != pytest.approx(summary["tissues"]["bone"]["mean"], rel=1e-3)


def test_layered_sphere_from_the_command_line(monkeypatch, capsys, tmp_path):
    arguments = ["--coil", "figure8-70mm", "--at", "C3", "--towards", "CP3", "--size", 15, "--device", "cpu"]
    assert (
        femtms(
            monkeypatch,
            "simulate",
            "sphere",
            "--radii",
            "70,74,80,88",
            *arguments,
            "-o",
            tmp_path / "o",
            "--json",
        )
        == 0
    )
    summary = json.loads(capsys.readouterr().out)
    assert summary["inputs"]["head"]["radii_mm"] == [70, 74, 80, 88]
    assert np.linalg.norm(np.array(summary["pose_mm"])[:3, 3]) == pytest.approx(92, abs=0.5)


def test_mask_is_not_taken_for_a_segmentation(monkeypatch, capsys, tmp_path, ball):
    image = nibabel.load(ball)
    mask = (image.get_fdata() > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), tmp_path / "mask.nii.gz")
    assert femtms(monkeypatch, "simulate", tmp_path / "mask.nii.gz", *PLACE, "-o", tmp_path / "o") == 2
    assert "several tissues; it has only wm (a mask?)" in capsys.readouterr().err
    # on purpose it works
    assert femtms(monkeypatch, "mesh", tmp_path / "mask.nii.gz", "-o", tmp_path / "m.msh", "--size", 12, "-q") == 0
    assert femtms(monkeypatch, "simulate", tmp_path / "m.msh", *PLACE, "-o", tmp_path / "o", "-q") == 0


def test_inputs_are_hashed_as_they_were_read(ball, tmp_path):
    coil = tmp_path / "d.ccd"
    coil.write_text("# d\n1\n0 0 -1e-2 0 0 1e-4\n")
    hashed = sha256_of(coil)

    def stage(title):
        if title == "mesh":
            coil.unlink()  # while we compute
        return silent(title)

    place = {"at": (-60, 0, 60), "towards": (-60, -30, 60)}
    summary = simulate(ball, coil, tmp_path / "out", **place, size_mm=12, device="cpu", stage=stage)
    assert summary["inputs"]["coil"] == {"path": str(coil), "sha256": hashed}
