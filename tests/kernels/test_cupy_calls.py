"""Each call of CuPy's functions that femtms makes, tried on the real CuPy without a GPU.

Functions look at their arguments before they look for the driver: what they take ends in CUDARuntimeError, and what
they do not take, such as a NumPy array in the place of one of the device, in TypeError.  The calls are those of the
whole path on the stand-in; a place of the source that it does not come by is an error, too.
"""

import ast
import gc
from pathlib import Path

import numpy as np
import pytest
from kernels.host_cuda import host_cuda
from kernels.whole_path import whole_path

import femtms

SOURCE = Path(femtms.__file__).parent
BESIDE = {"cuda", "ndarray"}  # what is no function


def named(text: str, path: str) -> set[tuple[str, int, str]]:
    """Where functions of the array module are named, (file, line, name): attributes of xp, of …xp and of …_xp."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr not in BESIDE:
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name in ("xp", "_xp"):
                found.add((path, node.lineno, node.attr))
    return found


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    """The played GPU after the whole path."""
    device = host_cuda(tmp_path_factory.mktemp("cuda"))
    whole_path(device, size_mm=25.0)
    return device.xp.gpu


def test_places_are_found():
    text = (
        "xp = b.xp\nxp.where(self._xp.zeros(3),\n    backend.xp.ones(4), np.ones(3))\nasarray = self.backend.xp.asarray"
    )
    expected = {(2, "where"), (2, "zeros"), (3, "ones"), (4, "asarray")}
    assert {(line, name) for _, line, name in named(text, "")} == expected


def test_the_whole_path_comes_by_every_place(gpu):
    places = set().union(*(named(path.read_text(), str(path)) for path in SOURCE.rglob("*.py")))
    assert len(places) > 100
    missed = sorted(f"{Path(path).relative_to(SOURCE)}:{line}: {name}" for path, line, name in places - gpu.sites)
    assert not missed, "tests/kernels/whole_path.py must come by these, too"


def test_the_whole_path_leaves_no_memory_behind(gpu):
    gc.collect()
    assert gpu.counts["graphs"] > 20 and gpu.leaked == 0


# --- the real one -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cupy():
    module = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        count = module.cuda.runtime.getDeviceCount()
    except module.cuda.runtime.CUDARuntimeError:
        return module
    pytest.skip(f"there is a driver with {count} GPUs: the tests marked gpu make these calls")


def on_device(cupy, values: np.ndarray):
    """An array that CuPy takes for one of the device; nothing must be launched on it."""
    memory = cupy.cuda.UnownedMemory(values.ctypes.data, values.nbytes, values, 0)
    return cupy.ndarray(values.shape, values.dtype, cupy.cuda.MemoryPointer(memory, 0), values.strides)


def argument(cupy, kind):
    """One of a kind: see kind_of."""
    what, *rest = kind
    if what in ("device", "host"):
        dtype, ndim, contiguous = rest
        values = np.zeros((3,) * ndim, dtype)
        if not contiguous:
            values = np.zeros((3,) * ndim + (2,), dtype)[..., 0]
        return on_device(cupy, values) if what == "device" else values
    if what == "value":
        return rest[0]
    return what(argument(cupy, k) for k in rest) if what in (list, tuple) else what(1)


def call(cupy, name, arguments, options):
    options = {key: argument(cupy, kind) for key, kind in options}
    return getattr(cupy, name)(*(argument(cupy, kind) for kind in arguments), **options)


def test_the_real_functions_take_these_arguments(gpu, cupy):
    assert len(gpu.kinds) > 50
    refused = []
    for name, arguments, options in sorted(gpu.kinds, key=repr):
        try:
            result = call(cupy, name, arguments, options)
        except cupy.cuda.runtime.CUDARuntimeError as error:
            assert "Driver" in str(error) or "Device" in str(error), error
        except Exception as error:
            refused.append(f"{name}{arguments}{options}: {type(error).__name__}: {error}")
        else:  # nothing was to do
            assert name in ("asarray", "ascontiguousarray") and isinstance(result, cupy.ndarray), name
    assert not refused


@pytest.mark.parametrize("name, arguments", [
    ("ascontiguousarray", [("host", "float64", 2, True)]),
    ("stack", [(list, ("host", "float64", 1, True))]),
    ("cumsum", [("host", "int64", 1, True)]),
    ("flatnonzero", [("host", "bool", 1, True)]),
    ("zeros", [("device", "int64", 0, True)]),
])  # fmt: skip
def test_what_the_real_functions_do_not_take_is_told_without_a_driver(cupy, name, arguments):
    with pytest.raises(TypeError):
        call(cupy, name, arguments, ())


def test_the_real_functions_that_take_too_much_are_those_that_the_stand_in_refuses(cupy):
    """Sorting, and arithmetic that comes by the driver first: only the stand-in finds these."""
    assert isinstance(cupy.argsort(np.ones(3)), np.ndarray)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        on_device(cupy, np.ones(3)) + np.ones(3)


@pytest.mark.parametrize("make", [
    lambda cupy: cupy.ones((300, 2)),
    lambda cupy: cupy.cuda.Stream(non_blocking=True),
    lambda cupy: cupy.cuda.Device().synchronize(),
    lambda cupy: cupy.cuda.runtime.getDeviceProperties(0),
    lambda cupy: cupy.RawModule(code="", options=("-std=c++17",)).get_function("f"),
    lambda cupy: cupy.cuda.MemoryPool().malloc(8),
    lambda cupy: cupy.cuda.MemoryPool().free_all_blocks(),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a Stream that was never made
def test_what_else_is_asked_of_it_is_there(cupy, make):
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        make(cupy)
    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):
        pass
    for name in ("begin_capture", "end_capture"):
        assert callable(getattr(cupy.cuda.Stream, name))
    assert callable(cupy.cuda.Graph.launch)
