"""Killed at any step of its work, a study goes on and ends in the same bytes."""

import os
import signal
import sys

import processes
import pytest
from processes import (
    dask_cluster,
    finish,
    go_on,
    kill,
    kill_group,
    killed_at,
    run,
    start,
    times_done,
    values_of,
    wait_for_waiting,
    waiting_from,
    written,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes by /proc")

# for each of two heads and two coils 8 blocks of 9 cases
STUDY = """
name: to be killed
heads: [{name: small, sphere: [70, 85]}, {name: large, sphere: [75, 90]}]
coils: [c1.ccd, c2.ccd]
places: [[0, 0, 90], [20, 0, 86], [0, 20, 86], [-20, 0, 86], [0, -20, 86], [14, 14, 86], [-14, 14, 86], [14, -14, 86]]
towards: [0, 60, 60]
angles: {from: 0, to: 320, step: 40}
distances_mm: 5
options: {size_mm: 18}
results: {tissues: [gm, scalp]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return written(tmp_path_factory, STUDY)


@pytest.fixture(scope="module")
def undisturbed(study):
    return processes.undisturbed(study, workers=2)


def resumed(study, out, *more):
    code, _, err = run("run", study, "-o", out, "--resume", "--quiet", *more)
    assert code == 0, err


def check_same(out, undisturbed, killed):
    assert values_of(out) == values_of(undisturbed)
    assert (out / "results.csv").read_bytes() == (undisturbed / "results.csv").read_bytes()
    # two blocks of each of two workers may have been in flight at each kill
    again = sum(count - 1 for count in times_done(out).values())
    assert again <= 4 * killed
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_client_and_workers_killed_again_and_again(study, undisturbed, tmp_path, kills):
    out = tmp_path / "out"
    for number in range(kills):
        words = ["--resume"] if number else []
        folder = tmp_path / f"steps-{number}"
        environment = waiting_from(folder, 1 + number % 2)
        process = start("run", study, "-o", out, "--workers", 2, "--quiet", *words, env=environment)
        wait_for_waiting(folder, process)
        if number % 4 == 1:
            kill(process.pid)  # the client alone: its workers must notice
            go_on(folder)
            finish(process)
        else:
            kill_group(process)
    resumed(study, out, "--workers", 2)
    check_same(out, undisturbed, kills)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_workers_killed_again_and_again(study, undisturbed, tmp_path, kills):
    out, folder = tmp_path / "out", tmp_path / "steps"
    steps = range(2, 2 + 2 * kills, 2)
    code, _, err = run("run", study, "-o", out, "--workers", 2, "--quiet", env=killed_at(folder, steps))
    assert code == 0, err
    assert len(list(folder.glob("step-*"))) >= max(steps)  # each of them has come
    check_same(out, undisturbed, kills)


# A scheduler that goes away leaves its workers time to end and to commit what they have in hand: more blocks, for
# enough of them to be left at the last kill.
LONG = STUDY.replace("[c1.ccd, c2.ccd]", "[c1.ccd, c2.ccd, c3.ccd, c4.ccd, c5.ccd]")


@pytest.mark.slow
def test_schedulers_and_all_processes_killed_again_and_again(tmp_path_factory, tmp_path):
    study, out, kills = written(tmp_path_factory, LONG), tmp_path / "out", 20
    undisturbed = processes.undisturbed(study, workers=2)
    for number in range(kills):
        folder = tmp_path / f"cluster-{number}"
        words = ["--resume"] if number else []
        environment = waiting_from(folder, 1 + number % 3)
        with dask_cluster(folder, env=environment) as (scheduler, file):
            client = start("run", study, "-o", out, "--scheduler-file", file, "--quiet", *words)
            wait_for_waiting(folder, client)
            if number % 2:
                kill(scheduler.pid)
                go_on(folder)
                code, _, err = finish(client)
                assert code == 3 and "the Dask scheduler went away" in err and "Traceback" not in err
            else:
                kill_group(client)  # and the others, as the block ends
    resumed(study, out, "--workers", 2)
    check_same(out, undisturbed, kills)


def test_a_run_of_a_complete_study_does_nothing(study, undisturbed):
    before = times_done(undisturbed)
    resumed(study, undisturbed)
    assert times_done(undisturbed) == before


def test_a_broken_connection_leaves_nothing_half_done(study, undisturbed, tmp_path):
    """As terminals do it: everybody in the process group gets a SIGHUP."""
    out, scratch, folder = tmp_path / "out", tmp_path / "scratch", tmp_path / "steps"
    scratch.mkdir()
    environment = {"TMPDIR": str(scratch)} | waiting_from(folder, 5)
    process = start("run", study, "-o", out, "--workers", 2, "--quiet", env=environment)
    wait_for_waiting(folder, process)
    assert list(scratch.glob(".femtms-*"))
    os.killpg(process.pid, signal.SIGHUP)
    go_on(folder)
    code, _, err = finish(process)
    assert code == 130 and "femtms run --resume goes on from there" in err and "Traceback" not in err, err
    assert not list(out.rglob("*.partial")) and not list(out.rglob(".femtms-*")) and not list(scratch.iterdir())
    resumed(study, out)
    check_same(out, undisturbed, 1)
