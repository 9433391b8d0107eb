"""Runs of studies, and Dask schedulers and workers, in processes of their own, to be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np

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
    """A study in a folder of its own."""
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(text)
    return path


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
def dask(*words):
    """A dask command while the block runs."""
    process = subprocess.Popen(
        [*DASK, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        kill_group(process)


@contextlib.contextmanager
def dask_cluster(folder, workers=2, tls=()):
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
                )
            )
        yield scheduler, file
