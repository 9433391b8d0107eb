"""Runs of studies, and Dask schedulers and workers, in processes of their own, to be killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
from batch.small_study import small_coil

from femtms.batch.journal import read_events
from femtms.batch.store import Store

FEMTMS = [sys.executable, "-m", "femtms.cli.main"]
DASK = [sys.executable, "-m", "dask"]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def start(*words, env=None, **settings):
    """A femtms command in a process group of its own."""
    return subprocess.Popen(
        [*FEMTMS, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT | (env or {}),
        **settings,
    )


def finish(process, seconds=600):
    """Exit code, stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def run(*words, **settings):
    return finish(start(*words, **settings))


def written(tmp_path_factory, text):
    """A study in a folder of its own, beside the coils that it may name: c1.ccd to c5.ccd, a few dipoles each."""
    folder = tmp_path_factory.mktemp("study")
    for i in range(1, 6):
        small_coil(folder / f"c{i}.ccd", apart_mm=20 + 5 * i)
    path = folder / "study.yaml"
    path.write_text(text)
    return path


# A piece of code that every worker takes in as it starts.  It counts the blocks, with those of all workers that use the
# folder, and looks at three moments of a block by turns.
STEPS = """
import os, signal, time
from pathlib import Path
import femtms.batch.worker as worker
from femtms.batch.store import Store

folder = Path({folder!r})

def act(n):
    {act}

def number_of_step():
    n = 1
    while True:
        try:
            (folder / f"step-{{n}}").touch(exist_ok=False)
            return n
        except FileExistsError:
            n += 1

if not hasattr(worker, "step"):  # Dask takes it in twice
    solve, commit, worker.step = worker.solve_cases, Store.commit, 0

    def at(moment):
        if worker.step % 3 == moment and {when}:
            act(worker.step)

    def solve_in_steps(*arguments):
        worker.step = number_of_step()
        at(0)
        solved = solve(*arguments)
        at(1)
        return solved

    def commit_in_steps(*arguments):
        commit(*arguments)
        at(2)

    worker.solve_cases, Store.commit = solve_in_steps, commit_in_steps
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
WAIT = """(folder / f"waits-{n}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)"""


def preloaded(file, code):
    """The environment of workers that take in a piece of code."""
    file.write_text(code)
    return {"DASK_DISTRIBUTED__WORKER__PRELOAD": json.dumps([str(file)])}


def killed_at(folder, steps):
    """The environment of workers that kill themselves at these blocks, from 1."""
    folder.mkdir()
    when = f"worker.step in {set(steps)}"
    return preloaded(folder / "steps.py", STEPS.format(folder=str(folder), act=KILL, when=when))


def waiting_from(folder, step):
    """The environment of workers that wait at this block and all later ones until `go_on(folder)`."""
    folder.mkdir()
    when = f"worker.step >= {step}"
    return preloaded(folder / "steps.py", STEPS.format(folder=str(folder), act=WAIT, when=when))


def wait_for_waiting(folder, process):
    """Until a worker waits, while the client runs."""
    wait_for(lambda: process.poll() is not None or any(folder.glob("waits-*")))
    assert process.poll() is None, process.communicate()


def go_on(folder):
    (folder / "go").touch()


def undisturbed(study, workers=1):
    """The folder of the study's results, from a run beside it that nothing disturbed."""
    out = study.parent / "undisturbed"
    code, _, err = run("run", study, "-o", out, "--workers", workers, "--quiet")
    assert code == 0, err
    return out


def children(pid):
    """Process numbers of all descendants, on Linux."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            text = open(f"/proc/{pid}/task/{task}/children").read()
            for child in map(int, text.split()):
                found += [child, *children(child)]
    return found


def workers_of(pid):
    """Process numbers of the Dask workers below a client."""
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):
            if b"spawn_main" in open(f"/proc/{child}/cmdline", "rb").read():
                found.append(child)
    return found


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(process):
    """-9 to the process and to all below it."""
    for child in children(process.pid):
        kill(child)
    kill(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=600)


def begun(out):
    """How many blocks workers have begun."""
    return sum(event["event"] == "begun" for event in read_events(out))


def committed(out):
    try:
        return int(Store.open(out).committed().sum())
    except Exception:  # not there yet
        return 0


def wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def values_of(out):
    """All values of a study, as bytes of each block: NaN compares like anything else."""
    store = Store.open(out)
    return [np.ascontiguousarray(store.values(store.plan.block(i))).tobytes() for i in range(len(store.plan))]


def times_done(out):
    """Block -> how many times a worker has done it."""
    counts = {}
    for event in read_events(out):
        if event["event"] == "done":
            counts[event["block"]] = counts.get(event["block"], 0) + 1
    return counts


@contextlib.contextmanager
def dask(*words, env=None):
    """A dask command while the block runs."""
    process = subprocess.Popen(
        [*DASK, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=ENVIRONMENT | (env or {}),
    )
    try:
        yield process
    finally:
        kill_group(process)


@contextlib.contextmanager
def dask_cluster(folder, workers=2, tls=(), env=None):
    """Scheduler and workers on loopback, and the file of the scheduler."""
    file = folder / "scheduler.json"
    protocol = ("--protocol", "tls") if tls else ()
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(
            dask(
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                0,
                "--no-dashboard",
                "--scheduler-file",
                file,
                *protocol,
                *tls,
            )
        )
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        for _ in range(workers):
            stack.enter_context(
                dask(
                    *("worker", "--scheduler-file", file, "--nthreads", 1, "--memory-limit", 0, "--no-dashboard"),
                    *("--death-timeout", 600, "--local-directory", folder, "--host", "127.0.0.1", *protocol, *tls),
                    env=env,
                )
            )
        yield scheduler, file
