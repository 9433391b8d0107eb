"""Several coils at once, several stimulators, and casings that cut the scalp, from the command line."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from femtms import FemtmsError, Pose, Surface, load_coil, place
from femtms.coil.clearance import clearance
from femtms.coil.elements import Dipoles
from femtms.coil.stimulator import Stimulator
from femtms.placement import placements
from femtms.simulate import simulate

FIGURE8 = "figure8-70mm"
PLACE = ("--at", "0,0,34", "--towards", "0,30,20")
SIDE = ("--at", "34,0,0", "--towards", "30,0,20")
DEVICE = ("--device", "cpu", "--rtol", "1e-8")


@pytest.fixture(autouse=True)
def cheap_picture(monkeypatch):
    monkeypatch.setattr("femtms.simulate.draw_field_picture", lambda path, *a: path.write_text("picture"))


@pytest.fixture
def cased(monkeypatch):
    """All coils get a casing: a plate that is 3 mm nearer to the head than their origin."""
    plate = Surface([[0.1, 0.1, 0.003], [-0.2, 0.1, 0.003], [0.1, -0.2, 0.003]], [[0, 1, 2]], "casing")
    for module in ("placement", "sweep"):
        monkeypatch.setattr(
            f"femtms.{module}.load_coil", lambda name, outside="error": replace(load_coil(name), casing=plate)
        )
    return replace(load_coil(FIGURE8), casing=plate)


@pytest.fixture
def two_channels(monkeypatch):
    """All coils have two patches of dipoles, each with a stimulator of its own."""
    parts = [Dipoles([[x, 0, -0.005]], [[0, 0, 1e-2]], stimulator=i) for i, x in enumerate((-0.02, 0.02))]
    stimulators = (Stimulator("a"), Stimulator("b"))
    for module in ("placement", "sweep"):
        monkeypatch.setattr(
            f"femtms.{module}.load_coil",
            lambda name, outside="error": replace(
                load_coil(name), elements=tuple(parts), stimulators=stimulators, name="pair"
            ),
        )


def json_of(result):
    assert result.code == 0, result
    return json.loads(result.out)


def fields(folder, mesh):
    import meshio

    return meshio.read(folder / "field.vtu").cell_data["E"][0]


def test_field_of_two_coils_is_the_sum_of_theirs(run, files, ball_mesh, tmp_path):
    head = files["msh22-binary"]

    def solved(name, *options):
        summary = json_of(run("simulate", head, *options, *DEVICE, "-o", tmp_path / name, "--json"))
        return summary, fields(tmp_path / name, ball_mesh)

    one, E_one = solved("one", "--coil", FIGURE8, *PLACE, "--didt", "1e6")
    other, E_other = solved("other", "--coil", files[".ccd"], *SIDE, "--gap", "7", "--didt", "-2e6")
    both, E = solved(
        "both", "--coil", FIGURE8, "--coil", files[".ccd"], *PLACE, *SIDE, "--gap", 4, "--gap", 7,
        "--didt", "1e6", "--didt", "-2e6",
    )  # fmt: skip
    scale = np.abs(E).max()
    np.testing.assert_allclose(E, E_one + E_other, atol=1e-3 * scale)
    assert min(np.abs(E_one).max(), np.abs(E_other).max()) > 0.01 * scale

    assert both["coil"] == "figure8-70mm + ring"
    assert [row["coil"] for row in both["coils"]] == ["figure8-70mm", "ring"]
    assert [row["didt"] for row in both["coils"]] == [1e6, -2e6]
    assert [row["gap_mm"] for row in both["coils"]] == [4, 7]
    np.testing.assert_allclose(both["coils"][1]["pose_mm"], other["pose_mm"])
    assert [row["clearance_mm"] for row in both["coils"]] == [one["clearance_mm"], other["clearance_mm"]]
    assert both["clearance_mm"] == min(one["clearance_mm"], other["clearance_mm"])
    assert both["inputs"]["coil"] == [one["inputs"]["coil"], other["inputs"]["coil"]]
    assert one["coils"] == [both["coils"][0]]
    text = run("info", tmp_path / "both").out
    assert "figure8-70mm, dI/dt = 1 A/µs; ring, dI/dt = -2 A/µs; |E| in V/m" in text


def test_coils_at_matrices_share_one_didt(run, files, tmp_path):
    matrices = []
    for i, gap in enumerate((40, 46)):
        matrix = np.diag([1.0, -1.0, -1.0, 1.0])
        matrix[2, 3] = gap
        matrices += ["--matrix", tmp_path / f"{i}.txt"]
        np.savetxt(matrices[-1], matrix)
    coils = ["--coil", FIGURE8, "--coil", FIGURE8]
    arguments = ["simulate", files["msh22-binary"], *coils, *matrices, *DEVICE, "--didt", "2e6"]
    summary = json_of(run(*arguments, "-o", tmp_path / "out", "--json"))
    assert [row["didt"] for row in summary["coils"]] == [2e6, 2e6]
    assert [row["pose_mm"][2][3] for row in summary["coils"]] == [40, 46]
    assert len(summary["inputs"]["matrix"]) == 2
    assert summary["didt"] == 2e6 and summary["placement"] == {"at": None, "towards": None, "gap_mm": None}


@pytest.mark.parametrize(
    "options,words",
    [
        (("--coil", FIGURE8, *PLACE), ["--at", "once for each coil"]),
        (("--coil", FIGURE8, *PLACE, *SIDE, "--didt", 1, "--didt", 2, "--didt", 3), ["--didt", "2", "3"]),
        (("--coil", FIGURE8, *PLACE, *SIDE, *PLACE), ["--at", "once for each coil", "2", "3"]),
        ((*PLACE, "--didt", "1e6,1e6"), ["figure8-70mm", "one for each of its 1 stimulators"]),
        ((*PLACE, "--didt", "1e6,x"), ["--didt", "valid number"]),
        (("--coil", FIGURE8, *PLACE, *SIDE, "--matrix", "a", "--matrix", "b"), ["either by"]),
    ],
)
def test_wrong_number_of_options_is_refused(options, words, refused, files, tmp_path):
    out = tmp_path / "out"
    refused("simulate", files["msh22-binary"], "--coil", FIGURE8, *options, *DEVICE, "-o", out, words=words)
    assert not out.exists()


def test_lists_of_other_lengths_are_refused_in_python():
    with pytest.raises(FemtmsError, match="one towards for each of 2 coils; got 1"):
        placements([FIGURE8, FIGURE8], at=["C3", "C4"], towards="Cz")
    with pytest.raises(FemtmsError, match="at least one coil"):
        placements([])
    row = placements([FIGURE8, FIGURE8], at=["C3", (1, 2, 3)], towards=["Cz", "Cz"], didt=[(1.0, 2.0), 3.0])
    assert [one.didt for one in row] == [(1.0, 2.0), 3.0] and [one.gap_mm for one in row] == [4.0, 4.0]


def test_each_stimulator_has_its_own_didt(run, files, ball_mesh, tmp_path, two_channels):
    found = {}
    for rates in ("2e6,-1e6", "2e6,0", "0,-1e6", "1e6", "1e6,1e6"):
        out = tmp_path / rates
        arguments = ["--coil", FIGURE8, *PLACE, *DEVICE, "-o", out, "--json"]
        summary = json_of(run("simulate", files["msh22-binary"], *arguments, f"--didt={rates}"))
        found[rates] = fields(out, ball_mesh)
    assert summary["coils"][0]["didt"] == [1e6, 1e6] and summary["didt"] == 1e6
    scale = np.abs(found["2e6,-1e6"]).max()
    np.testing.assert_allclose(found["2e6,-1e6"], found["2e6,0"] + found["0,-1e6"], atol=1e-3 * scale)
    np.testing.assert_allclose(found["1e6"], found["1e6,1e6"], rtol=1e-6, atol=1e-9 * scale)


def test_sweep_drives_each_stimulator(run, files, tmp_path, two_channels):
    arguments = ["sweep", files["msh22-binary"], "--coil", FIGURE8, "--poses", files["pose.npy"], *DEVICE]
    both = json_of(run(*arguments, "--didt=1e6,-1e6", "-o", tmp_path / "a", "--json"))
    assert both["didt"] == [1e6, -1e6] == both["inputs"]["didt"]
    assert "pair, dI/dt = 1, -1 A/µs" in run("info", tmp_path / "a").out
    json_of(run(*arguments, "--didt=1e6", "-o", tmp_path / "b", "--json"))
    rows = [(tmp_path / name / "sweep.csv").read_text().splitlines()[1] for name in "ab"]
    assert rows[0] != rows[1]


def test_casing_that_cuts_the_scalp_is_refused_unless_allowed(run, refused, files, ball_mesh, tmp_path, cased):
    arguments = ["simulate", files["msh22-binary"], "--coil", FIGURE8, *PLACE, *DEVICE, "-o", tmp_path / "out"]
    low = tmp_path / "low.txt"
    np.savetxt(low, place(ball_mesh, (0, 0, 34), (0, 30, 20), 1).matrix)  # of the origin
    by_matrix = ["simulate", files["msh22-binary"], "--coil", FIGURE8, "--matrix", low, *DEVICE, "-o", tmp_path / "out"]
    words = ["casing", "figure8-70mm", "2.", "mm below", "--allow-intersection"]
    sentence = refused(*by_matrix, words=words)
    assert 1.7 < float(re.search(r"up to (\S+) mm", sentence)[1]) < 2.3
    assert not (tmp_path / "out").exists()
    clear = json_of(run(*arguments, "--gap", 2, "--json"))
    assert clear["clearance_mm"] == pytest.approx(2, abs=0.05)
    assert clear["coils"][0]["centre_mm"] == pytest.approx(5, abs=0.3)
    cut = json_of(run(*arguments, "--gap", 1, "--allow-intersection", "--overwrite", "--json"))
    assert cut["clearance_mm"] == pytest.approx(-2, abs=0.3)
    assert cut["clearance_mm"] == pytest.approx(clearance(ball_mesh, cased, Pose(cut["pose_mm"])).mm, abs=0.05)
    assert "figure8-70mm cuts the scalp, " in run("info", tmp_path / "out").out


def test_casings_that_cut_each_other_are_refused_unless_allowed(run, refused, files, tmp_path, cased):
    both = ["--coil", FIGURE8, "--coil", FIGURE8, *PLACE, *SIDE, "--gap", 6]
    arguments = ["simulate", files["msh22-binary"], *both, *DEVICE, "-o", tmp_path / "out"]
    refused(*arguments, words=["coils 1 ('figure8-70mm') and 2", "meet at (", "--allow-intersection"])
    assert len(json_of(run(*arguments, "--allow-intersection", "--json"))["coils"]) == 2


def test_sweep_refuses_poses_whose_casing_cuts_the_scalp(run, refused, files, tmp_path, cased):
    poses = []
    for height in (45.0, 34.5, 44.0):
        matrix = np.diag([1.0, -1.0, -1.0, 1.0])
        matrix[2, 3] = height
        poses.append(matrix)
    np.save(tmp_path / "poses.npy", poses)
    arguments = ["sweep", files["msh22-binary"], "--coil", FIGURE8, "--poses", tmp_path / "poses.npy", *DEVICE]
    refused(*arguments, "-o", tmp_path / "out", words=["pose 1 of 3", "casing", "--allow-intersection"])
    assert json_of(run(*arguments, "-o", tmp_path / "out", "--allow-intersection", "--json"))["poses"] == 3


def test_simulate_from_python_takes_a_list_of_coils(files, tmp_path):
    summary = simulate(
        files["msh22-binary"],
        [FIGURE8, files[".ccd"]],
        tmp_path / "out",
        at=[(0, 0, 34), (34, 0, 0)],
        towards=[(0, 30, 20), (30, 0, 20)],
        didt=[1e6, 2e6],
        device="cpu",
    )
    assert [row["at"] for row in summary["coils"]] == [[0, 0, 34], [34, 0, 0]]
    assert summary["solver"]["iterations"] > 0


def test_lifted_coil_has_its_gap_at_its_nearest_point(run, files, ball_mesh, tmp_path):
    head, bent = files["msh22-binary"], tmp_path / "bent.toml"
    bent.write_text(
        'name = "bent"\nshape = "figure-8"\nouter_diameter_mm = 60\ninner_diameter_mm = 30\nturns = 6\n'
        "wire_mm = [2, 5]\nangle_deg = 90\n"
    )
    arguments = ["simulate", head, "--coil", bent, *PLACE, *DEVICE, "-o", tmp_path / "out", "--gap", "3", "--json"]
    summary = json_of(run(*arguments))
    assert summary["clearance_mm"] == pytest.approx(3, abs=0.05) and summary["coils"][0]["centre_mm"] > 10
    same = json_of(run(*arguments, "--lift", "--overwrite"))
    assert same["coils"][0]["pose_mm"] == summary["coils"][0]["pose_mm"]
    result = run(*arguments, "--allow-intersection", "--overwrite")
    assert result.code == 2 and "inside the head" in result.err and "leave out --allow-intersection" in result.err
    result = run("simulate", head, "--coil", bent, "--matrix", files["pose.txt"], "-o", tmp_path / "other", "--lift")
    assert result.code == 2 and "a matrix is taken as it is" in result.err
