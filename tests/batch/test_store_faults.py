"""Whatever ends a writer, a block is in the store whole or not at all."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from studies_for_store import PROVENANCE, design_of, plan_of, values_of

from femtms import FemtmsError
from femtms.batch.store import Store

POINTS = 2000  # of a field that takes a moment to write

# Commits all blocks, in an order of its own, again and again: `python -c WRITER OUT SEED ROUNDS LAST`.  With its file
# number LAST it kills itself: half way through the writing, or before or after the move to its place, by turns.
WRITER = """
import itertools, os, signal, stat, sys, threading
from pathlib import Path
import numpy as np
from studies_for_store import values_of
from test_store_faults import fields_of
from femtms.batch.store import Store
store = Store.open(Path(sys.argv[1]))
print("begun", flush=True)
rng = np.random.default_rng(int(sys.argv[2]))
rounds, last = map(int, sys.argv[3:])
sync, move, files, mine = os.fsync, os.replace, itertools.count(1), threading.local()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def sync_or_die(file):
    if stat.S_ISREG(os.fstat(file).st_mode):  # and no folder
        mine.file = next(files)  # Zarr writes several at a time
        if mine.file == last and last % 3 == 0:
            os.truncate(file, os.fstat(file).st_size // 2)
            die()
    sync(file)

def move_or_die(source, target):
    if mine.file == last and last % 3 == 1:
        die()
    move(source, target)
    if mine.file == last:
        die()

os.fsync, os.replace = sync_or_die, move_or_die
for _ in range(rounds):
    for index in rng.permutation(len(store.plan)):
        block = store.plan.block(int(index))
        store.commit(block, values_of(store.design, block), fields_of(block))
"""


def fields_of(block):
    rng = np.random.default_rng(block.index)
    return {"gm-nodes": rng.normal(size=(len(block), POINTS, 3)).astype(np.float32)}


def begun(out):
    design = design_of(fields=("gm-nodes",))
    store = Store.create(out, design, plan_of(design), PROVENANCE)
    for head in range(2):
        store.field_group(head, 0, {"gm-nodes": {"points_mm": np.zeros((POINTS, 3))}})
    return store


def writer(out, seed, rounds, last=0):
    path = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-c", WRITER, str(out), str(seed), str(rounds), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def check_committed(store):
    """Every block that is there is the one that was meant, with its fields."""
    assert store.check(whole=True) == []
    for index in np.flatnonzero(store.committed()):
        block = store.plan.block(int(index))
        assert store.values(block).tobytes() == values_of(store.design, block).tobytes()


def test_writers_killed_at_any_time_leave_whole_blocks_only(tmp_path):
    store = begun(tmp_path / "out")
    for last in (2, 3, 7, 12, 13, 18, 22, 27):
        with writer(store.out, last, 1000, last) as process:
            assert process.wait() == -signal.SIGKILL
        check_committed(store)
    assert list(store.out.rglob("*.partial"))
    assert store.committed().any()
    store.tidy()
    assert not list(store.out.rglob("*.partial"))
    check_committed(store)


def test_two_writers_of_the_same_blocks_agree(tmp_path):
    store = begun(tmp_path / "out")
    writers = [writer(store.out, seed, 3) for seed in range(2)]
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    assert store.committed().all() and not list(store.out.rglob("*.partial"))
    check_committed(store)


def test_two_workers_make_room_for_the_fields_of_one_head(tmp_path):
    design = design_of(fields=("gm-nodes",))
    store = Store.create(tmp_path / "out", design, plan_of(design), PROVENANCE)
    script = (
        "import sys, numpy as np; from pathlib import Path; from femtms.batch.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); input()\n"
        "store.field_group(0, 0, {'gm-nodes': {'points_mm': np.zeros((50_000, 3))}})"
    )
    command = [sys.executable, "-c", script, str(store.out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) for _ in range(3)]
    for worker in workers:
        worker.stdin.write(b"\n")
        worker.stdin.flush()
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert [path.name for path in store.fields(0, 0).folder.iterdir() if path.is_dir()] == ["head-0-option-0"]
    assert list(store.fields(0, 0).groups()) == ["gm-nodes"]


def commit_until_full(store):
    """How many blocks could be committed before the disk took no more."""
    for count, index in enumerate(range(len(store.plan))):
        block = store.plan.block(index)
        try:
            store.commit(block, values_of(store.design, block), fields_of(block))
        except OSError:
            return count
    return len(store.plan)


def test_file_that_is_too_large_is_not_committed(tmp_path):
    """The limit on the size of files stands for a full disk where one may not mount one."""
    resource = pytest.importorskip("resource")
    store = begun(tmp_path / "out")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (POINTS * 4, hard))
    try:
        assert commit_until_full(store) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not store.committed().any() and not list(store.out.rglob("*.partial"))
    assert commit_until_full(store) == len(store.plan)
    check_committed(store)


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system of its own in the folder, for those who may mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", *options, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("mounting takes rights")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_costs_the_blocks_it_did_not_take_and_no_other(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        store = begun(disk / "out")
        count = commit_until_full(store)
        assert 0 < count < len(store.plan)
        assert np.flatnonzero(store.committed()).tolist() == list(range(count))
        assert not list(store.out.rglob("*.partial"))
        check_committed(store)
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert commit_until_full(store) == len(store.plan)
        check_committed(store)


def test_study_on_a_read_only_disk_can_be_read_and_not_written(tmp_path):
    whole = begun(tmp_path / "out")
    block = whole.plan.block(0)
    whole.commit(block, values_of(whole.design, block), fields_of(block))
    with mounted(tmp_path / "here", "--bind", "-o", "ro", str(tmp_path)) as folder:
        if os.access(folder, os.W_OK):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        store = Store.open(folder / "out")
        check_committed(store)
        with pytest.raises(OSError, match="Read-only"):
            store.commit(block, values_of(store.design, block))
        with pytest.raises(FemtmsError, match="must be writable"):
            begun(folder / "other")
        with pytest.raises(FemtmsError, match="must be writable"):
            Store.create(folder / "out", store.design, store.plan, PROVENANCE, overwrite=True)
    check_committed(whole)
