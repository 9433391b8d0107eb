"""The formula of a worker's memory."""

import subprocess
import sys

import pytest

from femtms.batch.memory import positions_at_a_time, worker_bytes

SCRIPT = """
from femtms.batch.solve import set_up, solve_cases
from femtms.batch.memory import worker_bytes
from femtms.study.design import *
from femtms.study.plan import Plan

places = [StudyPlace(f"{u}", "C3", None, (float(u), 0.0)) for u in range(4)]
design = Design("", (StudyHead("c", "colin27"),), (StudyConductivity("s"),), (StudyOption("o", 20.0),),
    (StudyCoil("f", "figure8-70mm"),), places, (0.0,), (4.0,), StudyResults())
setup = set_up(design, (0, 0, 0), "cpu")
solved = solve_cases(setup, design, Plan.of(design).block(0), at_a_time=4)
assert not solved.failures
mesh = setup.mesh
# not ru_maxrss, which a child begins with that of its parent
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(1024 * int(peak.split()[1]), worker_bytes(len(mesh.nodes), len(mesh.tets), 1, 4))
"""


def test_more_memory_solves_more_together_and_never_more_than_it_holds():
    nodes, tets = 185_447, 932_914
    for order in (1, 2):
        for memory in (2**28, 2**30, 2**32, 2**34):
            fit = positions_at_a_time(memory, nodes, tets, order)
            assert fit == 0 or worker_bytes(nodes, tets, order, fit) <= memory
            assert worker_bytes(nodes, tets, order, fit + 1) > memory
            assert positions_at_a_time(memory, nodes, tets, order, kept_points=tets) <= fit
    assert positions_at_a_time(2**28, nodes, tets, 1) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_formula_holds_for_a_process():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured, formula = map(int, done.stdout.split())
    assert measured < 1.1 * formula and formula < 2 * measured
