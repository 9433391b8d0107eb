"""The report of a study as its store, journal and list of failures have it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from batch.made_up_study import made_up_design, made_up_results

from femtms import FemtmsError
from femtms.batch.columns import FAILED
from femtms.batch.report import report_study
from femtms.batch.store import Store
from femtms.study.plan import Plan

PROVENANCE = {"femtms": "0.1.0", "device": "cpu", "inputs": {}, "seeds": "none are used"}


def stored(out, design, blocks=None):
    """A store with the made-up results of some blocks, or of all."""
    store = Store.create(out, design, Plan.of(design), PROVENANCE)
    study = made_up_results(design)
    for number in range(len(store.plan)) if blocks is None else blocks:
        block = store.plan.block(number)
        values = np.full((len(block), len(store.columns)), np.nan)
        for i, column in enumerate(store.columns):
            if column.variable in study:
                found = study[column.variable]
                where = {dim: getattr(column, dim) for dim in ("tissue", "target") if dim in found.dims}
                cases = found.sel(where).values[block.slices]
                values[:, i] = (cases if column.entry is None else cases[(..., *column.entry)]).ravel()
        store.commit(block, values)
    return store


@pytest.fixture
def design():
    return made_up_design(coils=("figure8-70mm", "double-cone"), angles=range(0, 180, 20))


def test_a_study_has_its_report_beside_its_results(tmp_path, design):
    stored(tmp_path / "out", design)
    summary = report_study(tmp_path / "out")
    assert summary["report"] == str(tmp_path / "out" / "report.html")
    assert (summary["done"], summary["failed"], summary["not_done"]) == (design.cases, 0, 0)
    largest = made_up_results(design)["target_field"].max().item()
    assert summary["largest"][0]["V_per_m"] == pytest.approx(largest, rel=1e-6)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'href="study.json"' in page and "none are used" in page
    with pytest.raises(FemtmsError, match="exists already"):
        report_study(tmp_path / "out")
    report_study(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == page


def test_a_study_that_still_runs_has_a_report_of_what_is_done(tmp_path, design):
    store = stored(tmp_path / "out", design, blocks=[0])
    summary = report_study(tmp_path / "out", tmp_path / "page.html")
    assert summary["done"] == len(store.plan.block(0)) == design.cases - summary["not_done"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "This study is not complete" in page and 'href="out/study.json"' in page
    assert not (tmp_path / "out" / "report.html").exists()


def test_failures_and_times_are_read_where_the_engine_writes_them(tmp_path, design):
    store = stored(tmp_path / "out", design, blocks=[0])
    block = store.plan.block(1)
    values = np.full((len(block), len(store.columns)), np.nan)
    values[:, 0] = FAILED
    store.commit(block, values)
    line = {"block": 1, "case": None, "stage": "coil", "reason": "made up to fail", "head": "sub-01"}
    line |= {"conductivity": "standard", "option": "standard", "coil": "figure8-70mm"}
    line |= {"place": None, "angle": None, "distance": None}
    (tmp_path / "out" / "failures.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "out" / "journal").mkdir(exist_ok=True)
    event = {"event": "done", "block": 0, "cases": len(store.plan.block(0)), "seconds": 4.0, "worker": "node7-42"}
    (tmp_path / "out" / "journal" / "node7-42.jsonl").write_text(json.dumps(event) + '\n{"event": "do')
    summary = report_study(tmp_path / "out")
    assert summary["failed"] == len(block)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "made up to fail" in page and "node7-42" in page and "no reason is recorded" not in page


@pytest.mark.parametrize("what", ["nothing", "folder", "file"])
def test_what_is_no_study_is_refused_in_a_sentence(tmp_path, what):
    out = tmp_path / "out"
    if what == "folder":
        out.mkdir()
    elif what == "file":
        out.write_text("")
    with pytest.raises(FemtmsError, match="must be the folder of a study"):
        report_study(out, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def run(*arguments):
    command = [sys.executable, "-m", "femtms.cli.main", "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_line_says_what_came_out(tmp_path, design):
    stored(tmp_path / "out", design)
    done = run(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"hotspot search: {design.cases} of {design.cases} cases done, 0 failed"
    assert lines[1].startswith("|E| at M1: at most ") and lines[-1].endswith("report.html")
    again = run(tmp_path / "out", "--json")
    assert again.returncode == 2 and "exists already" in again.stderr and again.stdout == ""
    again = run(tmp_path / "out", "--json", "--overwrite", "--out", tmp_path / "other.html")
    assert json.loads(again.stdout)["report"] == str(tmp_path / "other.html")
    assert (tmp_path / "other.html").exists()
