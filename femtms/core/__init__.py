"""The compiled core: C++ for the CPU, in one library that is built when femtms is installed, and the same for NVRTC.

Its functions, called kernels, are named and described in the C++ files; `call` runs one on the CPU.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from operator import index
from pathlib import Path
from typing import Any

from femtms.core.signatures import Signature, signatures
from femtms.errors import FemtmsError

_HERE = Path(__file__).parent
_LIBRARY = "femtms_core" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_C_TYPES: dict[str, Any] = {
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
    "uint8": ctypes.c_uint8,
    "bool": ctypes.c_bool,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
# Names of the environment that say how many threads there are, before those that the system gives this process.
_THREADS = "FEMTMS_NUM_THREADS", "NUMBA_NUM_THREADS"
_MOST_THREADS = 4096
_AGAIN = "run `make core` in a checkout, or install femtms again"

# What a GPU has: each file, with what it includes, compiles for both devices, or is a .cu file with its own loops.
_FOR_GPU = (
    "elements.cpp",
    "assembly.cpp",
    "quadratic.cpp",
    "boxes.cpp",
    "coarsen.cpp",
    "sampled.cpp",
    "blocks.cu",
    "products.cu",
    "potentials.cu",
)


@cache
def sources() -> dict[str, str]:
    """The text of each C++ file by name, in the order of the names; read once."""
    paths = sorted(path for path in _HERE.iterdir() if path.suffix in (".h", ".cpp", ".cu"))
    return {path.name: path.read_bytes().decode() for path in paths}


def digest(texts: dict[str, str]) -> str:
    """What tells a library from one of other sources: CMakeLists.txt computes the same of the files it compiles."""
    hashes = (sha256(text.encode()).hexdigest() for name, text in texts.items() if not name.endswith(".cu"))
    return sha256("".join(hashes).encode()).hexdigest()


@dataclass(frozen=True)
class _Library:
    """The compiled library, and how many calls have failed that nobody has asked for."""

    handle: ctypes.CDLL
    failures: ctypes.c_int


@cache
def _library() -> _Library:
    texts = sources()
    # An editable installation has the library in another folder of this package than the sources.  Who runs Python in a
    # checkout imports the sources there, and has the library where pip put it: it must be of the same sources.
    folders = [*map(Path, sys.modules[__name__].__path__), *(Path(entry) / "femtms" / "core" for entry in sys.path)]
    found = next((folder / _LIBRARY for folder in folders if (folder / _LIBRARY).exists()), None)
    if found is None:
        raise _not_usable(f"femtms in {_HERE.parent} has no compiled core: {_LIBRARY} is missing; {_AGAIN}")
    try:
        handle = ctypes.CDLL(str(found))
        compiled = ctypes.c_char_p.in_dll(handle, "core_digest").value
    except (OSError, ValueError) as error:  # of another platform, cut off, or no library at all
        raise _not_usable(f"{found} cannot be loaded ({error}); {_AGAIN}") from error
    if compiled != digest(texts).encode():
        raise _not_usable(f"{found} was compiled from other sources than those in {_HERE}; {_AGAIN}")
    handle.set_threads(most_threads())
    return _Library(handle, ctypes.c_int.in_dll(handle, "core_failures"))


def _not_usable(sentence: str) -> ImportError:
    return ImportError(sentence, name=__name__)  # for the command line, which knows what is no fault of its own by it


@cache
def cpu_signatures() -> dict[str, Signature]:
    """What the kernels of the CPU take, by name."""
    return signatures("".join(text for name, text in sources().items() if name.endswith(".cpp")))


@cache
def gpu_signatures() -> dict[str, Signature]:
    """What the kernels of the GPU take, by name."""
    texts = sources()
    return signatures("".join(texts[name] for name in _FOR_GPU))


def gpu_source() -> str:
    """The text that NVRTC compiles, with `gpu_options`.

    It names the files' digest: CuPy keeps what it compiled by this text and does not look into included files.
    """
    includes = "".join(f'#include "{name}"\n' for name in _FOR_GPU)
    return f"// {sha256(''.join(sources().values()).encode()).hexdigest()}\n{includes}"


def gpu_options() -> tuple[str, ...]:
    """What NVRTC must be told besides."""
    return "-std=c++17", f"-I{_HERE}"


@cache
def _function(name: str) -> tuple[Callable[..., None], Signature, list[tuple[int, bool]]]:
    if name not in cpu_signatures():
        raise AttributeError(f"there is no kernel '{name}' in {_HERE}/*.cpp")
    function, signature = _library().handle[name], cpu_signatures()[name]
    function.restype = None
    function.argtypes = [
        ctypes.c_void_p if parameter.array else _C_TYPES[parameter.dtype.name] for parameter in signature.parameters
    ]
    arrays = [(i, not p.const) for i, p in enumerate(signature.parameters) if p.array]
    return function, signature, arrays


def call(name: str, *arguments: Any) -> None:
    """Run a kernel on NumPy arrays and numbers; its source says which.  Python's other threads go on meanwhile.

    Raises TypeError or ValueError for other arguments than the kernel takes, and MemoryError.
    """
    function, signature, arrays = _function(name)
    passed = signature.checked(arguments)
    for i, written in arrays:
        if passed[i] is not None:
            if written and not passed[i].flags.writeable:
                raise ValueError(f"'{signature.parameters[i].name}' of {name} is written to, but came read-only")
            passed[i] = passed[i].__array_interface__["data"][0]
    function(*passed)
    if _library().failures.value:
        _raise_failure(name)


def _raise_failure(name: str) -> None:
    code = _library().handle.take_failure()  # 0 where it was a call in another thread
    if code == 1:
        raise MemoryError(f"no memory is left for '{name}'")
    if code:
        raise RuntimeError(f"'{name}' failed")


def most_threads() -> int:
    """The number of threads that a process starts with: that of the environment, or all that the system gives it.

    Raises FemtmsError when the environment does not name a number.
    """
    for name in _THREADS:
        text = os.environ.get(name)
        if text is not None and text.strip():
            if not (text.strip().isdecimal() and len(text) < 20 and 0 < int(text) <= _MOST_THREADS):
                raise FemtmsError(f"{name} must be a number of threads, 1 to {_MOST_THREADS}; got '{text:.40}'")
            return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """The number of threads of the CPU."""
    count: int = _library().handle.get_threads()
    return count


def set_threads(count: int) -> None:
    """Let so many threads of the CPU work; results do not depend on it."""
    if not 0 < index(count) <= _MOST_THREADS:
        raise ValueError(f"there must be 1 to {_MOST_THREADS} threads; got {count}")
    _library().handle.set_threads(index(count))
