"""JSON of a folder of results that somebody, or a broken disk, has changed: a sentence, whatever stands there."""

import copy
import json
import re
from shutil import copytree

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from femtms import LayeredSphere, mesh_head, place
from femtms.batch.cluster import ClusterChoice
from femtms.batch.run import run_study
from femtms.compare import compare
from femtms.io.sweeps import PARTIAL
from femtms.simulate import simulate
from femtms.sweep import sweep

ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J"
SMALL = ("--radii", "60,70", "--size", "20", "--device", "cpu")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([ESCAPES, "[bold]x[/bold]", "\ud800", "1e400", 10**400, -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


STUDY = """
heads: [{name: ball, sphere: [60, 70]}]
coils: [figure8-70mm]
places: [[0, 0, 70], [20, 0, 67]]
towards: [0, 50, 50]
distances_mm: 5
options: {size_mm: 20}
results: {tissues: [gm]}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Results of each kind, and the folder of the study."""
    out = tmp_path_factory.mktemp("results")
    ball = LayeredSphere((60, 70))
    at = {"at": (0.0, 0.0, 70.0), "towards": (0.0, 50.0, 50.0)}
    simulate(ball, "figure8-70mm", out / "simulate", **at, size_mm=20.0, device="cpu")
    mesh = mesh_head(ball, 20.0)
    pose = place(mesh, at["at"], at["towards"])
    sweep(ball, "figure8-70mm", [pose], out / "sweep", size_mm=20.0, device="cpu")
    compare(ball, ["figure8-70mm"], out / "compare", at=[at["at"]], size_mm=20.0, device="cpu")
    (out / "study.yaml").write_text(STUDY)
    run_study(out / "study.yaml", out / "run", cluster=ClusterChoice(workers=1, device="cpu"))
    return out


RESULTS = {"simulate": "summary.json", "sweep": "sweep.json", "compare": "comparison.json"}


def paths_of(value, path=()):
    """The places of all values in nested JSON."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_of(value[key], (*path, key))


def changed(content, path, value):
    """The content with another value at a place; without the place where that is None in a mapping."""
    if not path:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def without(content, path):
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return content


def ended_well(result):
    """All is printed, or a sentence says why not; nothing reaches the terminal that it would obey."""
    assert result.code in (0, 2), result
    assert "Traceback" not in result.err and "unexpected" not in result.err, result
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]*", result.out + result.err), result
    if result.code == 2:
        assert result.out == "" and result.err.startswith("femtms: error: ") and result.err.count("\n") == 1, result


@pytest.mark.parametrize("kind", RESULTS)
@examples(60)
@given(data=st.data())
def test_info_ends_in_a_sentence_whatever_is_changed(kind, data, folders, run, tmp_path_factory):
    content = json.loads((folders / kind / RESULTS[kind]).read_text())
    path = data.draw(st.sampled_from(sorted(paths_of(content), key=repr)))
    damaged = without(content, path) if path and data.draw(st.booleans()) else changed(content, path, data.draw(JSON))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / RESULTS[kind]).write_text(json.dumps(damaged))
    ended_well(run("info", folder))
    ended_well(run("info", folder, "--json"))


NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "torn": b'{"inputs": {',
    "no text": b"\xff\xfe\x00{",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "not a number": b'{"mean": NaN}',
    "infinite": b'{"mean": 1e400}',
    "a long number": b'{"mean": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "twice": b'{"inputs": 1, "inputs": 2}',
    "a list": b"[1, 2]",
    "text": b'"summary"',
    "null": b"null",
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_result_is_told_everywhere(content, folders, run, tmp_path):
    for kind, name in RESULTS.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_bytes(content)
        result = run("info", tmp_path / kind)
        ended_well(result)
        assert result.code == 2 and name in result.err
    study = copytree(folders / "run", tmp_path / "run")
    (study / "study.json").write_bytes(content)
    for command in (("status", study), ("report", study, "--overwrite", "-q")):
        result = run(*command)
        ended_well(result)
        assert result.code == 2 and "study.json" in result.err
    (study / "study.json").write_bytes((folders / "run" / "study.json").read_bytes())
    (study / "run.json").write_bytes(content)  # of no importance
    assert run("status", study).code == 0


def test_a_folder_in_the_place_of_a_file_is_told(run, tmp_path):
    for name in (*RESULTS.values(), "study.json"):
        (tmp_path / name).mkdir()
    for command in ("info", "status", "report"):
        result = run(command, tmp_path)
        ended_well(result)
        assert result.code == 2


@examples(80)
@given(data=st.data())
def test_status_ends_in_a_sentence_whatever_is_changed(data, folders, run, tmp_path_factory):
    study = copytree(folders / "run", tmp_path_factory.mktemp("damaged") / "run")
    journal = next((study / "journal").glob("*.jsonl"))
    name = data.draw(
        st.sampled_from(["study.json", "run.json", "results.zarr/zarr.json", "results.zarr/values/zarr.json"])
    )
    file = data.draw(st.sampled_from([study / name, journal]))
    if file == journal:
        lines = file.read_text().splitlines()
        number = data.draw(st.integers(0, len(lines) - 1))
        line = json.loads(lines[number])
        path = data.draw(st.sampled_from(sorted(paths_of(line), key=repr)))
        lines[number] = json.dumps(changed(line, path, data.draw(JSON)))
        file.write_text("\n".join(lines) + "\n")
    else:
        content = json.loads(file.read_text())
        path = data.draw(st.sampled_from(sorted(paths_of(content), key=repr)))
        file.write_text(json.dumps(changed(content, path, data.draw(JSON))))
    result = run("status", study)
    lines = [line for line in result.err.splitlines() if "they are left out" not in line]
    ended_well(type(result)(result.code, result.out, "".join(line + "\n" for line in lines)))


def test_no_escape_sequence_reaches_the_terminal(folders, run, tmp_path):
    for kind, name in RESULTS.items():
        content = json.loads((folders / kind / name).read_text())
        text = json.dumps(content).replace("figure8-70mm", json.dumps(ESCAPES)[1:-1]).replace("CPU", "[bold]")
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_text(text)
        result = run("info", tmp_path / kind)
        assert result.code == 0 and "red" in result.out and "[bold]" in result.out
        ended_well(result)


JUNK = [
    "{", "[]", "null", "1", '"x"', "\x00\x00", "[" * 10_000, '{"event": "done"}', '{"event": 3, "time": "x"}',
    '{"event": "done", "time": 1, "worker": "w", "block": 99999, "cases": 1, "failed": 1}',
    '{"event": "failed", "time": 1, "worker": "w", "failure": {"block": 0}}',
    '{"event": "failed", "time": 1, "worker": "w", "failure": {"block": "0", "case": [], "stage": 1, "reason": {}}}',
    '{"event": "begun", "time": -1e400, "worker": null, "block": -1, "cases": null}',
    json.dumps({"event": "failed", "time": 1.0, "worker": ESCAPES, "failure": dict.fromkeys(
        ("head", "conductivity", "option", "coil", "place"), ESCAPES) | {
            "block": 10**8, "case": None, "stage": ESCAPES, "reason": ESCAPES}}),
]  # fmt: skip


def test_no_line_of_a_journal_stops_a_resume(folders, run, tmp_path, caplog):
    study = copytree(folders / "run", tmp_path / "run")
    journal = next((study / "journal").glob("*.jsonl"))
    for file in (journal, study / "journal" / "foreign.jsonl", study / "failures.jsonl"):
        with open(file, "ab") as lines:
            lines.write("\n".join(JUNK).encode() + b"\n\xff\xfe\ntorn")
    next((study / "results.zarr" / "values").glob("c.*")).unlink()
    caplog.clear()
    summary = run_study(folders / "study.yaml", study, resume=True, cluster=ClusterChoice(workers=1, device="cpu"))
    assert summary["done"] == summary["cases"] and summary["failed"] == 0
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert any("foreign.jsonl" in line for line in told) and len(told) == len(set(told))
    for command in (("status", study), ("report", study, "-q", "--overwrite")):
        result = run(*command)
        assert result.code == 0 and "\x1b" not in result.out + result.err


def test_a_sweep_that_was_begun_with_anything_is_told(run, tmp_path):
    for number, content in enumerate(NO_JSON.values()):
        out = tmp_path / str(number)
        (out / PARTIAL).mkdir(parents=True)
        (out / PARTIAL / "inputs.json").write_bytes(content)
        poses = tmp_path / "poses.txt"
        poses.write_text("1 0 0 0 0 -1 0 0 0 0 -1 90 0 0 0 1\n")
        result = run("sweep", "sphere", "--coil", "figure8-70mm", "--poses", poses, "-o", out, *SMALL, "-q")
        ended_well(result)
        assert result.code == 2 and str(out) in result.err
