"""Workers that end, disks that are full, mistakes: the rest goes on, the exit code and failures.jsonl say so."""

import os
import subprocess
import textwrap

import numpy as np
import pytest
from processes import preloaded, run, undisturbed, values_of, written

from femtms.batch.columns import DONE, FAILED, NOT_DONE
from femtms.batch.failures import read_failures
from femtms.batch.store import Store

STUDY = """
name: with faults
heads: [{name: ball, sphere: [70, 85]}, {name: larger, sphere: [75, 90]}]
coils: [c1.ccd]
places: [[0, 0, 88], [20, 0, 85], [0, 20, 85]]
towards: [0, 60, 60]
angles: {from: 0, to: 350, step: 10}
distances_mm: 8
options: {size_mm: 18}
results: {tissues: [gm]}
"""
CASES = 16  # of a block, or 4: three blocks of a place, nine of a head; block 1 has the first place, angles 160 to 310


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return written(tmp_path_factory, STUDY)


@pytest.fixture(scope="module")
def expected(study):
    return values_of(undisturbed(study))


@pytest.fixture
def with_fault(study, tmp_path):
    """Runs the study with a piece of code that every worker takes in as it starts."""

    def run_with(code, *more):
        # Dask takes it in twice
        once = "import femtms.batch.worker as worker\nfrom femtms.batch.store import Store\n"
        body = textwrap.indent(textwrap.dedent(code), "    ")
        fault = f"{once}if not hasattr(worker, 'faulty'):\n    worker.faulty = True\n{body}"
        environment = preloaded(tmp_path / "fault.py", fault)
        return run("run", study, "-o", tmp_path / "out", "--workers", 1, "--quiet", *more, env=environment)

    return run_with


def states_of(out):
    """(heads, places, angles)."""
    return Store.open(out).states()[:, 0, 0, 0, :, :, 0]


def test_a_case_that_ends_its_workers_is_found_and_the_others_are_done(with_fault, expected, tmp_path):
    code, _, err = with_fault(
        """
        import os, signal
        solve = worker.solve_cases
        def dies_of_case_5_of_block_1(setup, design, block, cases=None, *more):
            if block.index == 1 and 5 in cases:
                os.kill(os.getpid(), signal.SIGKILL)
            return solve(setup, design, block, cases, *more)
        worker.solve_cases = dies_of_case_5_of_block_1
        """
    )
    assert code == 3, err
    states = states_of(tmp_path / "out")
    assert states[0, 0, CASES + 5] == FAILED
    assert np.count_nonzero(states == DONE) == states.size - 1
    [line] = read_failures(tmp_path / "out")
    assert (line["block"], line["case"], line["angle"], line["stage"]) == (1, 5, 210.0, "worker")
    assert "memory" in line["reason"]
    found = values_of(tmp_path / "out")
    assert [i for i, (a, b) in enumerate(zip(found, expected)) if a != b] == [1]
    rows = [np.frombuffer(values[1]).reshape(CASES, -1) for values in (found, expected)]
    np.testing.assert_array_equal(*(np.delete(row, 5, axis=0) for row in rows))


@pytest.mark.slow
def test_blocks_too_large_for_memory_are_solved_in_parts(with_fault, expected, tmp_path):
    code, _, err = with_fault(
        """
        import os, signal
        solve = worker.solve_cases
        def dies_of_many(setup, design, block, cases=None, *more):
            if len(cases) > 5 and block.index == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return solve(setup, design, block, cases, *more)
        worker.solve_cases = dies_of_many
        """
    )
    assert code == 0, err
    assert values_of(tmp_path / "out") == expected
    assert read_failures(tmp_path / "out") == []


@pytest.mark.slow
def test_a_head_that_ends_its_workers_fails_alone(with_fault, tmp_path):
    code, _, err = with_fault(
        """
        import os, signal
        set_up = worker.set_up
        def dies_of_the_second(design, group, *more):
            if group[0] == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return set_up(design, group, *more)
        worker.set_up = dies_of_the_second
        """
    )
    assert code == 3, err
    states = states_of(tmp_path / "out")
    assert (states[0] == DONE).all() and (states[1] == FAILED).all()
    lines = read_failures(tmp_path / "out")
    assert {line["head"] for line in lines} == {"larger"} and {line["stage"] for line in lines} == {"head"}


def test_a_disk_that_is_full_loses_nothing(with_fault, study, expected, tmp_path):
    code, _, err = with_fault(
        """
        import errno
        commit = Store.commit
        def full(self, block, *more):
            if block.index >= 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            commit(self, block, *more)
        Store.commit = full
        """
    )
    assert code == 3
    assert "No space left on device" in err and "Traceback" not in err
    states = states_of(tmp_path / "out")
    assert (states[0, 0, : 2 * CASES] == DONE).all() and (states == NOT_DONE).sum() == states.size - 2 * CASES
    lines = read_failures(tmp_path / "out")
    assert lines and {line["stage"] for line in lines} == {"write"}
    code, _, err = run("run", study, "-o", tmp_path / "out", "--resume", "--workers", 1, "--quiet")
    assert code == 0, err
    assert values_of(tmp_path / "out") == expected
    assert read_failures(tmp_path / "out") == []


def test_a_mistake_of_ours_costs_one_block(with_fault, study, expected, tmp_path):
    code, _, err = with_fault(
        """
        solve = worker.solve_cases
        def mistaken(setup, design, block, cases=None, *more):
            if block.index == 1:
                raise ZeroDivisionError("division by zero")
            return solve(setup, design, block, cases, *more)
        worker.solve_cases = mistaken
        """
    )
    assert code == 3, err
    states = states_of(tmp_path / "out")
    assert (states[0, 0, CASES : 2 * CASES] == NOT_DONE).all()
    assert np.count_nonzero(states == DONE) == states.size - CASES
    [line] = read_failures(tmp_path / "out")
    assert "unexpected ZeroDivisionError" in line["reason"]
    code, _, err = run("run", study, "-o", tmp_path / "out", "--resume", "--workers", 1, "--quiet")
    assert code == 0, err
    assert values_of(tmp_path / "out") == expected


@pytest.mark.slow
def test_an_error_while_a_block_is_tried_in_parts_costs_that_block(with_fault, tmp_path):
    code, _, err = with_fault(
        """
        import os, signal
        solve = worker.solve_cases
        def dies_of_all_and_is_mistaken(setup, design, block, cases=None, *more):
            if block.index == 1 and len(cases) == 16:
                os.kill(os.getpid(), signal.SIGKILL)
            if block.index == 1:
                raise ZeroDivisionError("division by zero")
            return solve(setup, design, block, cases, *more)
        worker.solve_cases = dies_of_all_and_is_mistaken
        """,
        *("--workers", 2),
    )
    assert code == 3, err
    states = states_of(tmp_path / "out")
    assert (states[0, 0, CASES : 2 * CASES] == NOT_DONE).all()
    assert np.count_nonzero(states == DONE) == states.size - CASES


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_small_disk_fills_up_and_the_study_goes_on_elsewhere(study, expected, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        code, _, err = run("run", study, "-o", disk / "out", "--workers", 1, "--quiet")
        assert code in (2, 3) and "Traceback" not in err, err
        begun = (disk / "out" / "study.json").exists()
        if begun:
            subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
            code, _, err = run("run", study, "-o", disk / "out", "--resume", "--workers", 1, "--quiet")
            assert code == 0, err
            assert values_of(disk / "out") == expected
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("where", ["/proc/study", "/dev/null/study"])
def test_an_output_that_cannot_be_written_is_told_before_anything_starts(study, where):
    code, _, err = run("run", study, "-o", where, "--quiet")
    assert code == 2 and where.rsplit("/", 1)[0] in err and "Traceback" not in err
