"""femtms compare as users run it."""

import csv
import hashlib
import json
import re
from contextlib import contextmanager

import numpy as np
import pytest

import femtms.compare
from femtms import LayeredSphere, load_coil
from femtms.analysis.sphere import sphere_metrics
from femtms.compare import compare
from femtms.io.comparisons import PLOT, RESULTS

QUICK = ("--size", 15, "--device", "cpu")
COILS = ("figure8-70mm", "circular-70mm")


@pytest.fixture(scope="module")
def on_sphere(tmp_path_factory):
    """A comparison of two coils at two places of the standard sphere: folder and summary."""
    out = tmp_path_factory.mktemp("sphere") / "deep" / "out"
    return out, compare("sphere", COILS, out, at=["F3", "Cz"], size_mm=15.0, device="cpu")


@pytest.fixture(scope="module")
def on_mesh(tmp_path_factory, files):
    """The same on a small head with five tissues from a file, at coordinates, beside a coil from a file."""
    out = tmp_path_factory.mktemp("mesh") / "out"
    coils = ["figure8-70mm", files[".ccd"]]
    return out, compare(files["msh22-ascii"], coils, out, at=[(0, 0, 34)], towards=[(0, 34, 0)], device="cpu")


def table(folder):
    with open(folder / "comparison.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_all_results_are_there_and_nothing_else(on_sphere):
    assert sorted(path.name for path in on_sphere[0].iterdir()) == sorted(RESULTS)


def test_a_row_for_each_coil_and_place_and_the_standard_sphere(on_sphere, on_mesh):
    # that sphere is the head already
    assert [(row["coil"], row["place"]) for row in table(on_sphere[0])] == [(c, p) for c in COILS for p in ("F3", "Cz")]
    assert [(row["coil"], row["place"]) for row in table(on_mesh[0])] == [
        ("figure8-70mm", "standard sphere"),
        ("ring", "standard sphere"),
        ("figure8-70mm", "0,0,34"),
        ("ring", "0,0,34"),
    ]


def test_numbers_in_a_sphere_are_exact_whatever_the_mesh(on_sphere):
    exact = {name: sphere_metrics(load_coil(name)) for name in COILS}
    for row in table(on_sphere[0]):
        metrics = exact[row["coil"]]
        assert float(row["E_brain_V_per_m_per_A_per_us"]) == pytest.approx(metrics.E_brain, rel=1e-5)
        assert float(row["d_half_cm"]) == pytest.approx(1e2 * metrics.d_half, rel=1e-5)
        assert float(row["s_half_cm2"]) == pytest.approx(1e4 * metrics.s_half, rel=1e-5)
        assert float(row["gm_50_ml"]) > 0


def test_radii_of_another_sphere_count_for_its_places_only(low_ring, tmp_path):
    head = LayeredSphere((60, 64, 70, 78))
    summary = compare(head, [low_ring], tmp_path / "out", at=["C3"], size_mm=15.0, gap_mm=7.0, device="cpu")
    standard, own = summary["rows"]
    coil = load_coil(low_ring)
    assert standard["d_half_cm"] == 1e2 * sphere_metrics(coil).d_half
    assert own["d_half_cm"] == 1e2 * sphere_metrics(coil, 7.0, 78.0, 60.0).d_half


def test_grey_matter_and_half_volume_of_a_ball_of_grey_matter_are_of_one_maximum(tmp_path):
    coils = ["figure8-70mm", "circular-90mm"]
    summary = compare("sphere", coils, tmp_path / "o", at=["F3"], size_mm=8.0, device="cpu")
    for row in summary["rows"]:
        # the 99.9th percentile of this mesh as the maximum would make them differ by 80 % for the figure-8
        assert row["gm_50_ml"] == pytest.approx(row["v_half_cm3"], rel=0.03)


@pytest.fixture(scope="module")
def low_ring(tmp_path_factory):
    """A ring of dipoles 20 mm above the coil's origin: where it is depends on what the gap counts from."""
    path = tmp_path_factory.mktemp("low") / "ring.ccd"
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rows = [f"{0.03 * np.cos(a):.6f} {0.03 * np.sin(a):.6f} -0.02 0 0 1e-4\n" for a in angles]
    path.write_text(f"# x version 1.0; coilname=ring\n{len(rows)}\n#\n" + "".join(rows))
    return path


def test_all_numbers_of_a_row_are_of_the_pose_that_may_cut(low_ring, tmp_path):
    settings = {"at": ["Cz"], "size_mm": 10.0, "device": "cpu", "allow_intersection": True}
    summary = compare("sphere", [low_ring], tmp_path / "o", **settings)
    standard, own = summary["rows"]
    gap_mm = np.hypot(85 + 5 + 20, 30) - 85
    lifted, there = (sphere_metrics(load_coil(low_ring), above_mm) for above_mm in (5.0, gap_mm))
    assert standard["place"] == "standard sphere" and standard["clearance_mm"] == 5
    assert standard["E_brain_V_per_m_per_A_per_us"] == lifted.E_brain
    assert own["clearance_mm"] == pytest.approx(gap_mm, abs=0.3)
    assert own["E_brain_V_per_m_per_A_per_us"] == pytest.approx(there.E_brain, rel=0.1)
    assert there.E_brain < 0.6 * lifted.E_brain
    assert own["gm_50_ml"] == pytest.approx(own["v_half_cm3"])
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "On this head the brain maximum is the 99.9th percentile" in page


def test_wires_in_the_head_are_told_before_anything_is_solved(refused, tmp_path, monkeypatch):
    def solved(*_, **__):
        raise AssertionError("this coil cannot be solved for")

    monkeypatch.setattr(femtms.compare, "Simulator", solved)
    arguments = ("--coil", COILS[0], "--coil", "double-cone", "--at", "F3", "-o", tmp_path / "o", *QUICK)
    words = ("double-cone", "at F3", "inside the head", "leave out --allow-intersection")
    error = refused("compare", "sphere", *arguments, "--allow-intersection", words=words)
    assert "simulate" not in error


def test_setting_up_and_each_field_are_announced(files, low_ring, tmp_path):
    announced = []

    @contextmanager
    def stage(name):
        own = []
        announced.append((name, own))
        yield lambda done, total: own.append((done, total))

    coils = [files[".ccd"], low_ring]
    compare("sphere", coils, tmp_path / "o", at=["F3", "Cz"], size_mm=20.0, device="cpu", stage=stage)
    names = [name for name, _ in announced]
    assert {"assembling", "setting up the solver"} <= set(names) and len(names) == len(set(names))
    assert dict(announced)["fields"] == [(done, 4) for done in range(5)]


def test_coils_are_at_the_gap_above_the_scalp(on_sphere, on_mesh):
    for out, _ in (on_sphere, on_mesh):
        np.testing.assert_allclose([float(row["clearance_mm"]) for row in table(out)], 5.0, atol=0.01)


def test_both_files_of_numbers_agree(on_mesh):
    out, summary = on_mesh
    content = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(summary))
    for row, other in zip(table(out), content["rows"], strict=True):
        for key, value in other.items():
            expected = "" if value is None else value if isinstance(value, str) else f"{value:.6g}"
            assert row[key] == expected
    assert len(content["inputs"]["coils"][1]["sha256"]) == 64
    assert content["inputs"]["towards"] == [[0, 34, 0]]
    assert content["inputs"]["outside"] == "error"
    assert [coil["name"] for coil in content["inputs"]["coils"]] == ["figure8-70mm", "ring"]
    assert np.array(content["poses"][0]["pose_mm"]).shape == (4, 4)
    assert {"read", "standard_sphere", "place", "solve", "report", "assemble", "setup"} <= set(content["seconds"])


def test_depth_on_a_mesh_is_within_its_brain(on_mesh):
    for row in table(on_mesh[0])[2:]:
        assert 0.1 < float(row["d_half_cm"]) < 2.2  # cm, the radius of the brain
        assert 0 < float(row["gm_75_ml"]) < float(row["gm_50_ml"]) < 1e6 * 4 / 3 * np.pi * 0.022**3


def test_the_page_asks_for_nothing_from_elsewhere(on_sphere):
    page = (on_sphere[0] / "report.html").read_text(encoding="utf-8")
    own = page[: page.index('<script type="application/json"')]  # before plotly, which names sites without asking them
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?\s*(https?:)?//", own)
    assert own.count("data:image/png;base64,") == 4


def test_the_page_names_the_standard_sphere_where_it_has_its_rows(on_sphere, on_mesh):
    told, there = ((out / "report.html").read_text(encoding="utf-8") for out, _ in (on_sphere, on_mesh))
    for words in ("and the standard sphere", "not defined on the standard sphere"):
        assert words in there and words not in told


def test_command_line_prints_the_table(run, files, tmp_path):
    result = run("compare", "sphere", "--coil", COILS[0], "--at", "F3", "-o", tmp_path / "o", *QUICK)
    assert result.code == 0, result.err
    assert re.search(r"figure8-70mm +F3 +1\.4\d", result.out)
    result = run("compare", "sphere", "--coil", files[".ccd"], "--at", "F3", "-o", tmp_path / "j", *QUICK, "--json")
    assert json.loads(result.out)["rows"][0]["place"] == "F3"


def test_info_prints_the_table_of_a_comparison(run, refused, on_sphere, tmp_path):
    out, summary = on_sphere
    assert re.search(r"circular-70mm +Cz +1\.4\d", run("info", out).out)
    assert json.loads(run("info", out, "--json").out) == json.loads(json.dumps(summary))
    (tmp_path / "comparison.json").write_text('{"rows": []}')
    refused("info", tmp_path, words=("comparison", "lacks inputs"))


def test_the_printed_table_keeps_its_width_whatever_the_names(run, on_sphere, tmp_path):
    summary = json.loads(json.dumps(on_sphere[1]))
    for row, end in zip(summary["rows"], "abcd"):
        row["coil"] = 200 * "long\n" + f"coil {end}"
    (tmp_path / "comparison.json").write_text(json.dumps(summary))
    header, *rows = run("info", tmp_path).out.splitlines()[:5]
    assert {len(line) for line in (header, *rows)} == {len(header)} and len(header) < 100
    assert [re.search(r"coil [a-d]", line)[0] for line in rows] == [f"coil {end}" for end in "abcd"]


def test_coils_of_one_name_are_told_apart_by_their_files(files, tmp_path):
    other = tmp_path / "other.ccd"
    other.write_bytes(files[".ccd"].read_bytes())
    summary = compare("sphere", [files[".ccd"], other], tmp_path / "o", at=["Cz"], size_mm=15.0, device="cpu")
    assert [row["coil"] for row in summary["rows"][:2]] == ["ring.ccd", "other.ccd"]


def test_files_of_one_name_are_told_apart_by_their_folders(files, tmp_path):
    paths = [tmp_path / folder / "v1" / "coil.ccd" for folder in "ab"] + [tmp_path / "other.ccd"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[".ccd"].read_bytes())
    summary = compare("sphere", paths, tmp_path / "o", at=["Cz"], size_mm=20.0, device="cpu")
    assert [row["coil"] for row in summary["rows"]] == ["a/v1/coil.ccd", "b/v1/coil.ccd", "other.ccd"]


def test_a_file_that_is_given_twice_is_refused(files, refused, tmp_path):
    arguments = ("--coil", files[".ccd"], "--coil", files[".ccd"], "--at", "F3", "-o", tmp_path / "out")
    refused("compare", "sphere", *arguments, "--device", "cpu", words=("different names", "ring.ccd", "2 times"))


def test_inputs_are_hashed_before_the_long_stages(files, tmp_path, monkeypatch):
    path = tmp_path / "coil.ccd"
    path.write_bytes(files[".ccd"].read_bytes())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    meshed = femtms.compare.mesh_head

    def changed(*arguments):
        path.write_text("another coil by now")
        return meshed(*arguments)

    monkeypatch.setattr(femtms.compare, "mesh_head", changed)
    summary = compare("sphere", [path], tmp_path / "o", at=["Cz"], size_mm=20.0, device="cpu")
    assert summary["inputs"]["coils"][0]["sha256"] == before


BAD = {
    "an unknown coil among others": (["--coil", COILS[0], "--coil", "no-such-coil", "--at", "F3"], ["no-such-coil"]),
    "no place": (["--coil", COILS[0]], ["--at"]),
    "no coil": (["--at", "F3"], ["--coil"]),
    "a coil twice": (["--coil", COILS[0], "--coil", COILS[0], "--at", "F3"], ["different names", COILS[0]]),
    "a place twice": (["--coil", COILS[0], "--at", "F3", "--at", "f3"], ["f3", "twice"]),
    "an unknown place": (["--coil", COILS[0], "--at", "F3", "--at", "Q9"], ["Q9"]),
    "directions for some places": (
        ["--coil", COILS[0], "--at", "F3", "--at", "C3", "--at", "Cz", "--towards", "Cz", "--towards", "Fz"],
        ["towards", "3 places", "2"],
    ),
    "an unknown direction": (["--coil", COILS[0], "--at", "F3", "--towards", "Q9"], ["towards", "Q9"]),
    "no target": (["--coil", COILS[0], "--at", "F3", "--target", "0"], ["target", "> 0"]),
    "no period": (["--coil", COILS[0], "--at", "F3", "--period", "nan"], ["period", "> 0"]),
    "a negative gap": (["--coil", COILS[0], "--at", "F3", "--gap", "-1"], ["gap_mm"]),
    "an unknown tissue": (["--coil", COILS[0], "--at", "F3", "--sigma", "cheese=1"], ["cheese"]),
    "a size that is none": (["--coil", COILS[0], "--at", "F3", "--size", "-2"], ["size"]),
    "a place in the air": (["--coil", COILS[0], "--at", "0,0,200"], ["on the scalp"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_leaves_nothing(refused, tmp_path, case):
    arguments, words = BAD[case]
    refused("compare", "sphere", *arguments, "-o", tmp_path / "deep" / "out", "--device", "cpu", words=words)
    assert list(tmp_path.iterdir()) == []


def test_a_coil_without_a_field_is_refused(refused, tmp_path):
    (tmp_path / "zero.ccd").write_text("# x; coilname=zero\n1\n#\n0 0 -0.01 0 0 0\n")
    arguments = ("--coil", COILS[0], "--coil", tmp_path / "zero.ccd", "--at", "F3", "-o", tmp_path / "out")
    refused("compare", "sphere", *arguments, "--device", "cpu", words=("zero", "field in the brain"))
    assert not (tmp_path / "out").exists()


def test_a_head_without_grey_matter_is_refused(refused, tmp_path, files):
    import meshio

    mesh = meshio.read(files["msh22-ascii"])
    mesh.cell_data["gmsh:physical"] = [np.full_like(data, 4) for data in mesh.cell_data["gmsh:physical"]]
    meshio.write(tmp_path / "bone.msh", mesh, file_format="gmsh22")
    arguments = ("--coil", COILS[0], "--at", "0,0,34", "-o", tmp_path / "out")
    refused("compare", tmp_path / "bone.msh", *arguments, words=("grey matter", "bone"))
    assert not (tmp_path / "out").exists()


def test_an_existing_result_is_kept_unless_asked(refused, run, files, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "comparison.csv").write_text("precious")
    arguments = ("compare", "sphere", "--coil", files[".ccd"], "--at", "F3", "-o", out, *QUICK)
    refused(*arguments, words=("comparison.csv", "--overwrite"))
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("comparison.csv", "precious")]
    assert run(*arguments, "--overwrite").code == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(RESULTS)


def test_the_plot_is_written_when_asked_for_and_goes_with_its_result(run, refused, files, tmp_path):
    out = tmp_path / "out"
    arguments = ("compare", "sphere", "--coil", files[".ccd"], "--at", "F3", "-o", out, *QUICK)
    first = run(*arguments, "--plots")
    assert first.code == 0 and PLOT in first.out
    assert (out / PLOT).read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in out.iterdir()) == sorted((*RESULTS, PLOT))
    (out / "notes.txt").write_text("mine")
    again = run(*arguments, "--overwrite")
    assert again.code == 0 and PLOT not in again.out
    assert sorted(path.name for path in out.iterdir()) == sorted((*RESULTS, "notes.txt"))


def test_a_plot_that_is_no_result_is_kept_unless_asked(refused, run, files, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / PLOT).write_text("precious")
    arguments = ("compare", "sphere", "--coil", files[".ccd"], "--at", "F3", "-o", out, *QUICK)
    refused(*arguments, "--plots", words=(PLOT, "--overwrite"))
    assert run(*arguments).code == 0
    assert (out / PLOT).read_text() == "precious"


@pytest.mark.parametrize("stage", ["comparison_page", "HeadAnalysis", "write_tex", "draw_depth_focality"])
def test_an_interrupted_comparison_leaves_nothing(run, files, tmp_path, monkeypatch, stage):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(femtms.compare, stage, interrupted)
    arguments = ("compare", "sphere", "--coil", files[".ccd"], "--at", "F3", "-o", tmp_path / "deep" / "out", *QUICK)
    result = run(*arguments, "--plots")
    assert result.code == 130 and "nothing was written" in result.err
    assert list(tmp_path.iterdir()) == []
