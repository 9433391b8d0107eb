"""The field on surfaces and at points, from the command line: results whole or not at all."""

import csv
import json

import nibabel
import numpy as np
import pytest

from femtms import Surface, TetMesh, read_mesh, read_surface, write_mesh, write_surface
from femtms.io.files import sha256_of
from femtms.simulate import RESULTS, results_of

from .small_files import said_no

SURFACES = {name: (f"surface-{name}.gii", f"surface-{name}.func.gii") for name in ("lh.mid", "rh")}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, ball_mesh):
    """Two hemispheres inside grey matter, one of them as .vtp, and points; mm."""
    folder = tmp_path_factory.mktemp("sampled")
    whole = ball_mesh.surface("gm")
    middle = whole.nodes * (18e-3 / np.linalg.norm(whole.nodes, axis=1, keepdims=True))
    left = middle[whole.triangles].mean(axis=1)[:, 0] < 0
    write_surface(Surface(middle, whole.triangles[left], "gm", "CortexLeft"), folder / "lh.mid.surf.gii")
    write_surface(Surface(middle, whole.triangles[~left], "gm"), folder / "rh.vtp")
    (folder / "points.txt").write_text("x,y,z\n0,0,18\n0,0,32\n0,0,60\n")
    write_surface(Surface(middle + [0.012, 0, 0], whole.triangles, "gm"), folder / "partly.gii")
    write_surface(Surface(middle + [0.2, 0, 0], whole.triangles, "gm"), folder / "away.gii")
    return folder


def simulate(files, out, *more):
    coil = ["--coil", files[".ccd"], "--matrix", files["pose.txt"], "--device", "cpu"]
    return ["simulate", files["msh22-binary"], *coil, "-o", out, *more]


@pytest.fixture(scope="module")
def arguments(inputs):
    return ["--surface", inputs / "lh.mid.surf.gii", "--surface", inputs / "rh.vtp", "--points", inputs / "points.txt"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_surfaces_and_points_have_files_and_numbers_of_their_own(run, files, inputs, arguments, tmp_path):
    out = tmp_path / "out"
    result = run(*simulate(files, out, *arguments))
    assert result.code == 0, result
    assert names(out) == sorted([*RESULTS, *SURFACES["lh.mid"], *SURFACES["rh"], "points.csv"])
    for name in names(out):
        assert name in result.out
    assert "surface lh.mid: |E| mean" in result.out and "points: |E| mean" in result.out
    assert "1 of 3 outside" in result.out and "1 of 3 points of points.txt are not in the head" in result.err

    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["surfaces"]) == ["lh.mid", "rh"]
    row = summary["surfaces"]["lh.mid"]
    image = nibabel.load(out / row["file"])
    magnE, normal, *_ = image.agg_data("shape")
    assert row["nodes"] == len(magnE) and row["outside"] == np.isnan(magnE).sum() == 0
    assert row["peak"] == pytest.approx(magnE.max(), rel=1e-5)
    assert row["normal_highest"] == pytest.approx(np.nanmax(normal), rel=1e-4, abs=1e-7)
    assert image.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    np.testing.assert_allclose(
        image.agg_data("pointset"), 1e3 * read_surface(inputs / "lh.mid.surf.gii").nodes, atol=1e-5
    )

    with open(out / "points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["tissue"] for r in rows] == ["gm", "scalp", ""]
    assert summary["points"]["points"] == 3 and summary["points"]["outside"] == 1
    assert summary["points"]["peak"] == pytest.approx(max(float(r["magnE"]) for r in rows[:2]))
    given = summary["inputs"]
    assert given["points"] == {"path": str(inputs / "points.txt"), "sha256": sha256_of(inputs / "points.txt")}
    assert [s["sha256"] for s in given["surfaces"]] == [sha256_of(a) for a in arguments[1:4:2]]


def test_the_numbers_are_those_of_the_field_in_python(run, files, inputs, arguments, tmp_path):
    from femtms import Simulator, load_coil, read_pose

    assert run(*simulate(files, tmp_path / "out", *arguments, "--quiet")).code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    sim = Simulator(read_mesh(files["msh22-binary"]), device="cpu")
    field = sim.solve(load_coil(files[".ccd"]), read_pose(files["pose.txt"]))
    on = field.on_surface(read_surface(inputs / "rh.vtp"))
    assert summary["surfaces"]["rh"] == dict(zip(("file", "data_file"), SURFACES["rh"])) | on.summary()
    with open(tmp_path / "out" / "points.csv", newline="") as file:
        first = next(csv.DictReader(file))
    np.testing.assert_allclose([float(first[k]) for k in ("Ex", "Ey", "Ez")], field.at([[0, 0, 18]])[0], rtol=1e-6)


def test_without_surfaces_and_points_there_are_none(run, files, tmp_path):
    assert run(*simulate(files, tmp_path / "out", "--quiet")).code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert names(tmp_path / "out") == sorted(RESULTS) == sorted(results_of())
    assert summary["surfaces"] == {} and summary["points"] is None
    assert summary["inputs"]["surfaces"] == [] and summary["inputs"]["points"] is None


def test_overwriting_takes_away_what_the_earlier_result_sampled_and_nothing_else(
    run, files, inputs, arguments, tmp_path
):
    out = tmp_path / "out"
    assert run(*simulate(files, out, *arguments, "--quiet")).code == 0
    (out / "surface-mine.gii").write_text("mine")
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said_no(run(*simulate(files, out)), "holds a result already")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert run(*simulate(files, out, "--surface", inputs / "rh.vtp", "--quiet", "--overwrite")).code == 0
    assert names(out) == sorted([*RESULTS, *SURFACES["rh"], "surface-mine.gii", "notes.txt"])
    assert run(*simulate(files, out, "--quiet", "--overwrite")).code == 0
    assert names(out) == sorted([*RESULTS, "surface-mine.gii", "notes.txt"])


def test_a_file_of_the_user_is_not_replaced_unasked(run, files, inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "surface-rh.gii").write_text("mine")
    said_no(run(*simulate(files, out, "--surface", inputs / "rh.vtp")), "surface-rh.gii")
    (out / "points.csv").write_text("0,0,18\n")
    refusal = run(*simulate(files, out, "--points", out / "points.csv", "--overwrite"))
    said_no(refusal, "points.csv", "would replace it")
    assert names(out) == ["points.csv", "surface-rh.gii"]
    assert (out / "points.csv").read_text() == "0,0,18\n"


def test_what_an_earlier_result_sampled_is_not_taken_away_while_it_is_read(run, files, inputs, arguments, tmp_path):
    """Overwriting removes it, so it cannot be an input."""
    out = tmp_path / "out"
    assert run(*simulate(files, out, *arguments, "--quiet")).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for option, name in (("--surface", "surface-rh.gii"), ("--points", "points.csv")):
        said_no(run(*simulate(files, out, option, out / name, "--overwrite")), name, "would replace it")
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_what_is_partly_outside_is_said_and_counted(run, files, inputs, tmp_path):
    result = run(*simulate(files, tmp_path / "out", "--surface", inputs / "partly.gii"))
    assert result.code == 0
    row = json.loads((tmp_path / "out" / "summary.json").read_text())["surfaces"]["partly"]
    assert row["outside"] > 0 and row["inside"] > 0
    assert row["inside"] + row["moved"] + row["outside"] == row["nodes"]
    assert f"{row['outside']:,} of {row['nodes']:,} nodes of surface partly.gii are not in gm" in result.err
    magnE = nibabel.load(tmp_path / "out" / "surface-partly.gii").agg_data("shape")[0]
    assert np.isnan(magnE).sum() == row["outside"]


def test_bad_samples_are_refused_before_the_long_stages(run, files, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("femtms.simulate.Simulator", lambda *a, **k: pytest.fail("the work has started"))
    out = tmp_path / "out"
    (tmp_path / "bad.gii").write_text("<GIFTI>")
    (tmp_path / "empty.csv").write_text("x,y,z\n")
    (tmp_path / "air.csv").write_text("0,0,900\n0,900,0\n")
    (tmp_path / "RH.gii").write_bytes((inputs / "partly.gii").read_bytes())
    for option, path, words in (
        ("--surface", inputs / "away.gii", ["at least one of", "nodes of surface away.gii", "in gm"]),
        ("--surface", tmp_path / "bad.gii", ["bad.gii", "cannot be read as GIFTI"]),
        ("--surface", tmp_path / "none.gii", ["there is no such file"]),
        ("--surface", tmp_path / "lh.pial", [".gii, .stl or .vtp"]),
        ("--surface", tmp_path / "RH.gii", ["name of its own", "RH"]),
        ("--points", tmp_path / "empty.csv", ["at least one point"]),
        ("--points", tmp_path / "air.csv", ["at least one of the 2 points of air.csv must be in the head"]),
        ("--points", tmp_path / "none.csv", ["there is no such file"]),
    ):
        more = ["--surface", inputs / "rh.vtp"] if path.name == "RH.gii" else []
        said_no(run(*simulate(files, out, *more, option, path)), *words)
        assert not out.exists()


def test_a_head_without_grey_matter_has_no_cortical_surface(run, inputs, files, ball_mesh, tmp_path):
    tags = np.where(ball_mesh.tags == 2, 3, ball_mesh.tags)
    write_mesh(TetMesh(ball_mesh.nodes, ball_mesh.tets, tags), tmp_path / "head.msh")
    coil = ["--coil", files[".ccd"], "--matrix", files["pose.txt"], "--device", "cpu"]
    refusal = run("simulate", tmp_path / "head.msh", *coil, "-o", tmp_path / "out", "--surface", inputs / "rh.vtp")
    said_no(refusal, "surfaces in gm", "it has wm, csf, bone, scalp")
    assert not (tmp_path / "out").exists()
