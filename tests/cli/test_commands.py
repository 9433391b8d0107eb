"""The commands on good input: what they print, and that what they write can be read again."""

import json
import re

import numpy as np
import pytest

from femtms import load_coil, read_mesh, write_coil

PLACE = ("--coil", "figure8-70mm", "--at", "0,0,34", "--towards", "0,30,20")
SIZE = ("--size", "8", "--device", "cpu")


def json_of(result):
    assert result.code == 0, result
    assert result.err == ""
    return json.loads(result.out)  # fails when anything else was printed


def test_heads_are_listed(run):
    names = {head["name"] for head in json_of(run("heads", "--json"))}
    assert {"sphere", "colin27"} <= names
    text = run("heads")
    assert all(name in text.out for name in names)
    assert "licence" in text.out


def test_coils_are_listed(run):
    coils = {coil["name"]: coil for coil in json_of(run("coils", "--json"))}
    assert coils["figure8-70mm"]["max_didt_A_per_s"] == pytest.approx(114.73e6)
    assert "figure8-70mm" in run("coils").out


def test_info_of_a_label_volume_has_its_volumes(run, files, ball):
    data, _ = ball
    for kind in (".nii", ".nii.gz", ".mgz"):
        report = json_of(run("info", files[kind], "--json"))
        assert report["kind"] == "labels"
        assert report["shape"] == [20, 20, 20]
        assert report["volume_ml"]["scalp"] == pytest.approx(64e-3 * (data == 5).sum())
        assert "20×20×20 voxels of 4×4×4 mm" in run("info", files[kind]).out


@pytest.mark.parametrize(
    "kind", ["msh22-ascii", "msh22-binary", "msh41-ascii", "msh41-binary", "vtu-ascii", "vtu-binary"]
)
def test_info_of_a_mesh_is_the_same_in_every_format(kind, run, files, ball_mesh):
    report = json_of(run("info", files[kind], "--json"))
    assert (report["kind"], report["tets"], report["nodes"]) == (
        "mesh",
        len(ball_mesh.tets),
        len(ball_mesh.nodes),
    )
    expected = {name: 1e6 * ball_mesh.volumes[ball_mesh.tags == tag].sum() for name, tag in (("wm", 1), ("scalp", 5))}
    assert {name: report["volume_ml"][name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert f"{len(ball_mesh.tets):,} tets" in run("info", files[kind]).out


def test_check_reports_on_the_mesh_and_how_it_fits_the_labels(run, refused, files, tmp_path):
    out = tmp_path / "head.msh"
    report = json_of(run("mesh", files[".nii"], "-o", out, "--size", "8", "--check", "--json"))["quality"]
    assert report["topology"]["pieces"] == 1
    assert 0 < report["fit"]["centroids"]["mean"] < 4
    assert "quality" not in json_of(run("mesh", files[".nii"], "-o", tmp_path / "b.msh", "--size", "8", "--json"))

    alone = json_of(run("info", out, "--check", "--json"))
    assert (alone["kind"], alone["quality"]["fit"]) == ("mesh", None)
    assert alone["quality"]["shape"]["radius_ratio"] == pytest.approx(report["shape"]["radius_ratio"])
    against = json_of(run("info", out, "--against", files[".nii.gz"], "--json"))["quality"]
    assert against["fit"]["centroids"] == pytest.approx(report["fit"]["centroids"], rel=1e-4)
    assert "smooth interface" in run("info", out, "--check", "--against", files[".nii"]).out
    text = run("mesh", "sphere", "-o", tmp_path / "s.msh", "--size", "20", "--check").out
    assert "radius ratio" in text and "smooth interface" not in text
    refused("info", files[".nii"], "--check", words=["--check", "mesh files", "LabelVolume"])
    refused("info", files[".ccd"], "--check", words=["ring.ccd"])


def test_info_of_coils_poses_and_the_sphere(run, files):
    assert json_of(run("info", files[".ccd"], "--json")) == {
        "name": "ring",
        "elements": 24,
        "max_didt_A_per_s": 100e6,
        "source": "ring.ccd",
    }
    assert "24 dipoles; 60×60×0 mm; at most 100 A/µs" in run("info", files[".ccd"]).out
    report = json_of(run("info", files[".tcd"], "--json"))
    assert (report["name"], report["elements"], report["parts"], report["deformation_ranges"]) == ("ring", 24, 1, [])
    assert "CoilModel(Coil(ring: 24 dipoles" in run("info", files[".tcd"]).out
    report = json_of(run("info", files["coil.nii.gz"], "--json"))
    assert (report["name"], report["source"], report["max_didt_A_per_s"]) == ("ring", "sampled.nii.gz", 100e6)
    assert json_of(run("info", "figure8-70mm", "--json"))["name"] == "figure8-70mm"
    for kind in ("pose.txt", "pose.npy"):
        assert json_of(run("info", files[kind], "--json"))["pose_mm"][2] == [0, 0, -1, 42]
        assert "centre (0.0, 0.0, 42.0) mm" in run("info", files[kind]).out
    assert json_of(run("info", "sphere", "--json"))["radii_mm"] == [78, 80, 86, 92]
    assert "LayeredSphere" in run("info", "sphere").out


@pytest.fixture
def cheap_picture(monkeypatch):
    """A picture takes longer than all the rest of a small head."""
    monkeypatch.setattr("femtms.simulate.draw_field_picture", lambda path, *a: path.write_text("picture"))


@pytest.mark.parametrize("suffix", [".msh", ".vtu"])
def test_written_mesh_gives_the_same_field_as_the_head_it_was_made_of(suffix, run, files, tmp_path, cheap_picture):
    report = json_of(run("mesh", files[".nii.gz"], "-o", tmp_path / f"head{suffix}", "--size", "8", "--json"))
    mesh = read_mesh(tmp_path / f"head{suffix}")
    assert (report["tets"], report["nodes"]) == (len(mesh.tets), len(mesh.nodes))

    direct = json_of(run("simulate", files[".nii.gz"], *PLACE, *SIZE, "-o", tmp_path / "direct", "--json"))
    again = json_of(run("simulate", tmp_path / f"head{suffix}", *PLACE, *SIZE, "-o", tmp_path / "again", "--json"))
    assert direct["tissues"].keys() == again["tissues"].keys()
    for name, expected in direct["tissues"].items():
        for key in ("mean", "median", "p99", "peak", "volume_ml"):
            assert again["tissues"][name][key] == pytest.approx(expected[key], rel=1e-5), (name, key)
    np.testing.assert_allclose(again["pose_mm"], direct["pose_mm"], atol=1e-4)


def test_simulate_prints_a_table_and_its_summary_is_what_info_prints(run, files, tmp_path, cheap_picture):
    result = run("simulate", files[".nii.gz"], *PLACE, *SIZE, "-o", tmp_path / "out")
    assert result.code == 0
    assert all(word in result.out for word in ("scalp", "peak", "iterations", "summary.json"))
    table = run("info", tmp_path / "out").out
    assert table.splitlines()[:8] == result.out.splitlines()[:8]
    report = json_of(run("info", tmp_path / "out", "--json"))
    assert report == json.loads((tmp_path / "out" / "summary.json").read_text())
    volume, mean = re.search(r"^scalp .*", table, re.MULTILINE)[0].split()[1:3]
    assert float(volume) == pytest.approx(report["tissues"]["scalp"]["volume_ml"], rel=0.01)
    assert float(mean) == pytest.approx(report["tissues"]["scalp"]["mean"], rel=0.01)
    assert max(map(len, table.splitlines()[:-1])) <= 80


def test_info_of_a_damaged_summary_is_refused(refused, tmp_path):
    for content in ("{", "[]", '{"tissues": 3}', "3", "\xff", '{"coil": "x", "didt": "fast"}'):
        (tmp_path / "summary.json").write_text(content, encoding="latin-1")
        refused("info", tmp_path, words=["summary.json"])


def test_quiet_prints_nothing(run, files, tmp_path, cheap_picture):
    for command in (
        ("simulate", files[".nii.gz"], *PLACE, *SIZE, "-o", tmp_path / "out"),
        ("mesh", files[".nii.gz"], "-o", tmp_path / "head.msh", "--size", "8"),
    ):
        result = run(*command, "--quiet")
        assert (result.code, result.out, result.err) == (0, "", "")


def test_device_auto_says_once_why_it_computes_on_the_cpu(run, files, tmp_path, cheap_picture, monkeypatch):
    monkeypatch.setattr("femtms.backend._cuda_backend", lambda: (None, "there is no GPU in this test"))
    result = run("simulate", files["msh22-binary"], *PLACE, "-o", tmp_path / "out", "--device", "auto")
    assert result.code == 0
    lines = result.err.strip().splitlines()
    assert [line for line in lines if "CPU" in line] == ["computing on the CPU: there is no GPU in this test"]
    assert ": about 37,000 tetrahedra" in lines[0] and "MB of files" in lines[0]


def test_help_is_on_stdout(run):
    for arguments in ((), ("--help",), ("simulate", "-h")):
        result = run(*arguments)
        assert (result.code, result.err) == (0, "")
        assert "Usage" in result.out


@pytest.mark.parametrize("head", [".nii.gz", "msh22-binary"])
@pytest.mark.parametrize("suffix", [".stl", ".gii", ".vtp"])
def test_surface_of_a_head_and_of_its_mesh_is_written(suffix, head, run, files, tmp_path, ball_mesh):
    out = tmp_path / f"gm{suffix}"
    report = json_of(run("surface", files[head], "gm", "-o", out, "--size", "8", "--json"))
    assert out.stat().st_size > 1000
    assert report["watertight"] and report["tissue"] == "gm"
    assert report["volume_ml"] == pytest.approx(1e6 * ball_mesh.volumes[ball_mesh.tags <= 2].sum(), rel=1e-5)
    before = out.read_bytes()
    assert "exists already" in run("surface", files[head], "gm", "-o", out, "--size", "8").err
    assert out.read_bytes() == before
    result = run("surface", files[head], "Grey matter", "-o", out, "--size", "8", "--overwrite", "--largest")
    assert result.code == 0 and "triangles" in result.out


def test_surface_that_cannot_be_is_refused(refused, files, tmp_path, monkeypatch):
    refused("surface", files["msh22-binary"], "eye", "-o", tmp_path / "x.stl", words=["eye", "scalp"])
    monkeypatch.setattr("femtms.load_head", lambda *a: pytest.fail("the work has started"))
    refused("surface", "colin27", "brian", "-o", tmp_path / "x.stl", words=["brian", "scalp"])
    refused("surface", "colin27", "gm", "-o", tmp_path / "x.ply", words=[".stl, .gii or .vtp"])
    refused("surface", "colin27", "gm", "-o", tmp_path / "no" / "x.stl", words=["folder"])
    assert list(tmp_path.iterdir()) == []


def test_mesh_comes_with_its_picture(run, refused, files, tmp_path, monkeypatch):
    options = ("mesh", files[".nii.gz"], "-o", tmp_path / "a.msh", "--size", "8", "--picture", tmp_path / "a.png")
    assert json_of(run(*options, "--json"))["picture"] == str(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "a.msh").unlink()
    monkeypatch.setattr("femtms.load_head", lambda *a: pytest.fail("the work has started"))
    refused(*options, words=["a.png", "exists already"])
    refused(*options[:-1], tmp_path / "a.jpg", words=[".png, .pdf or .svg"])


def test_sizes_by_tissue_make_a_coarser_mesh(run, refused, files, tmp_path):
    def tets(name, size):
        return json_of(run("mesh", files[".nii"], "-o", tmp_path / name, "--size", size, "--json"))["tets"]

    assert tets("fine.msh", "4") > tets("mixed.msh", "gm=4,8") > tets("coarse.msh", "8")
    refused("mesh", files[".nii"], "-o", tmp_path / "no.msh", "--size", "eye=2", words=["size_mm", "eye", "gm"])


def test_sampled_coil_gives_the_field_of_its_dipoles(run, files, tmp_path, cheap_picture):
    """A ring 10 mm above its grid's first plane, in steps of 9 mm: fine enough for 3 %."""
    # of the grid only A is known, so the gap of all of them counts from the origin
    place = ("--at", "0,0,34", "--towards", "0,30,20", "--gap", "8", "--allow-intersection")
    fields = {}
    for kind in (".ccd", ".tcd", "coil.nii.gz"):
        out = tmp_path / kind
        report = json_of(
            run(
                "simulate", files["msh22-binary"], "--coil", files[kind], *place, "--device", "cpu", "-o", out, "--json"
            )
        )
        fields[kind] = {name: row["mean"] for name, row in report["tissues"].items()}
    assert fields[".tcd"] == fields[".ccd"]
    assert fields["coil.nii.gz"] == pytest.approx(fields[".ccd"], rel=0.03)


def test_head_beyond_a_sampled_coil_is_refused_unless_a_is_said_to_be_zero(
    run, refused, files, tmp_path, cheap_picture
):
    small = tmp_path / "small.nii.gz"
    box = [[-0.02, 0.02], [-0.02, 0.02], [0, 0.03]]
    write_coil(load_coil(files[".ccd"]), small, limits=box, resolution=0.0049)
    np.savetxt(tmp_path / "pose.txt", np.diag([1.0, -1.0, -1.0, 1.0]) + 42 * np.eye(4)[2][:, None] * np.eye(4)[3])
    command = ("simulate", files["msh22-binary"], "--coil", small, "--matrix", tmp_path / "pose.txt", "--device", "cpu")
    refused(*command, "-o", tmp_path / "a", words=["must hold all of the head", "--outside zero"])
    refused(*command, "-o", tmp_path / "a", "--outside", "nothing", words=["error, zero", "nothing"])
    report = json_of(run(*command, "-o", tmp_path / "a", "--outside", "zero", "--json"))
    assert report["inputs"]["outside"] == "zero"
    poses = ("--poses", tmp_path / "pose.txt")
    command = ("sweep", files["msh22-binary"], "--coil", small, *poses, "--device", "cpu", "-o", tmp_path / "b")
    refused(*command, words=["pose 0 of 1", "must hold all of the head"])
    assert json_of(run(*command, "--outside", "zero", "--json"))["inputs"]["outside"] == "zero"
