"""The stand-in for CuPy: it lets nothing pass that a GPU would not, and counts what a GPU is asked for."""

import operator

import numpy as np
import pytest
from kernels.host_cuda import as_c, host_module
from kernels.host_cupy import DeviceArray, HostCupy, Misuse

from femtms.backend import to_host
from femtms.core import gpu_signatures


@pytest.fixture
def xp():
    return HostCupy()


# --- host and device ---------------------------------------------------------------------------------------

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne", "matmul"]


@pytest.mark.parametrize("name", BINARY)
def test_operators_take_no_host_array(xp, name):
    here, there, work = np.ones(3), xp.ones(3), getattr(operator, name)
    assert isinstance(work(there, there), DeviceArray)
    for a, b in ((here, there), (there, here)):
        with pytest.raises(TypeError):
            work(a, b)
    if name != "matmul":
        for number in (2, 2.0, np.float32(2), np.float64(2)):
            assert isinstance(work(there, number), DeviceArray) and isinstance(work(number, there), DeviceArray)
        with pytest.raises(TypeError):
            work(there, np.array(2.0))


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv"])
def test_nothing_of_the_host_is_written_in_place(xp, name):
    here, there = np.ones(3), xp.ones(3)
    assert getattr(operator, name)(there, there) is there
    with pytest.raises(TypeError):
        getattr(operator, name)(there, here)
    with pytest.raises(TypeError):
        getattr(operator, name)(here, there)


@pytest.mark.parametrize("of_numpy", [
    np.asarray, np.array, np.sqrt, np.sum, np.sort, np.linalg.norm, np.isfinite, np.empty_like, np.flatnonzero,
    lambda a: np.concatenate([a, a]), lambda a: np.stack([a]), lambda a: np.add(a, 1), lambda a: np.where(a, 1, 2),
    lambda a: np.ones(3)[a], lambda a: operator.setitem(np.ones(3), slice(None), a), lambda a: np.add(1, 1, out=a),
    lambda a: np.float64(np.ones(3) @ a), lambda a: np.ascontiguousarray(a), lambda a: np.searchsorted(np.ones(3), a),
])  # fmt: skip
def test_numpy_takes_no_device_array(xp, of_numpy):
    with pytest.raises((TypeError, IndexError)):
        of_numpy(xp.ones(3))


@pytest.mark.parametrize("name, arguments", [
    ("ascontiguousarray", ()), ("empty_like", ()), ("zeros_like", ()), ("argsort", ()), ("sort", ()), ("cumsum", ()),
    ("flatnonzero", ()), ("sqrt", ()), ("isnan", ()), ("isfinite", ()), ("maximum", (1.0,)), ("subtract", (1.0,)),
])  # fmt: skip
def test_functions_of_the_device_take_no_host_array(xp, name, arguments):
    whole = xp.asarray(np.ones(3, int) if name == "cumsum" else np.ones(3))
    assert isinstance(getattr(xp, name)(whole, *arguments), DeviceArray)
    for here in (whole.get(), whole.get().tolist()):
        with pytest.raises(TypeError):
            getattr(xp, name)(here, *arguments)


def test_functions_of_several_arrays_take_no_host_array(xp):
    here, there = np.ones(3, int), xp.ones(3, int)
    for mixed in (
        lambda: xp.stack([there, here]), lambda: xp.concatenate([here, there]), lambda: xp.take(there, here),
        lambda: xp.take(here, there), lambda: xp.searchsorted(there, here), lambda: xp.searchsorted(here, there),
        lambda: xp.where(there > 0, there, here), lambda: xp.where(here > 0, there, there), lambda: there[here],
        lambda: xp.asarray([there, there]), lambda: operator.setitem(there, slice(None), here),
        lambda: operator.setitem(there, here, 1), lambda: xp.full(3, here), lambda: there[[0, 1]],
        lambda: xp.zeros(there[0]), lambda: xp.arange(there[0]),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            mixed()


def test_asarray_and_get_are_the_ways_across(xp):
    here = np.arange(6.0).reshape(2, 3)
    for order in (here, np.asfortranarray(here), here[:, ::-1]):
        there = xp.asarray(order)
        assert there is xp.asarray(there)
        np.testing.assert_array_equal(to_host(there), order)
        assert xp.ascontiguousarray(there).flags.c_contiguous
    there[0] = 7
    assert here[0, 0] == 0  # a copy
    assert np.isnan(xp.empty(3).get()).all() and (xp.empty(3, np.int32).get() == 85).all()


def test_a_number_on_the_device_stays_there_until_it_is_asked_for(xp):
    there = xp.arange(3)
    for number in (there[2], there.max(), there.sum() - 1, there.argmax(), xp.where(there > 0, there, 0).max()):
        assert isinstance(number, DeviceArray) and number.shape == ()
        assert int(number) == 2
        with pytest.raises(TypeError):
            range(number)
    with pytest.raises(TypeError):
        2 in there  # noqa: B015
    with pytest.raises(TypeError, match="'n' must be a NumPy int64"):
        as_c(gpu_signatures()["diagonal"].parameters[0], there.max())
    number = there[2]
    there[2] = 5
    assert int(number) == 5  # a view


def test_functions_take_what_those_of_cupy_take(xp):
    with pytest.raises(ValueError, match="no kind but 'stable'"):
        xp.argsort(xp.arange(3), kind="quicksort")
    with pytest.raises(AttributeError, match="must be added"):
        xp.bincount(xp.arange(3))
    with pytest.raises(Misuse, match="other bits each time"):
        xp.cumsum(xp.ones(3))
    pytest.importorskip("cupy")
    with pytest.raises(TypeError, match="unexpected keyword argument 'stable'"):
        xp.argsort(xp.arange(3), stable=True)
    with pytest.raises(AttributeError, match="cupy has no spacing_of"):
        getattr(xp, "spacing_of")  # noqa: B009


# --- counts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("work, expected", [
    (lambda xp, a: a + 1, {"launches": 1}),
    (lambda xp, a: a[1:].reshape(-1, 1).T, {}),
    (lambda xp, a: xp.sort(xp.sqrt(a)), {"launches": 2}),
    (lambda xp, a: xp.asarray(np.ones(3)), {"uploads": 1}),
    (lambda xp, a: a.get(), {"downloads": 1, "waits": 1}),
    (lambda xp, a: float(a.max()), {"launches": 1, "downloads": 1, "waits": 1}),
    (lambda xp, a: a[a > 0], {"launches": 2, "waits": 1}),
    (lambda xp, a: operator.setitem(a, a > 0, 1), {"launches": 2}),
    (lambda xp, a: xp.flatnonzero(a), {"launches": 1, "waits": 1}),
    (lambda xp, a: xp.cuda.Device().synchronize(), {"waits": 1}),
])  # fmt: skip
def test_what_a_gpu_is_asked_for_is_counted(xp, work, expected):
    a = xp.ones(4)
    xp.gpu.counts.clear()
    work(xp, a)
    assert dict(xp.gpu.counts) == expected


def test_launches_of_kernels_are_counted(xp, tmp_path):
    kernel = host_module(tmp_path, text=ORDER).get_function("turns")
    kernel((1,), (1,), (np.int64(1), xp.zeros(1), xp.zeros(3)))
    assert xp.gpu.calls["turns"] == 1 and xp.gpu.counts["launches"] == 3


# --- the order of threads ----------------------------------------------------------------------------------

ORDER = """
KERNEL turns(const int64 n, double* next, double* turn)
{
    for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64)gridDim.x * blockDim.x)
        turn[i] = atomicAdd(next, 1);
}
KERNEL total(const int64 n, const double* x, double* sum)
{
    for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64)gridDim.x * blockDim.x)
        atomicAdd(sum, x[i]);
}
"""


def test_threads_come_in_another_order_each_time_and_all_of_them(xp, tmp_path):
    found = []
    for seed in (0, 0, 1):
        turns = host_module(tmp_path, text=ORDER, blocks=3, threads=5, seed=seed).get_function("turns")
        for _ in range(2):
            turn = xp.empty(15)
            turns((1,), (1,), (np.int64(15), xp.zeros(1), turn))
            found.append(tuple(turn.get()))
    assert all(sorted(turn) == list(range(15)) for turn in found)
    assert found[:2] == found[2:4]  # the same seed
    assert len(set(found)) == 4


def test_sums_by_atomics_are_found_out_by_their_bits(xp, tmp_path):
    x = xp.asarray(10.0 ** np.arange(-8, 7))
    total = host_module(tmp_path, text=ORDER, blocks=3, threads=5).get_function("total")
    sums = []
    for _ in range(20):
        sums.append(xp.zeros(1))
        total((1,), (1,), (np.int64(15), x, sums[-1]))
    assert len({float(s[0]) for s in sums}) > 1
