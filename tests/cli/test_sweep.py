"""Many poses as a user runs them: the numbers are those of single solves, and nothing stops a sweep for good."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from femtms import LayeredSphere, Simulator, load_coil, mesh_head, place, read_mesh, read_poses
from femtms.io.sweeps import PARTIAL

from .small_files import said_no

RADII, SIZE = (66.0, 92.0), 15.0
HEAD = ("sphere", "--radii", "66,92", "--size", SIZE, "--coil", "figure8-70mm", "--device", "cpu")
PLACES = ("C3", "Fz", "T8", "Cz", "P4", "Oz", "C4", "F7", "P3", "Fp1", "CP3")


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere(RADII), SIZE)


@pytest.fixture(scope="module")
def poses_file(mesh, tmp_path_factory):
    path = tmp_path_factory.mktemp("poses") / "poses.npy"
    np.save(path, np.stack([place(mesh, at, "O2").matrix for at in PLACES]))
    return path


@pytest.fixture
def arguments(poses_file):
    """arguments(out, more, …) -> the arguments of a sweep."""
    return lambda out, *more, poses=poses_file: ("sweep", *HEAD, "--poses", poses, "-o", out, *more)


@pytest.fixture(scope="module")
def whole(poses_file, tmp_path_factory):
    """The folder of a sweep that nobody stopped, with fields."""
    out = tmp_path_factory.mktemp("whole") / "deep" / "out"
    command = [sys.executable, "-m", "femtms.cli.main", "sweep", *map(str, HEAD), "--poses", poses_file, "-o", out]
    subprocess.run([*command, "--fields", "-q"], check=True, timeout=600)
    return out


def table(path):
    """Column -> values of a CSV file."""
    header, *rows = path.read_text().splitlines()
    return dict(zip(header.split(","), np.array([row.split(",") for row in rows], float).T, strict=True))


def content_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- the result ---------------------------------------------------------------------------------------------


def test_rows_are_the_summaries_of_single_solves(whole, mesh, poses_file):
    rows = table(whole / "sweep.csv")
    poses = read_poses(poses_file)
    np.testing.assert_array_equal(rows["pose"], np.arange(len(PLACES)))
    np.testing.assert_array_equal(np.column_stack([rows[f"{c}_mm"] for c in "xyz"]), [p.matrix[:3, 3] for p in poses])
    sim = Simulator(mesh, device="cpu")
    for i in (0, 5, 10):
        field = sim.solve(load_coil("figure8-70mm"), poses[i])
        assert (rows["iterations"][i], rows["residual"][i]) == (field.iterations, field.residual)
        for name, summary in field.summary().items():
            for column, value in {
                "mean_V_per_m": summary.mean,
                "median_V_per_m": summary.median,
                "p95_V_per_m": summary.p95,
                "p99_V_per_m": summary.p99,
                "p99_9_V_per_m": summary.p99_9,
                "peak_V_per_m": summary.peak,
                "focality_50_ml": summary.focality_50_ml,
                "focality_75_ml": summary.focality_75_ml,
                "peak_x_mm": summary.peak_mm[0],
                "peak_z_mm": summary.peak_mm[2],
            }.items():
                assert rows[f"{name}_{column}"][i] == value
        error = rows["gm_estimated_relative_error"][i]
        assert error == pytest.approx(field.relative_error("gm"), rel=1e-8) and 0.01 < error < 0.5
    assert list(rows)[-1] == "gm_estimated_relative_error"


def test_fields_are_those_of_single_solves_on_the_mesh_beside_them(whole, mesh, poses_file):
    assert sorted(p.name for p in whole.iterdir()) == ["fields", "mesh.vtu", "sweep.csv", "sweep.json"]
    assert sorted(p.name for p in (whole / "fields").iterdir()) == [f"pose_{i:05d}.npy" for i in range(len(PLACES))]
    beside = read_mesh(whole / "mesh.vtu")
    np.testing.assert_array_equal(beside.tets, mesh.tets)
    np.testing.assert_allclose(beside.nodes, mesh.nodes, atol=1e-9)
    np.testing.assert_array_equal(beside.tags, mesh.tags)
    E = np.load(whole / "fields" / "pose_00003.npy")
    expected = Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), read_poses(poses_file)[3]).E
    np.testing.assert_array_equal(E, expected.astype(np.float32))


def test_summary_says_what_was_computed_from_what(whole, mesh):
    summary = json.loads((whole / "sweep.json").read_text())
    assert (summary["poses"], summary["poses_in_these_seconds"]) == (len(PLACES), len(PLACES))
    assert summary["mesh"]["tets"] == len(mesh.tets)
    assert len(summary["inputs"]["poses"]["sha256"]) == 64
    assert set(summary["tissues"]) == {"gm", "scalp"} and summary["tissues"]["gm"]["tag"] == 2
    assert summary["solver"]["operator_complexity"] > 1 and summary["seconds"]["sweep"] > 0
    assert "CPU" in summary["device"] and summary["versions"]["femtms"]
    errors = table(whole / "sweep.csv")["gm_estimated_relative_error"]
    expected = {"tissue": "gm", "median": np.median(errors), "largest": errors.max()}
    assert summary["estimated_relative_error"] == expected


def test_a_sweep_without_grey_matter_has_no_error(arguments, run, tmp_path):
    result = run(*arguments(tmp_path / "out", "--tissue", "scalp"))
    assert result.code == 0 and "estimated error" not in result.out
    assert "error" not in (tmp_path / "out" / "sweep.csv").read_text().splitlines()[0]
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["estimated_relative_error"] is None


def test_quadratic_sweeps_say_so_and_how_wrong_they_are(arguments, run, tmp_path):
    result = run(*arguments(tmp_path / "out", "--tissue", "gm", "--order", "2"))
    assert result.code == 0 and "estimated error of E in gm: " in result.out and "(quadratic elements)" in result.out
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["solver"]["order"] == 2


def test_info_knows_a_sweep(whole, run, refused, tmp_path):
    assert "11 poses of figure8-70mm" in run("info", whole).out
    assert json.loads(run("info", whole, "--json").out) == json.loads((whole / "sweep.json").read_text())
    (tmp_path / "sweep.json").write_text("{}")
    refused("info", tmp_path, words=["sweep.json", "lacks inputs"])
    (tmp_path / "sweep.json").write_text("{")
    refused("info", tmp_path, words=["sweep.json", "JSON"])


def test_json_and_chosen_tissues(arguments, run, tmp_path):
    result = run(*arguments(tmp_path / "out", "--json", "--tissue", "gm", "--didt", "2e6"))
    assert result.code == 0, result
    assert list(json.loads(result.out)["tissues"]) == ["gm"]
    columns = (tmp_path / "out" / "sweep.csv").read_text().splitlines()[0].split(",")
    assert "gm_mean_V_per_m" in columns and not any(c.startswith("scalp") for c in columns)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["sweep.csv", "sweep.json"]


def test_a_complete_sweep_is_left_as_it_is(arguments, run, whole):
    before = content_of(whole)
    result = run(*arguments(whole, "--fields"))
    assert result.code == 0 and "complete already" in result.err
    assert str(whole) in result.out
    assert content_of(whole) == before


# --- stopped and gone on ------------------------------------------------------------------------------------


# Each run takes up the folder that the one before it has left.  They die in the middle of the n-th write of a field, a
# sum or a row, and before or after the n-th move of a file: the last two among the moves of the result.
DEATHS = ("before-move 1", "field 1", "row 2", "sum 3", "row 1", "field 4", "before-move 2", "after-move 3")
DIES = """
import itertools, os, signal, sys
from femtms.cli.main import main
from femtms.io import sweeps

write, move, steps = sweeps.write_all, os.replace, itertools.count(1)

def is_last(step):
    return step == kind and next(steps) == int(number)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def write_or_die(file, content):
    if is_last({"sweep.csv": "row", "sums.csv": "sum"}.get(os.path.basename(file.name), "field")):
        write(file, memoryview(content)[: len(content) // 2])
        die()
    write(file, content)

def move_or_die(source, target):
    if is_last("before-move"):
        die()
    move(source, target)
    if is_last("after-move"):
        die()

sweeps.write_all, os.replace = write_or_die, move_or_die
for death in sys.stdin.read().splitlines():
    kind, number = death.split()
    child = os.fork()
    if child == 0:
        main()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_killed_sweep_goes_on_and_ends_in_the_same_bytes(arguments, whole, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", DIES, *map(str, arguments(out, "--fields", "-q"))]
    runs = "\n".join([*DEATHS, "never 0"])
    done = subprocess.run(command, input=runs, capture_output=True, text=True, timeout=600)
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(DEATHS) + ["0"], done.stderr
    ours, theirs = content_of(out), content_of(whole)
    assert ours.pop("sweep.json") != theirs.pop("sweep.json")  # seconds
    leftovers = [name for name in ours if name.startswith(".femtms-")]  # temporary folders of killed moves
    assert {k: v for k, v in ours.items() if k not in leftovers and ".femtms-" not in k} == theirs


@pytest.fixture(scope="module")
def stopped_once(poses_file, tmp_path_factory):
    """What a sweep leaves that was interrupted after five poses, and how it ended."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    code = (
        "import signal, os, femtms.simulator as s, femtms.sweep as w\n"
        "s._LARGEST_BLOCK = 2\n"
        "row = w.row_of\n"
        "def five(i, r):\n"
        "    if i == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return row(i, r)\n"
        "w.row_of = five\n"
        "from femtms.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, "sweep", *map(str, HEAD), "--poses", poses_file, "-o", out]
    return out, subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A sweep that was interrupted after five poses."""
    return shutil.copytree(stopped_once[0], tmp_path / "stopped")


def test_an_interrupted_sweep_says_how_to_go_on(stopped_once):
    out, result = stopped_once
    assert result.returncode == 130 and result.stdout == ""
    *notes, sentence = result.stderr.splitlines()
    assert all("GB of memory" in note or note.endswith(" …") for note in notes)
    assert sentence == f"femtms: interrupted; {out} keeps what was computed: the same command goes on from there"
    assert [p.name for p in out.iterdir()] == [PARTIAL]
    assert len((out / PARTIAL / "sweep.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    "damage, left",
    [
        (lambda text: text, 5),
        (lambda text: text[:-1], 4),
        (lambda text: text[:-40], 4),
        (lambda text: text + text.splitlines()[2][:30], 5),
        (lambda text: text + b"\0" * 500, 5),
        (lambda text: text + b"\0" * 500 + b"\n1,2,3\n", 5),
        (lambda text: text.splitlines(keepends=True)[0], 0),
    ],
    ids=["whole lines", "no line break", "half a line", "a line begun", "zeros", "garbage", "no rows"],
)
def test_what_a_kill_leaves_of_a_line_is_computed_again(damage, left, stopped, whole, arguments, run):
    path = stopped / PARTIAL / "sweep.csv"
    path.write_bytes(damage(path.read_bytes()))
    result = run(*arguments(stopped, "--json"))
    assert result.code == 0, result
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES) - left
    assert (stopped / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()
    assert sorted(p.name for p in stopped.iterdir()) == ["sweep.csv", "sweep.json"]


def flipped(path, at, bit=1):
    content = bytearray(path.read_bytes())
    content[at] ^= bit
    path.write_bytes(content)


def other_digit(path):
    """Another number in row 3 of a table that looks as before."""
    lines = path.read_bytes().split(b"\n")
    words = lines[4].split(b",")
    words[1] = b"9" + words[1][1:]
    lines[4] = b",".join(words)
    path.write_bytes(b"\n".join(lines))


FIELD_3 = "fields/pose_00003.npy"
DAMAGE = {  # of what a sweep with fields has kept -> how many of its rows are sound
    "another digit in a row": (lambda p: other_digit(p / "sweep.csv"), 3),
    "a bit of a field": (lambda p: flipped(p / FIELD_3, 4000), 3),
    "a bit of a field's header": (lambda p: flipped(p / FIELD_3, 20), 3),
    "a torn field": (lambda p: os.truncate(p / FIELD_3, 1000), 3),
    "an empty field": (lambda p: os.truncate(p / FIELD_3, 0), 3),
    "a field of another shape": (lambda p: np.save(p / FIELD_3, np.zeros((4, 3), np.float32)), 3),
    "another pose's field": (lambda p: shutil.copy(p / "fields/pose_00002.npy", p / FIELD_3), 3),
    "a missing field": (lambda p: (p / FIELD_3).unlink(), 3),
    "a folder for a field": (lambda p: ((p / FIELD_3).unlink(), (p / FIELD_3).mkdir()), 3),
    "a bit of a sum": (lambda p: flipped(p / "sums.csv", 10), 0),
    "sums that are lost": (lambda p: (p / "sums.csv").write_bytes(b""), 0),
    "no sums, as earlier versions": (lambda p: (p / "sums.csv").unlink(), 0),
    "a damaged mesh": (lambda p: flipped(p / "mesh.vtu", 4000), 5),
}


@pytest.fixture(scope="module")
def stopped_with_fields(poses_file, tmp_path_factory):
    """A sweep that was interrupted after five poses, with fields."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    code = (
        "import signal, os, femtms.sweep as w\n"
        "row = w.row_of\n"
        "def five(i, r):\n"
        "    if i == 5: os.kill(os.getpid(), signal.SIGHUP)\n"
        "    return row(i, r)\n"
        "w.row_of = five\n"
        "from femtms.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, "sweep", *map(str, HEAD), "--poses", poses_file, "-o", out, "--fields"]
    assert subprocess.run(command, capture_output=True, timeout=600).returncode == 130
    return out


@pytest.mark.parametrize("damage, sound", DAMAGE.values(), ids=DAMAGE)
def test_rows_and_fields_that_are_not_what_was_written_are_computed_again(
    damage, sound, stopped_with_fields, whole, arguments, run, tmp_path
):
    out = shutil.copytree(stopped_with_fields, tmp_path / "out")
    damage(out / PARTIAL)
    result = run(*arguments(out, "--fields", "--json"))
    assert result.code == 0, result
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES) - sound
    ours, theirs = content_of(out), content_of(whole)
    assert {k: v for k, v in ours.items() if k != "sweep.json"} == {
        k: v for k, v in theirs.items() if k != "sweep.json"
    }


def test_what_is_computed_again_is_counted(stopped_with_fields, arguments, run, tmp_path):
    out = shutil.copytree(stopped_with_fields, tmp_path / "out")
    flipped(out / PARTIAL / FIELD_3, 4000)
    said = run(*arguments(out, "--fields")).err.replace("\n", " ")
    assert "2 of 5 rows are computed again, because number 3 or its field is not what was written" in said
    out = shutil.copytree(stopped_with_fields, tmp_path / "old")
    (out / PARTIAL / "sums.csv").unlink()
    said = run(*arguments(out, "--fields")).err.replace("\n", " ")
    assert "an earlier femtms kept its 5 rows without checksums; they are computed again" in said


@pytest.mark.parametrize("damage", ["sweep.csv", "fields/pose_00001.npy"])
def test_a_complete_sweep_that_is_damaged_is_told(damage, whole, arguments, refused, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    (out / damage).unlink() if damage.endswith("npy") else other_digit(out / damage)
    refused(*arguments(out, "--fields"), words=[damage, "--overwrite"])


def test_a_header_that_is_not_ours_is_refused(stopped, arguments, refused):
    path = stopped / PARTIAL / "sweep.csv"
    path.write_bytes(b"a,b\n1,2\n")
    refused(*arguments(stopped), words=["damaged", "--overwrite"])
    assert path.read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize(
    "more, words",
    [
        (["--didt", "2e6"], ["didt is 2000000.0, there it is 1000000.0"]),
        (["--rtol", "1e-5"], ["rtol"]),
        (["--size", "14"], ["size_mm is 14.0, there it is 15.0"]),
        (["--sigma", "bone=0.008"], ["sigma bone is 0.008"]),
        (["--tissue", "gm"], ["tissues"]),
        (["--fields"], ["fields is True, there it is False"]),
        (["--radii", "66,93"], ["head radii_mm"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_other_inputs_are_refused_with_what_differs(more, words, stopped, arguments, refused, whole):
    before = content_of(stopped)
    refused(*arguments(stopped, *more), words=["was begun there", "--overwrite", *words])
    assert content_of(stopped) == before


def test_other_poses_coil_and_version_are_refused(
    stopped, arguments, refused, poses_file, files, tmp_path, monkeypatch
):
    matrices = np.load(poses_file)
    matrices[3, 0, 3] += 1e-3
    np.save(tmp_path / "moved.npy", matrices)
    refused(*arguments(stopped, poses=tmp_path / "moved.npy"), words=["poses sha256"])
    refused(*arguments(stopped, "--coil", files[".ccd"]), words=["coil"])
    monkeypatch.setattr("femtms.sweep.version", lambda name: "0.0.1")
    refused(*arguments(stopped), words=["femtms is 0.0.1"])


def test_the_same_poses_in_another_file_go_on(stopped, arguments, run, poses_file, tmp_path, whole):
    (tmp_path / "copy.npy").write_bytes(poses_file.read_bytes())
    assert run(*arguments(stopped, "--json", poses=tmp_path / "copy.npy")).code == 0
    assert (stopped / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()


def test_overwrite_goes_on_with_the_same_inputs_and_begins_again_with_others(stopped, arguments, run):
    result = run(*arguments(stopped, "--overwrite", "--json"))
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES) - 5
    result = run(*arguments(stopped, "--overwrite", "--json", "--didt", "2e6"))
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES)
    assert table(stopped / "sweep.csv")["gm_mean_V_per_m"][0] > 0
    assert sorted(p.name for p in stopped.iterdir()) == ["sweep.csv", "sweep.json"]


def test_an_old_result_stays_until_the_new_one_is_complete(arguments, run, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for name, content in content_of(whole).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    before = content_of(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("femtms.sweep.finish", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(*arguments(out, "--overwrite", "--didt", "2e6")).code == 130
    assert {k: v for k, v in content_of(out).items() if not k.startswith(PARTIAL)} == before
    result = run(*arguments(out, "--overwrite", "--didt", "2e6", "--json"))
    assert json.loads(result.out)["poses_in_these_seconds"] == 0
    assert sorted(p.name for p in out.iterdir()) == ["sweep.csv", "sweep.json"]  # nothing of the old one
    np.testing.assert_allclose(
        table(out / "sweep.csv")["gm_mean_V_per_m"], 2 * table(whole / "sweep.csv")["gm_mean_V_per_m"], rtol=1e-5
    )


@pytest.mark.parametrize("last", range(1, 5))
def test_a_kill_among_the_final_moves_is_made_good(last, stopped, arguments, run, whole, monkeypatch):
    replace, moves = os.replace, []

    class Killed(BaseException):
        pass

    def dying(source, target):
        moves.append(target)
        if len(moves) == last:
            raise Killed
        replace(source, target)

    # as a kill would: nobody puts anything back
    def exchange(folder, out, names):
        for name in names:
            if (folder / name).exists():
                dying(folder / name, out / name)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("femtms.io.sweeps.exchange", exchange)
        with pytest.raises(Killed):
            run(*arguments(stopped))
    assert run(*arguments(stopped)).code == 0
    assert (stopped / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()
    assert sorted(p.name for p in stopped.iterdir()) == ["sweep.csv", "sweep.json"]


def test_a_lost_field_is_computed_again(arguments, run, whole, tmp_path):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("femtms.sweep.finish", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(*arguments(out, "--fields")).code == 130
    (out / PARTIAL / "fields" / "pose_00007.npy").unlink()
    result = run(*arguments(out, "--fields", "--json"))
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES) - 7
    ours, theirs = content_of(out), content_of(whole)
    del ours["sweep.json"], theirs["sweep.json"]
    assert ours == theirs


def test_a_signal_ends_in_one_sentence_and_the_sweep_goes_on(arguments, run, tmp_path, whole):
    out = tmp_path / "out"
    code = (
        "import time, femtms.sweep as w\n"
        "row = w.row_of\n"
        "def wait(i, r):\n"
        "    if i == 4: print('working', flush=True); time.sleep(600)\n"
        "    return row(i, r)\n"
        "w.row_of = wait\n"
        "from femtms.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments(out))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "working\n"
        said_no(run(*arguments(out)), "another femtms sweep is at work", str(out))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("femtms: interrupted; ") and "Traceback" not in said
    result = run(*arguments(out, "--json"))
    assert json.loads(result.out)["poses_in_these_seconds"] == len(PLACES) - 4
    assert (out / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()


# --- bad input ----------------------------------------------------------------------------------------------


def test_poses_inside_the_head_are_all_named_before_the_work_starts(arguments, refused, poses_file, tmp_path):
    matrices = np.load(poses_file)
    matrices[[4, 9], :3, 3] *= 0.6
    np.save(tmp_path / "deep.npy", matrices)
    refused(*arguments(tmp_path / "out", poses=tmp_path / "deep.npy"), words=["pose 4 of 11", "inside the head", "9"])
    assert not (tmp_path / "out").exists()


def test_bad_poses_and_options_are_refused_before_the_head_is_read(
    arguments, refused, poses_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("femtms.sweep.mesh_head", lambda *a: pytest.fail("the work has started"))
    matrices = np.load(poses_file)
    matrices[6, :3, 0] *= -1
    np.save(tmp_path / "mirrored.npy", matrices)
    out = tmp_path / "out"
    refused(*arguments(out, poses=tmp_path / "mirrored.npy"), words=["mirrored.npy", "pose 6", "left-handed"])
    refused(*arguments(out, poses=tmp_path / "missing.npy"), words=["no such file"])
    refused(*arguments(out, "--didt", "nan"), words=["didt"])
    refused(*arguments(out, "--rtol", "0"), words=["rtol"])
    refused(*arguments(out, "--sigma", "bone=-1"), words=["> 0"])
    refused(*arguments(out, "--tissue", "brian"), words=["brian"])
    refused(*arguments(out, "--device", "foo"), words=["foo"])
    (tmp_path / "file").write_text("mine")
    refused(*arguments(tmp_path / "file"), words=["must be a folder"])
    assert not out.exists()


def test_tissue_that_the_head_lacks_is_refused(arguments, refused, tmp_path):
    refused(*arguments(tmp_path / "out", "--tissue", "wm"), words=["gm, scalp", "not wm"])
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_kept(arguments, refused, tmp_path):
    (tmp_path / "sweep.csv").write_text("mine")
    refused(*arguments(tmp_path), words=["sweep.csv", "--overwrite"])
    (tmp_path / "sweep.csv").unlink()
    (tmp_path / "fields").mkdir()
    refused(*arguments(tmp_path, "--overwrite"), words=["fields", "not of a sweep"])
    assert [p.name for p in tmp_path.iterdir()] == ["fields"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_poses(poses_file, arguments, tmp_path):
    matrices = np.load(poses_file)
    peaks = []
    for k in (100, 400):
        np.save(tmp_path / f"{k}.npy", np.resize(matrices, (k, 4, 4)))
        code = (
            "import resource\nfrom femtms.cli.main import main\nmain()\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, *map(str, arguments(tmp_path / f"out{k}", "-q"))]
        command[command.index(str(poses_file))] = str(tmp_path / f"{k}.npy")
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
        assert len(table(tmp_path / f"out{k}" / "sweep.csv")["pose"]) == k
    print(peaks)
    assert peaks[1] < 1.03 * peaks[0]


COMPLETE = {
    "a flipped bit": lambda p: (p / FIELD_3).write_bytes(bytes([*(p / FIELD_3).read_bytes()[:-1], 1])),
    "a field cut off": lambda p: (p / FIELD_3).write_bytes((p / FIELD_3).read_bytes()[:50]),
    "another pose's field": lambda p: shutil.copy(p / "fields/pose_00002.npy", p / FIELD_3),
    "no mesh": lambda p: (p / "mesh.vtu").unlink(),
}


@pytest.mark.parametrize("damage", COMPLETE.values(), ids=COMPLETE)
def test_fields_and_mesh_of_a_complete_sweep_are_checked(damage, whole, arguments, refused, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    damage(out)
    refused(*arguments(out, "--fields"), words=["--overwrite to compute the sweep again"])


def test_a_partial_sweep_that_cannot_go_on_is_begun_again_by_overwrite(stopped, arguments, run, refused, whole):
    (stopped / PARTIAL / "sweep.csv").write_bytes(b"a,b\n1,2\n")
    refused(*arguments(stopped), words=["damaged", "--overwrite"])
    assert run(*arguments(stopped, "--overwrite")).code == 0
    assert (stopped / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()
