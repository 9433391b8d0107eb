"""Killed at random times, a study goes on and ends in the same bytes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import processes
import pytest
from processes import (
    begun,
    committed,
    dask_cluster,
    finish,
    kill,
    kill_group,
    run,
    start,
    times_done,
    values_of,
    wait_for,
    workers_of,
    written,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds worker processes by /proc")

# for each of two heads and two coils 8 blocks of 15 cases
STUDY = """
name: to be killed
heads: [{name: small, sphere: [70, 85]}, {name: large, sphere: [75, 90]}]
coils: [figure8-70mm, circular-70mm]
places: [[0, 0, 90], [20, 0, 86], [0, 20, 86], [-20, 0, 86], [0, -20, 86], [14, 14, 86], [-14, 14, 86], [14, -14, 86]]
towards: [0, 60, 60]
angles: {from: 0, to: 336, step: 24}
distances_mm: 5
options: {size_mm: 15}
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


def wait_for_more(count, out, before, process):
    """Until there are more of what is counted, or the run has ended."""
    wait_for(lambda: process.poll() is not None or count(out) > before)


def check_same(out, undisturbed, killed):
    assert values_of(out) == values_of(undisturbed)
    assert (out / "results.csv").read_bytes() == (undisturbed / "results.csv").read_bytes()
    # two blocks of each of two workers may have been in flight at each kill
    again = sum(count - 1 for count in times_done(out).values())
    assert again <= 4 * killed
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_client_and_workers_killed_again_and_again(study, undisturbed, tmp_path, kills):
    out, chance = tmp_path / "out", random.Random(kills)
    process = start("run", study, "-o", out, "--workers", 2, "--quiet")
    for _ in range(kills):
        before = begun(out)
        wait_for_more(begun, out, before, process)
        if chance.random() < 0.7:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.0, 0.8))
        if process.poll() is None and chance.random() < 0.3:
            kill(process.pid)  # the client alone: its workers must notice
            finish(process)
        else:
            kill_group(process)
        words = ["--resume"] if (out / "study.json").exists() else []
        process = start("run", study, "-o", out, "--workers", 2, "--quiet", *words)
    code, _, err = finish(process)
    if code:  # a kill that came while the study was made
        assert "resume" in err, err
        resumed(study, out)
    check_same(out, undisturbed, kills)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_workers_killed_again_and_again(study, undisturbed, tmp_path, kills):
    out, chance = tmp_path / "out", random.Random(kills)
    process = start("run", study, "-o", out, "--workers", 2, "--quiet")
    for _ in range(kills):
        before = committed(out)
        wait_for_more(committed, out, before, process)
        workers = workers_of(process.pid)
        if process.poll() is None and workers:
            kill(chance.choice(workers))
    code, _, err = finish(process)
    assert code == 0, err
    check_same(out, undisturbed, kills)


# A scheduler that goes away leaves its workers time to end and to commit what they have in hand: more blocks, for
# enough of them to be left at the last kill.
COILS = "[figure8-70mm, figure8-25mm, C-B60, circular-70mm, circular-90mm]"
LONG = STUDY.replace("[figure8-70mm, circular-70mm]", COILS)


@pytest.mark.slow
def test_schedulers_and_all_processes_killed_again_and_again(tmp_path_factory, tmp_path):
    study, out, chance, kills = written(tmp_path_factory, LONG), tmp_path / "out", random.Random(7), 20
    undisturbed = processes.undisturbed(study, workers=2)
    for kill_number in range(kills):
        folder = tmp_path / f"cluster-{kill_number}"
        folder.mkdir()
        words = ["--resume"] if (out / "study.json").exists() else []
        with dask_cluster(folder) as (scheduler, file):
            before = begun(out)
            client = start("run", study, "-o", out, "--scheduler-file", file, "--quiet", *words)
            wait_for_more(begun, out, before, client)
            time.sleep(chance.uniform(0.0, 0.5))
            assert client.poll() is None, f"nothing was left to do at kill {kill_number + 1} of {kills}"
            if chance.random() < 0.5:
                kill(scheduler.pid)
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
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    process = start("run", study, "-o", out, "--workers", 2, "--quiet", env={"TMPDIR": str(scratch)})
    wait_for(lambda: committed(out) > 1)
    assert list(scratch.glob(".femtms-*"))
    os.killpg(process.pid, signal.SIGHUP)
    code, _, err = finish(process)
    assert code == 130 and "femtms run --resume goes on from there" in err and "Traceback" not in err, err
    assert not list(out.rglob("*.partial")) and not list(out.rglob(".femtms-*")) and not list(scratch.iterdir())
    resumed(study, out)
    check_same(out, undisturbed, 1)
