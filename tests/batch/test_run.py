"""A study from begin to end on workers of this machine."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from designs import GREY, small_design

import femtms
from femtms import LayeredSphere, Simulator, load_coil, mesh_head
from femtms.batch.cluster import ClusterChoice
from femtms.batch.columns import DONE, FAILED
from femtms.batch.failures import read_failures, tell, write_failures
from femtms.batch.journal import read_events
from femtms.batch.poses import pose_of
from femtms.batch.run import LOCK, run_study
from femtms.batch.status import study_status
from femtms.batch.store import Store
from femtms.errors import FemtmsError
from femtms.io.files import only_one
from femtms.study.design import StudyCoil, StudyHead, StudyPlace

ONE = ClusterChoice(workers=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two coils, three places and two angles, and its summary."""
    out = tmp_path_factory.mktemp("study") / "out"
    design = small_design(coils=("figure8-70mm", "circular-70mm"))
    return out, design, run_study(design, out, cluster=ONE)


def test_all_cases_are_done(finished):
    out, design, summary = finished
    assert summary["cases"] == summary["done"] == design.cases == 12
    assert summary["failed"] == summary["not_done"] == 0
    assert (Store.open(out).states() == DONE).all()
    assert read_failures(out) == []


def test_the_numbers_are_those_of_a_loop(finished):
    out, design, _ = finished
    store = Store.open(out)
    mesh = mesh_head(LayeredSphere(design.heads[0].radii_mm), design.options[0].size_mm)
    simulator = Simulator(mesh, design.conductivities[0].sigma)
    names = [column.name for column in store.columns]
    for index in range(len(store.plan)):
        block = store.plan.block(index)
        coil = load_coil(design.coils[block.key[3]].source)
        poses = [
            pose_of(mesh, design.places[p], design.angles[a], design.distances_mm[d], coil)
            for p, a, d in block.positions
        ]
        for row, result in zip(store.values(block), simulator.sweep(coil, poses, tissues=["gm"])):
            found = dict(zip(names, row))
            assert found["gm_p99_9_V_per_m"] == result.tissues["gm"].p99_9
            assert found["gm_estimated_relative_error"] == result.tissues["gm"].error
            assert found["iterations"] == result.iterations
            assert [found[f"pose_{i}3"] for i in range(3)] == result.pose.matrix[:3, 3].tolist()


def test_the_journal_says_which_worker_did_what(finished):
    out, _, _ = finished
    events = list(read_events(out))
    begun = sorted(event["block"] for event in events if event["event"] == "begun")
    done = sorted(event["block"] for event in events if event["event"] == "done")
    assert begun == done == list(range(len(Store.open(out).plan)))


def test_a_second_study_in_the_same_folder_is_refused(finished):
    out, design, _ = finished
    with pytest.raises(FemtmsError, match="holds a study already; go on with it by --resume"):
        run_study(design, out, cluster=ONE)


def test_another_study_cannot_be_gone_on_with(finished):
    out, design, _ = finished
    with pytest.raises(FemtmsError, match=r"other inputs.*angles"):
        run_study(replace(design, angles=(0.0, 45.0)), out, resume=True, cluster=ONE)


def test_two_runs_in_one_folder_are_refused(finished):
    out, design, _ = finished
    with only_one(out / LOCK, "held"):
        with pytest.raises(FemtmsError, match="another femtms run is at work in this folder"):
            run_study(design, out, resume=True, cluster=ONE)
        assert study_status(out)["running"] is True
    assert study_status(out)["running"] is False


def test_status_of_a_complete_study(finished):
    out, _, _ = finished
    status = study_status(out)
    assert (status["cases"], status["done"], status["failed"], status["left"]) == (12, 12, 0, 0)
    assert status["blocks"] == status["blocks_done"]


def test_resume_does_what_is_missing_and_nothing_else(tmp_path):
    design = small_design(coils=("figure8-70mm", "circular-70mm", "double-cone"), distances_mm=(20.0,))
    run_study(design, tmp_path / "a", cluster=ONE)
    store = Store.open(tmp_path / "a")
    before = [store.values(store.plan.block(i)) for i in range(len(store.plan))]
    csv = (tmp_path / "a" / "results.csv").read_bytes()
    store._file(store.plan.block(1)).unlink()
    damaged = store._file(store.plan.block(2))
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"corrupted")
    summary = run_study(design, tmp_path / "a", resume=True, cluster=ONE)
    assert summary["cases_in_this_run"] == len(store.plan.block(1)) + len(store.plan.block(2))
    after = [store.values(store.plan.block(i)) for i in range(len(store.plan))]
    np.testing.assert_array_equal(before, after)
    assert (tmp_path / "a" / "results.csv").read_bytes() == csv


def test_fields_that_are_damaged_are_computed_again_where_they_are_looked_at(tmp_path):
    design = small_design(results=replace(GREY, fields=("gm-nodes",)))
    out = tmp_path / "out"
    run_study(design, out, cluster=ONE)
    (E,) = (out / "results.zarr").glob("fields/*/*/E")
    before = {path.name: path.read_bytes() for path in E.glob("c.*")}
    assert len(before) == design.cases
    damaged = sorted(before)[0]
    (E / damaged).write_bytes(before[damaged][:-1])
    with pytest.raises(FemtmsError, match="`femtms run --resume --check-fields` computes it again"):
        femtms.open_fields(out, "ball")["gm-nodes"].load()
    with pytest.raises(FemtmsError, match="--check-fields goes with --resume"):
        run_study(design, tmp_path / "other", check_fields=True, cluster=ONE)
    assert run_study(design, out, resume=True, cluster=ONE)["cases_in_this_run"] == 0
    block = len(Store.open(out).plan.block(0))
    assert run_study(design, out, resume=True, check_fields=True, cluster=ONE)["cases_in_this_run"] == block
    assert {path.name: path.read_bytes() for path in E.glob("c.*")} == before


def test_one_bad_head_coil_or_place_does_not_cost_the_others(tmp_path):
    bad_coil = tmp_path / "nan.ccd"
    bad_coil.write_text("# number of elements\n2\n0 0 0 0 0 nan\n0 0 0.01 0 0 1\n")
    bad_head = tmp_path / "head.nii.gz"
    bad_head.write_bytes(b"not a volume")
    design = small_design()
    design = replace(
        design,
        heads=(*design.heads, StudyHead("broken", str(bad_head))),
        coils=(*design.coils, StudyCoil("broken", str(bad_coil))),
        places=(*design.places, StudyPlace("inside", at=(0.0, 0.0, 10.0), towards=(0.0, 30.0, 10.0))),
    )
    summary = run_study(design, tmp_path / "out", cluster=ONE)
    states = Store.open(tmp_path / "out").states()[:, 0, 0, :, :, :, 0]
    assert (states[0, 0, :3] == DONE).all()
    assert (states[0, 0, 3] == FAILED).all() and (states[0, 1] == FAILED).all() and (states[1] == FAILED).all()
    assert summary["done"] == 6 and summary["failed"] == design.cases - 6 and summary["not_done"] == 0
    lines = read_failures(tmp_path / "out")
    assert {(line["head"], line["coil"], line["place"], line["stage"]) for line in lines} == {
        ("ball", "broken", None, "coil"),
        ("ball", "figure8-70mm", "inside", "pose"),
        ("broken", "figure8-70mm", None, "head"),
        ("broken", "broken", None, "head"),
    }
    assert all(line["reason"] for line in lines)
    again = run_study(design, tmp_path / "out", resume=True, cluster=ONE)
    assert again["cases_in_this_run"] == 0 and again["failed"] == summary["failed"]
    retried = run_study(design, tmp_path / "out", resume=True, retry_failed=True, cluster=ONE)
    assert retried["cases_in_this_run"] > 0 and retried["failed"] == summary["failed"]
    assert read_failures(tmp_path / "out") == lines


def test_overwrite_throws_a_study_away(tmp_path):
    run_study(small_design(places=((0, 0),)), tmp_path / "out", cluster=ONE)
    other = small_design(places=((20, 0),), angles=(0.0,))
    summary = run_study(other, tmp_path / "out", overwrite=True, cluster=ONE)
    assert summary["done"] == 1
    assert len(list(read_events(tmp_path / "out"))) == 2


def test_what_is_not_of_a_study_stays(tmp_path):
    (tmp_path / "results.csv").write_text("mine")
    with pytest.raises(FemtmsError, match=r"has results\.csv already"):
        run_study(small_design(), tmp_path, cluster=ONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv"]


def test_resume_without_a_study_is_refused(tmp_path):
    with pytest.raises(FemtmsError, match="there is no study to go on with"):
        run_study(small_design(), tmp_path / "none", resume=True, cluster=ONE)
    assert not (tmp_path / "none").exists()


def test_a_study_in_python_and_threads(tmp_path):
    """From a thread that is not the main one, as in a notebook or a server."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_study(small_design(places=((0, 0),)), tmp_path / "out", cluster=ONE))
    )
    thread.start()
    thread.join()
    assert found[0]["done"] == 2


def test_provenance_is_kept(finished):
    out, _, _ = finished
    study = json.loads((out / "study.json").read_text())
    assert study["provenance"]["seeds"] == "none are used"
    assert study["provenance"]["versions"]["femtms"]


def test_a_study_goes_on_only_on_the_kind_of_device_it_was_begun_on(tmp_path):
    design = small_design(places=((0, 0),))
    run_study(design, tmp_path / "out", cluster=ONE)
    study = tmp_path / "out" / "study.json"
    content = json.loads(study.read_text())
    assert content["provenance"]["device_kind"] == "cpu" and content["provenance"]["device"]
    content["provenance"]["device_kind"] = "cuda"
    study.write_text(json.dumps(content))
    store = Store.open(tmp_path / "out")
    store._file(store.plan.block(0)).unlink()
    with pytest.raises(FemtmsError, match=r"begun on cuda, and must go on there; the workers compute on CPU"):
        run_study(design, tmp_path / "out", resume=True, cluster=ONE)


def test_the_last_word_on_a_failure_counts(tmp_path):
    (tmp_path / "journal").mkdir()
    line = {"block": 0, "stage": "solve", "reason": "…"}
    tell(tmp_path, [line | {"case": None, "stage": "write"}, line | {"case": 1}, line | {"case": 0}])
    states = np.array([FAILED, FAILED, DONE])
    assert [told["case"] for told in write_failures(tmp_path, lambda block: states)] == [0, 1]
    tell(tmp_path, [line | {"case": None, "stage": "head"}])
    assert [told["stage"] for told in write_failures(tmp_path, lambda block: states * 0 + FAILED)] == ["head"]
    assert write_failures(tmp_path, lambda block: states * 0 + DONE) == []
