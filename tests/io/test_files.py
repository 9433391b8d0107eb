"""Results appear whole or not at all, also when two runs end together."""

import os
import threading

import pytest

from femtms.io.files import whole_folder

NAMES = ("a", "b", "mark")


def write(out, text, overwrite=True):
    with whole_folder(out, NAMES, overwrite) as folder:
        for name in NAMES:
            (folder / name).write_text(text)


def test_a_run_waits_while_another_one_moves_its_files(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "out"
    write(out, "old")
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    other = threading.Thread(target=write, args=(out, "new"))
    other.start()
    other.join(0.5)
    assert other.is_alive()
    assert {(out / name).read_text() for name in NAMES} == {"old"}
    os.close(handle)
    other.join(10)
    assert not other.is_alive()
    assert {(out / name).read_text() for name in NAMES} == {"new"}


def test_a_failing_run_leaves_everything_as_it_was(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(RuntimeError), whole_folder(out, NAMES, overwrite=True) as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(NAMES, "old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "deep" / "new", NAMES, overwrite=False):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
