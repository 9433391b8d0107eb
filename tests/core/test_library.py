"""The library is found, of the right sources, and says what to do when it is not."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import femtms
from femtms import core

MESH = ["-m", "femtms.cli.main", "mesh", "sphere", "--radii", "92", "--size", "40", "-o"]
# without what an editable installation puts before PYTHONPATH
COPY = [sys.executable, "-S"]


@pytest.fixture
def copied(tmp_path):
    """The environment of a process that has another copy of femtms, and the folder of the copy's core."""
    package = Path(femtms.__file__).parent
    shutil.copytree(package, tmp_path / "femtms", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(core._library().handle._name, tmp_path / "femtms" / "core")
    others = tmp_path / "others"  # all that is installed but femtms
    others.mkdir()
    for path in {p for where in ("purelib", "platlib") for p in Path(sysconfig.get_path(where)).iterdir()}:
        if path.name != "femtms":
            (others / path.name).symlink_to(path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(others)])}
    return environment, tmp_path / "femtms" / "core"


def run(code, environment, python=(sys.executable,)):
    return subprocess.run([*python, "-c", code], capture_output=True, text=True, env=environment, cwd="/", timeout=600)


def test_a_missing_library_is_told(copied):
    environment, folder = copied
    (folder / core._LIBRARY).unlink()
    done = run("from femtms import core; core.threads()", environment, COPY)
    said = done.stderr.splitlines()[-1]
    missing = f"femtms in {folder.parent} has no compiled core: {core._LIBRARY} is missing; {core._AGAIN}"
    assert said == f"ImportError: {missing}"
    run_mesh(environment, folder, 2, f"femtms: error: {missing}", python=COPY)
    assert run("import femtms; femtms.LayeredSphere((92.0,), (5,))", environment, COPY).returncode == 0


def test_python_in_a_checkout_finds_the_library_where_pip_put_it(copied, tmp_path):
    environment, folder = copied
    installed = tmp_path / "others" / "femtms" / "core"
    installed.mkdir(parents=True)
    shutil.move(folder / core._LIBRARY, installed)
    assert run("from femtms import core; core.threads()", environment, COPY).returncode == 0
    (folder / "more.h").write_text("// of another version\n")
    said = run("from femtms import core; core.threads()", environment, COPY).stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: {installed / core._LIBRARY} was compiled from other sources")


def test_a_library_of_other_sources_is_told(copied):
    environment, folder = copied
    assert run("from femtms import core; core.threads()", environment, COPY).returncode == 0
    with (folder / "cpu.h").open("a") as header:
        header.write("// more\n")
    said = run("from femtms import core; core.threads()", environment, COPY).stderr.splitlines()[-1]
    library = folder / core._LIBRARY
    assert said == f"ImportError: {library} was compiled from other sources than those in {folder}; {core._AGAIN}"
    run_mesh(environment, folder, 2, "femtms: error: ", "was compiled from other sources", python=COPY)


def test_what_is_no_library_is_told(copied):
    environment, folder = copied
    (folder / core._LIBRARY).write_bytes(b"no library\n" * 100)
    said = run("from femtms import core; core.threads()", environment, COPY).stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: {folder / core._LIBRARY} cannot be loaded (")
    assert said.endswith(f"); {core._AGAIN}")
    run_mesh(environment, folder, 2, "femtms: error: ", "cannot be loaded")


def run_mesh(environment, folder, code, *words, python=(sys.executable,)):
    """`femtms mesh` ends with one sentence that has the words."""
    done = subprocess.run(
        [*python, *MESH, str(folder / "mesh.msh")],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        timeout=600,
    )
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1 and "please report" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "environment, threads",
    [
        ({"FEMTMS_NUM_THREADS": "3"}, 3),
        ({"NUMBA_NUM_THREADS": "5"}, 5),
        ({"FEMTMS_NUM_THREADS": " 3 ", "NUMBA_NUM_THREADS": "5"}, 3),
        ({"FEMTMS_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "many"}, 3),
        ({"FEMTMS_NUM_THREADS": "", "NUMBA_NUM_THREADS": "5"}, 5),
    ],
)
def test_the_environment_sets_the_threads(environment, threads):
    done = run("from femtms import core; print(core.threads())", alone() | environment)
    assert done.stdout.split() == [str(threads)]


def test_without_it_there_are_as_many_as_the_system_gives():
    done = run("from femtms import core; print(core.threads())", alone())
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert done.stdout.split() == [str(given)]


@pytest.mark.parametrize("name", ["FEMTMS_NUM_THREADS", "NUMBA_NUM_THREADS"])
@pytest.mark.parametrize("text", ["abc", "0", "-2", "1.5", "100000", "٣x"])
def test_nonsense_is_told(monkeypatch, name, text):
    monkeypatch.delenv("FEMTMS_NUM_THREADS", raising=False)
    monkeypatch.setenv(name, text)
    with pytest.raises(femtms.FemtmsError, match=f"^{name} must be a number of threads, 1 to 4096; got '{text}'$"):
        core.most_threads()


def test_nonsense_ends_commands_with_one_sentence(tmp_path):
    wrong = os.environ | {"FEMTMS_NUM_THREADS": "abc"}
    run_mesh(wrong, tmp_path, 2, "femtms: error: FEMTMS_NUM_THREADS must be a number of threads, 1 to 4096; got 'abc'")
    version = subprocess.run(
        [sys.executable, *MESH[:2], "--version"], capture_output=True, text=True, env=wrong, timeout=600
    )
    assert (version.returncode, version.stderr) == (0, "")  # which counts nothing


def alone():
    """The environment without its own numbers."""
    return {name: value for name, value in os.environ.items() if name not in core._THREADS}
