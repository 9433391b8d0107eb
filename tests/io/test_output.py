"""Where results go: tried before the work, told when it is full, and tidied after runs that were killed."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from femtms import FemtmsError
from femtms.io.files import check_out, check_out_file, errors_name, temporary_folder, whole_file, whole_folder

NAMES = ("a.txt", "summary.json")


def written(out, overwrite=False):
    with whole_folder(out, NAMES, overwrite) as folder:
        for name in NAMES:
            (folder / name).write_text("new")


# --- what killed runs leave ---


def _hold(writer, path, says):
    with writer(path) as place:
        says.send(str(place))
        time.sleep(600)


@contextmanager
def _folder_of(path):
    with whole_folder(path, NAMES, False) as folder:
        (folder / "a.txt").write_text("half")
        yield folder


@contextmanager
def _file_of(path):
    with whole_file(path, False) as file:
        file.write_text("half")
        yield file


@contextmanager
def another(writer, path):
    """A process that is writing there."""
    context = multiprocessing.get_context("fork")
    heard, says = context.Pipe(duplex=False)
    process = context.Process(target=_hold, args=(writer, path, says))
    process.start()
    try:
        assert heard.poll(60) and heard.recv()
        yield process
    finally:
        process.kill()
        process.join(60)


@pytest.mark.parametrize("writer", [_folder_of, _file_of])
@pytest.mark.parametrize("there", [False, True], ids=["new", "beside others"])
def test_what_a_killed_run_left_is_removed_by_the_next(writer, there, tmp_path):
    out = tmp_path / "out"
    if there and writer is _folder_of:
        out.mkdir()
    with another(writer, out) as process:
        process.kill()
        process.join()
    assert list(tmp_path.rglob(".femtms-*"))
    if writer is _folder_of:
        written(out)
    else:
        with whole_file(out, False) as file:
            file.write_text("new")
    assert not list(tmp_path.rglob(".femtms-*"))


@pytest.mark.parametrize("writer", [_folder_of, _file_of])
def test_what_a_living_run_writes_is_left_alone(writer, tmp_path):
    with another(writer, tmp_path / "theirs"):
        (theirs,) = tmp_path.glob(".femtms-*")
        written(tmp_path / "ours")
        assert [theirs] == list(tmp_path.glob(".femtms-*")) and any(theirs.iterdir())


def test_many_at_once_do_not_take_each_other_for_dead(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom femtms.io.files import whole_file\n"
        "for i in range(60):\n"
        "    with whole_file(Path(sys.argv[1]) / f'{sys.argv[2]}-{i}', False) as file:\n"
        "        file.write_text('x')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(3)]
    for process in processes:
        assert process.communicate(timeout=600)[1] == "" and process.returncode == 0
    assert len(list(tmp_path.iterdir())) == 180


def test_only_old_rests_of_other_machines_are_removed(tmp_path):
    young, old = tmp_path / ".femtms-elsewhere-1", tmp_path / ".femtms-elsewhere-2"
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (time.time() - 100_000,) * 2)
    (tmp_path / ".femtms-file").write_text("somebody's")
    (tmp_path / ".femtms-link").symlink_to(tmp_path)
    written(tmp_path / "out")
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there == [".femtms-elsewhere-1", ".femtms-file", ".femtms-link", "out"]


def test_a_private_folder_is_private(tmp_path):
    with temporary_folder(tmp_path, private=True) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    with temporary_folder(tmp_path) as folder:
        mask = os.umask(0)
        os.umask(mask)
        assert folder.stat().st_mode & 0o777 == 0o777 & ~mask


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    may_mount = sys.platform.startswith("linux") and os.geteuid() == 0
    if not may_mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only who may mount can have a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_found_before_anything_is_computed(small_disk):
    with suppress_full(), open(small_disk / "fill", "wb") as file:
        file.write(bytes(300_000))
    for check in (lambda: check_out(small_disk / "out", NAMES, False), lambda: check_out_file(small_disk / "x", False)):
        with pytest.raises(FemtmsError, match=f"^{small_disk}: the disk is full"):
            check()


@contextmanager
def suppress_full():
    try:
        yield
    except OSError as error:
        assert error.errno == errno.ENOSPC


WRITERS = {
    "bytes": lambda path: path.write_bytes(bytes(400_000)),
    "np.save": lambda path: np.save(path, np.zeros(50_000)),  # numpy does not say why
    "tofile": lambda path: np.zeros(50_000).tofile(path),
    "hides it": lambda path: _hidden(path),
}


def _hidden(path):
    with open(path, "wb", buffering=0) as file:
        while file.write(bytes(1000)) == 1000:  # and then less
            pass
    raise RuntimeError("could not write")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_disk_that_gets_full_is_told_with_the_path(writer, small_disk):
    with pytest.raises(OSError, match=f"the disk is full.*{small_disk}/x"), whole_file(small_disk / "x", False) as file:
        writer(file)
    with (
        pytest.raises(OSError, match=f"the disk is full.*{small_disk}/out"),
        whole_folder(small_disk / "out", NAMES, False) as folder,
    ):
        writer(folder / "a.txt")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_is_a_full_disk(number, tmp_path):
    said = pytest.raises(OSError, match=r"the disk is full \(.*\): '/some/file'")
    with said as raised, errors_name(Path("/some/file")):
        raise OSError(number, os.strerror(number))
    assert raised.value.errno == number


def test_other_errors_stay_what_they_are(tmp_path):
    for error in (FemtmsError("x"), RuntimeError("x"), KeyError("x")):
        with pytest.raises(type(error)), errors_name(tmp_path / "x"):
            raise error
    with pytest.raises(OSError, match="x") as raised, errors_name(tmp_path / "x"):
        raise OSError("x")
    assert raised.value.errno is None and raised.value.filename == str(tmp_path / "x")


# --- tried before ---


def test_an_output_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    deep = tmp_path / "a" / "b" / "c"
    check_out(deep, NAMES, False)
    assert not (tmp_path / "a").exists() and not list(tmp_path.glob(".femtms-*"))  # nothing is left of the trial
    for out, words in [
        (tmp_path / "file", "must be a folder; it is a file"),
        (tmp_path / "file" / "below", "it is a file"),
        (tmp_path / ("x" * 300), "name too long"),
        (tmp_path / "new" / ("x" * 300) / "out", "name too long"),
    ]:
        with pytest.raises(FemtmsError, match=words):
            check_out(out, NAMES, False)
    for path, words in [
        (tmp_path, "must be the name of a file; it is a folder"),
        (tmp_path / "no" / "x", "must be a folder to write into; there is none"),
        (tmp_path / ("x" * 300), "name too long"),
        (Path("/dev/null"), "a device or a pipe"),
    ]:
        with pytest.raises(FemtmsError, match=words):
            check_out_file(path, True)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write")
def test_a_folder_that_nobody_can_write_is_told():
    with pytest.raises(FemtmsError, match="must be writable"):
        check_out(Path("/proc/self/out"), NAMES, False)


MARKS = {"simulate": "summary.json", "sweep": "sweep.json", "compare": "comparison.json", "run": "study.json"}


@pytest.mark.parametrize("kind", MARKS)
def test_a_folder_has_results_of_one_kind(kind, tmp_path):
    for other, mark in (*MARKS.items(), ("sweep", "sweep.partial")):
        if other == kind:
            continue
        out = tmp_path / mark
        out.mkdir()
        (out / mark).write_text("{}")
        for overwrite in (False, True):
            with pytest.raises(FemtmsError, match=f"holds a result of femtms {other}"):
                check_out(out, (MARKS[kind],), overwrite)
