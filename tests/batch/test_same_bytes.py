"""The numbers of a study are the same bytes whatever the threads, and however many positions are solved together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from batch.small_study import small_coil

SCRIPT = """
import hashlib, sys
from dataclasses import replace
from batch.small_study import small_design
from femtms.batch.solve import set_up, solve_cases
from femtms.study.design import StudyOption, StudyResults
from femtms.study.plan import Plan

results = StudyResults(
    tissues=("gm", "bone"), targets={"M1": "C3"}, target_radius_mm=12.0, fields=("gm-nodes", "whole")
)
options = (StudyOption("1", 14.0), StudyOption("2", 14.0, order=2), StudyOption("r", 14.0, recovery="harmonic"))
design = small_design(sys.argv[1], options=options, results=results)
setup, hashed = None, hashlib.sha256()
for index in range(len(Plan.of(design))):
    block = Plan.of(design).block(index)
    setup = set_up(design, block.group, "cpu", previous=setup)
    solved = solve_cases(setup, design, block, at_a_time=int(sys.argv[2]))
    assert not solved.failures
    for values in (solved.values, *solved.fields.values()):
        hashed.update(values.tobytes())
print(hashed.hexdigest())
"""


def bytes_of(coil, threads, at_a_time):
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    counts = {name: str(threads) for name in ("FEMTMS_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, coil, str(at_a_time)],
        env=os.environ | counts | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.parametrize("threads, at_a_time", [(1, 12), (2, 5)])
def test_threads_and_blocks_change_no_bit(tmp_path, threads, at_a_time):
    coil = small_coil(tmp_path / "patches.ccd")
    assert bytes_of(coil, threads, at_a_time) == bytes_of(coil, 3 - threads, 1)
