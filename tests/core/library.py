"""The core compiled in another way than that which is installed."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from femtms import core

FLAGS = ["-std=c++17", "-g", "-O1", "-fPIC", "-pthread", "-ffp-contract=off", "-DFEMTMS_SANITISED"]


def build_core(folder: Path, flags: Sequence[str], more: str = "", compiler: str = "g++") -> Path:
    """The library of all C++ files, and of `more` text, in a folder; returns its path."""
    (folder / "more.cpp").write_text('#include "device.h"\n' + more)
    units = [*sorted(Path(core.__file__).parent.glob("*.cpp")), folder / "more.cpp"]
    library = folder / core._LIBRARY
    every = [compiler, *FLAGS, *flags, f"-I{Path(core.__file__).parent}"]
    every.append(f'-DFEMTMS_DIGEST="{core.digest(core.sources())}"')

    def compiled(unit: Path) -> str:
        run([*every, "-c", str(unit), "-o", str(folder / f"{unit.stem}.o")])
        return str(folder / f"{unit.stem}.o")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        run([*every, "-shared", "-o", str(library), *pool.map(compiled, units)])
    return library


def run(command: Sequence[str]) -> None:
    """Run a compiler; what it says is the error."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def use_core(folder: Path) -> list[str]:
    """Have this process, which has not called the core yet, load the library of a folder; a list of what is called."""
    assert core._library.cache_info().currsize == 0
    core.__path__.insert(0, str(folder))
    called = []
    function = core._function

    def counted(name: str):
        called.append(name)
        return function(name)

    core._function = counted
    return called
