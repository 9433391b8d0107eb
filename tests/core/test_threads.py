"""Threads of the core: the same bits for any number, calls at once, fork, Ctrl-C, and no memory."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from kernels.test_kernels import series

from femtms import core
from femtms.kernels import cpu, launch, magnetic
from femtms.kernels.faces import face_neighbours

RANDOM = np.random.default_rng(3)
POINTS, SOURCES, VECTORS = (RANDOM.standard_normal((n, 3)) for n in (20_000, 300, 300))


def tets(n=30_000):
    """Random tetrahedra of four different nodes."""
    return np.argsort(RANDOM.random((n, 12)), axis=1)[:, :4].astype(np.int32) + RANDOM.integers(
        0, 900, (n, 1), np.int32
    )


TETS = tets()


def results():
    """Sums over rows, loops with memory of their own, and plain ones."""
    x, y = (np.random.default_rng(seed).standard_normal((50_000, 3)) for seed in (1, 2))
    starts, rows = cpu.incidence(TETS, 912)
    return [
        cpu.dipole_potential(POINTS, SOURCES, VECTORS),
        cpu.column_dots(x, y),
        cpu.harmonic_series(*series()),
        *cpu.stiffness(RANDOM_NODES, TETS, np.ones((len(TETS), 1)), starts, rows),
        face_neighbours(TETS[:5000], 912)[0],
    ]


RANDOM_NODES = RANDOM.standard_normal((912, 3))


@pytest.fixture
def any_threads():
    before = core.threads()
    yield
    core.set_threads(before)


def same(one, two):
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()


def test_any_number_of_threads_gives_the_same_bytes(any_threads):
    core.set_threads(1)
    alone = results()
    for count in (2, 5, 1, 40):
        core.set_threads(count)
        assert core.threads() == count
        same(results(), alone)
    with pytest.raises(ValueError, match="there must be 1 to 4096 threads; got 0"):
        core.set_threads(0)
    with pytest.raises(ValueError, match="there must be 1 to 4096 threads; got 4294967297"):
        core.set_threads(2**32 + 1)


def test_several_threads_of_python_call_at_once(any_threads):
    core.set_threads(3)
    expected, wrong = results(), []

    def work():
        try:
            for _ in range(5):
                same(results(), expected)
        except BaseException as error:
            wrong.append(error)

    def turn():
        for i in range(200):
            core.set_threads(1 + i % 4)
            time.sleep(0.001)

    callers = [threading.Thread(target=work) for _ in range(4)] + [threading.Thread(target=turn)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("steps", [1, 700_000, 10**9])
def test_portions_of_work_change_no_bit(monkeypatch, any_threads, steps):
    def found():
        return [
            cpu.current_potential(POINTS[:2000], SOURCES, VECTORS),
            magnetic.dipole_flux(POINTS[:2000], SOURCES, VECTORS),
            cpu.harmonic_series(*series()),
            cpu.dipole_potential(POINTS[:0], SOURCES, VECTORS),
            cpu.dipole_potential(POINTS[:7], SOURCES[:0], VECTORS[:0]),
        ]

    core.set_threads(1)
    whole = found()
    monkeypatch.setattr(launch, "_STEPS", steps)
    same(found(), whole)


# --- what happens to processes -----------------------------------------------------------------------------

START = """
import os, resource, signal, sys, threading, time
import numpy as np
from femtms import core
from femtms.kernels import cpu, magnetic
signal.signal(signal.SIGINT, signal.default_int_handler)
points, sources = np.random.default_rng(0).standard_normal((2, 20_000, 3))
def field():
    return cpu.dipole_potential(points, sources[:50], sources[50:100]).tobytes()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="only POSIX systems have this")


def run(code, **more):
    environment = os.environ | {"FEMTMS_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, env=environment, timeout=600, **more
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout.split()


FORK = """
expected = field()
{before}
child = os.fork()
if child == 0:
    # a process, and not a thread of the parent's, works in the child
    right = core.threads() == 4 and field() == expected and field() == expected
    os._exit(0 if right and {threads} else 1)
assert field() == expected
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
{after}
"""


@posix
def test_a_forked_process_has_threads_of_its_own():
    threads = "len(os.listdir('/proc/self/task')) == 4" if sys.platform == "linux" else "True"
    assert run(FORK.format(before="", threads=threads, after="")) == ["0"]


@posix
def test_a_process_forks_while_its_threads_work():
    before = """
going = [True]
def work():
    while going[0]: field()
worker = threading.Thread(target=work)
worker.start()
time.sleep(0.2)
"""
    assert run(FORK.format(before=before, threads="True", after="going[0] = False")) == ["0"]


# Work that many calls of the core do; the signal comes in the third one.
LONG = {
    "potential": "cpu.dipole_potential(np.tile(points, (500, 1)), sources, sources)",
    "flux": "magnetic.current_flux(np.tile(points, (500, 1)), sources, sources)",
    "mesh": "generate.mesh_head(LayeredSphere((78., 92.), (2, 5)), 1.2)",
}


@posix
@pytest.mark.parametrize("what", LONG)
def test_ctrl_c_ends_long_work(what):
    code = f"""
from femtms import LayeredSphere
from femtms.mesh import generate
calls, call = [], core.call
def counted(*arguments):
    calls.append(arguments[0])
    if len(calls) == 3:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
    call(*arguments)
def too_late(*arguments):
    print("all but done")
core.call = magnetic.call = counted
generate.optimised = too_late
try:
    {LONG[what]}
    print("done")
except KeyboardInterrupt:
    print(len(calls))
core.call = magnetic.call = call
assert field() == field()
"""
    assert 3 <= int(run(code)[0]) < 100  # of 200, and more


@posix
def test_ctrl_c_ends_a_command(tmp_path):
    code = (
        "import femtms.mesh.generate as g\n"
        "refined = g.refined_where_needed\n"
        "def told(*a): print('refining', flush=True); return refined(*a)\n"
        "g.refined_where_needed = told\n"
        "from femtms.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", code, "mesh", "sphere", "--size", "1.2", "-o", str(tmp_path / "a.msh")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    start = subprocess.Popen(command, **pipes, preexec_fn=restore_sigint)
    assert start.stdout.readline() == "refining\n"
    start.send_signal(signal.SIGINT)
    _, said = start.communicate(timeout=600)
    assert start.returncode == 130
    assert said.splitlines()[-1] == "femtms: interrupted; nothing was written" and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def restore_sigint():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# --- no memory ---------------------------------------------------------------------------------------------

NO_MEMORY = """
expected = field()
n = 60_000_000
groups, starts, rows = np.zeros((1, 4), np.int32), np.empty(n + 1, np.int64), np.empty(4, np.int32)
nodes, tets = np.zeros((n, 3)), np.arange(4, dtype=np.int32)[None]
few, lengths = np.zeros(n + 1, np.int64), np.empty(n + 1, np.int64)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000, resource.RLIM_INFINITY))
for call in (
    lambda: core.call("incidence", 1, 4, groups, n, starts, rows),
    lambda: core.call("stiffness_lengths", n, tets, few, rows, lengths),  # in the tasks of for_parts
):
    for _ in range(3):
        try:
            call()
            print("no MemoryError")
        except MemoryError as error:
            print(str(error).replace(" ", "_"))
    assert field() == expected  # and nobody else hears of it
assert core._library().failures.value == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process like this")
def test_no_memory_is_an_error_and_ends_nothing():
    said = run(NO_MEMORY)
    assert said == ["no_memory_is_left_for_'incidence'"] * 3 + ["no_memory_is_left_for_'stiffness_lengths'"] * 3


def test_what_else_a_kernel_throws_is_an_error():
    nothing = np.empty((0, 4), np.int32)
    with pytest.raises(RuntimeError, match=r"^'incidence' failed$"):
        core.call("incidence", 0, 4, nothing, -1, np.empty(0, np.int64), np.empty(0, np.int32))
    core.call("incidence", 0, 4, nothing, 0, np.empty(1, np.int64), np.empty(0, np.int32))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process like this")
def test_without_memory_for_threads_the_caller_works_alone():
    code = """
core.set_threads(1)
expected = field()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 12_000_000, resource.RLIM_INFINITY))
core.set_threads(500)
print(field() == expected, core.threads() < 500)
"""
    assert run(code) == ["True", "True"]
