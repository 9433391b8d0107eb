"""A stand-in for the module cupy without a GPU, and stricter than cupy.

Arrays of the host and of the device do not mix: only asarray, array and get() take numbers across, and one by one
float(), int() and bool() do.  What a GPU would do is counted.  Between begin_capture and end_capture work is written
down and not done, and what a CUDA graph cannot hold raises Misuse there.
"""

import inspect
import operator
import sys
import weakref
from collections import Counter
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

try:
    import cupy  # works without a GPU, and knows which functions there are
except Exception:  # missing or broken: many types
    cupy = None


class Misuse(BaseException):
    """What a GPU would answer with garbage, or with a crash; no `except Exception` takes it for a missing feature."""


class Gpu:
    """What one played GPU has been asked for.

    counts  launches, uploads and downloads (copies to and from it), waits (of the host for it), graphs
    calls   how often each function and kernel was called, by its name
    kinds   functions of the module, and the kinds of the arguments they were called with: see `kind_of`
    sites   where functions of the module are named, (file, line, name)
    leaked  bytes of the pools that were dropped with blocks in them
    """

    def __init__(self):
        self.counts, self.calls, self.kinds, self.sites, self.leaked = Counter(), Counter(), set(), set(), 0
        self.stream = self.allocator = self.tape = None
        self.pools = []  # of the capture

    def takes(self, nbytes: int) -> None:
        """Memory for a new array."""
        if self.allocator is not None:
            self.allocator(nbytes)
        if self.tape is not None:
            if self.allocator is None:
                raise Misuse("memory is taken outside a pool inside a capture: somebody else may get it")
            self.pools.append(self.allocator.__self__)

    def waits(self, why: str) -> None:
        """The host waits for all that was launched."""
        if self.tape is not None:
            raise Misuse(f"{why} makes the host wait inside a capture")
        self.counts["waits"] += 1

    def launches(self, work: Any) -> None:
        """Work that writes to arrays that are there: done at once, or written down."""
        self.counts["launches"] += 1
        if self.tape is None:
            work()
        else:
            self.tape.append(work)

    def makes(self, compute: Any) -> "DeviceArray":
        """An array of what is computed."""
        with np.errstate(all="ignore"):  # a GPU does not warn
            values = np.asarray(compute())
        self.takes(values.nbytes)
        self.counts["launches"] += 1
        if self.tape is not None:
            self.tape.append(lambda: np.copyto(values, compute()))
        return DeviceArray(values, self)


# --- arrays --------------------------------------------------------------------------------------------------


def _plain(value: Any, what: str) -> Any:
    """The NumPy array of one of the device, or a number."""
    if isinstance(value, DeviceArray):
        return value._values
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return value
    raise TypeError(f"{what}: {type(value).__name__} meets device arrays: copy it with xp.asarray first")


def _key(key: Any) -> tuple[tuple[Any, ...], bool, bool]:
    """An index as NumPy takes it, whether there is an array in it, and whether a mask is."""
    keys = key if isinstance(key, tuple) else (key,)
    for k in keys:
        if isinstance(k, (np.ndarray, list)):
            raise TypeError(f"a {type(k).__name__} is the index of a device array: copy it with xp.asarray first")
    plain = tuple(k._values if isinstance(k, DeviceArray) else k for k in keys)
    arrays = [k for k in keys if isinstance(k, DeviceArray)]
    if not arrays and not any(k is Ellipsis for k in keys):
        plain = (*plain, ...)  # NumPy would make a copy of a single number, and CuPy makes a view
    return plain, bool(arrays), any(k.dtype == bool for k in arrays)


class DeviceArray:
    """An array that is not on the host: what NumPy may know of it is what get() brings back."""

    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, values: np.ndarray, gpu: Gpu):
        self._values, self._gpu = values, gpu

    dtype, shape, ndim, size, nbytes, itemsize, flags, strides = (
        property(lambda self, name=name: getattr(self._values, name))
        for name in ("dtype", "shape", "ndim", "size", "nbytes", "itemsize", "flags", "strides")
    )

    def __repr__(self):
        return f"DeviceArray({self.dtype} {self.shape})"

    # --- nothing crosses but by these

    def __array__(self, *arguments, **options):
        raise TypeError("implicit conversion to a NumPy array is not allowed: use get()")

    def __array_function__(self, function, *arguments):
        raise TypeError(f"np.{function.__name__} meets device arrays: use xp.{function.__name__}")

    def _fetched(self, why):
        self._gpu.waits(why)
        self._gpu.counts["downloads"] += 1
        return self._values

    def get(self) -> np.ndarray:
        """A copy on the host."""
        return np.array(self._fetched("get()"), order="C")

    def __bool__(self):
        return bool(self._fetched("bool()"))

    def __int__(self):
        return int(self._fetched("int()"))

    def __float__(self):
        return float(self._fetched("float()"))

    # --- views

    def _view(self, values):
        return type(self)(values, self._gpu)

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    __contains__ = None

    def __getitem__(self, key):
        key, has_array, has_mask = _key(key)
        if has_mask:
            self._gpu.waits("a mask, whose length is known to the GPU alone,")
        return self._gpu.makes(lambda: self._values[key]) if has_array else self._view(self._values[key])

    def __setitem__(self, key, value):
        key, _, has_mask = _key(key)
        plain = _plain(value, "[…] =")
        if has_mask and np.ndim(plain):
            self._gpu.waits("a mask, whose length is known to the GPU alone,")
        self._gpu.launches(lambda: operator.setitem(self._values, key, plain))

    T = property(lambda self: self._view(self._values.T))
    real = property(lambda self: self._view(self._values.real))
    imag = property(lambda self: self._view(self._values.imag))

    def view(self, dtype):
        return self._view(self._values.view(dtype))

    def transpose(self, *axes):
        return self._view(self._values.transpose(*axes))

    def reshape(self, *shape):
        same = self._values.reshape(*shape)
        copied = same.size and not np.shares_memory(same, self._values)
        return self._gpu.makes(lambda: self._values.reshape(*shape)) if copied else self._view(same)

    def ravel(self):
        return self.reshape(-1)

    # --- new arrays

    def astype(self, dtype):
        return self._gpu.makes(lambda: self._values.astype(dtype))

    def copy(self):
        return self._gpu.makes(self._values.copy)

    def __matmul__(self, other):
        if not isinstance(other, DeviceArray):
            raise TypeError(f"@: {type(other).__name__} meets device arrays: copy it with xp.asarray first")
        return self._gpu.makes(lambda: self._values @ other._values)

    def __rmatmul__(self, other):
        raise TypeError(f"@: {type(other).__name__} meets device arrays: copy it with xp.asarray first")


def _ufunc(gpu: Gpu, ufunc: np.ufunc, *inputs: Any, out: Any = None, **options: Any) -> DeviceArray:
    plain = [_plain(a, ufunc.__name__) for a in inputs]
    if out is None:
        return gpu.makes(lambda: ufunc(*plain, **options))
    target = _plain(out, ufunc.__name__)

    def write():
        with np.errstate(all="ignore"):
            ufunc(*plain, out=target, **options)

    gpu.launches(write)
    return out


def _add_operators() -> None:
    both = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift")
    names = {"sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
             "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
             "lshift": "left_shift", "rshift": "right_shift", "neg": "negative", "invert": "invert", "abs": "absolute",
             "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
             "ne": "not_equal"}  # fmt: skip
    for name in (*both, "lt", "le", "gt", "ge", "eq", "ne", "neg", "invert", "abs"):
        u = getattr(np, names.get(name, name))
        setattr(DeviceArray, f"__{name}__", lambda self, *other, u=u: _ufunc(self._gpu, u, self, *other))
        if name in both:
            setattr(DeviceArray, f"__r{name}__", lambda self, other, u=u: _ufunc(self._gpu, u, other, self))
            setattr(DeviceArray, f"__i{name}__", lambda self, other, u=u: _ufunc(self._gpu, u, self, other, out=self))
    for name in ("sum", "max", "min", "any", "all", "argmax", "argmin", "mean"):
        setattr(DeviceArray, name, lambda self, axis=None, name=name: self._gpu.makes(
            lambda: getattr(self._values, name)(axis=axis)))  # fmt: skip


_add_operators()


# --- streams, pools and graphs -------------------------------------------------------------------------------


class Pool:
    """cupy.cuda.MemoryPool: what was taken of it stays until free_all_blocks, whoever drops it."""

    def __init__(self, gpu: Gpu):
        self._gpu, self._bytes, self.graphs = gpu, 0, weakref.WeakSet()

    def malloc(self, size: int) -> None:
        self._bytes += size

    def total_bytes(self) -> int:
        return self._bytes

    def free_all_blocks(self) -> None:
        if list(self.graphs):  # not len, which counts those that a garbage collection is about to drop
            raise Misuse("a pool is freed while there is a graph that works in its memory")
        self._bytes = 0

    def __del__(self):
        self._gpu.leaked += self._bytes


class Stream:
    """cupy.cuda.Stream."""

    def __init__(self, gpu: Gpu, non_blocking: bool = False):
        self._gpu, self._before = gpu, []

    def __enter__(self):
        self._before.append(self._gpu.stream)
        self._gpu.stream = self
        return self

    def __exit__(self, *error):
        self._gpu.stream = self._before.pop()
        if self._gpu.tape is not None:
            raise Misuse("a stream is left capturing")

    def begin_capture(self):
        if self._gpu.stream is not self or self._gpu.tape is not None:
            raise Misuse("a stream must be the current one, and not capture yet, to begin with a capture")
        self._gpu.tape, self._gpu.pools = [], []

    def end_capture(self):
        tape, self._gpu.tape = self._gpu.tape, None
        return Graph(self._gpu, tape, self._gpu.pools)


class Graph:
    """What was written down between begin_capture and end_capture."""

    def __init__(self, gpu: Gpu, tape: list[Any], pools: list[Pool]):
        self._gpu, self._tape = gpu, tape
        for pool in pools:
            pool.graphs.add(self)

    def launch(self):
        self._gpu.counts.update(("launches", "graphs"))
        with np.errstate(all="ignore"):
            for work in self._tape:
                work()


# --- the module ----------------------------------------------------------------------------------------------


@cache
def _signature(name: str) -> inspect.Signature | None:
    """That of the real function, where there is one that tells."""
    real = getattr(cupy, name, None)
    return inspect.signature(real) if inspect.isfunction(real) else None


def kind_of(value: Any) -> Any:
    """What kind of argument it is, for others like it to be made: a place, type or "value", and what belongs to it."""
    if isinstance(value, (DeviceArray, np.ndarray)):
        place = "device" if isinstance(value, DeviceArray) else "host"
        return place, value.dtype.name, value.ndim, value.flags.c_contiguous
    if isinstance(value, (list, tuple)):
        return type(value), *dict.fromkeys(map(kind_of, value))
    if isinstance(value, (int, float, np.generic)) and not isinstance(value, bool):
        return (type(value),)
    return "value", value


class HostCupy:
    """Stands in for the module cupy; fresh memory is NaN or 85.

    Functions that it lacks, or that the installed cupy lacks or calls otherwise, are errors.
    """

    ndarray = DeviceArray
    float32, float64, int32, int64 = np.float32, np.float64, np.int32, np.int64

    def __init__(self, raw_module=None, count: int = 1):
        self.RawModule = raw_module
        self.gpu = gpu = Gpu()
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(id=0, synchronize=lambda: gpu.waits("synchronize()")),
            runtime=SimpleNamespace(
                getDeviceCount=lambda: count,
                getDeviceProperties=lambda index: {"name": b"a GPU played by the host"},
            ),
            MemoryPool=lambda: Pool(gpu),
            Stream=lambda non_blocking=False: Stream(gpu, non_blocking),
            using_allocator=self._using_allocator,
        )

    @contextmanager
    def _using_allocator(self, allocator):
        before, self.gpu.allocator = self.gpu.allocator, allocator
        try:
            yield
        finally:
            self.gpu.allocator = before

    def __getattr__(self, name):
        function, ufunc = getattr(_Functions, name, None), getattr(np, name, None)
        if name.startswith("_") or (cupy is not None and not hasattr(cupy, name)):
            raise AttributeError(f"cupy has no {name}")
        if function is None and not isinstance(ufunc, np.ufunc):
            raise AttributeError(f"{name} must be added to _Functions of host_cupy.py, with what arguments cupy takes")
        gpu, real, caller = self.gpu, _signature(name), sys._getframe(1)
        gpu.sites.add((caller.f_code.co_filename, caller.f_lineno, name))

        def call(*arguments, **options):
            if real is not None:
                real.bind(*arguments, **options)
            gpu.calls[name] += 1
            kinds = tuple(map(kind_of, arguments)), tuple((key, kind_of(a)) for key, a in options.items())
            gpu.kinds.add((name, *kinds))
            if function is None:
                return _ufunc(gpu, ufunc, *arguments, **options)
            return function(gpu, *arguments, **options)

        return call


def _need(name: str, *arrays: Any) -> None:
    for a in arrays:
        if not isinstance(a, DeviceArray):
            raise TypeError(f"{name}: {type(a).__name__} meets device arrays: copy it with xp.asarray first")


class _Functions:
    """The functions of the module, but for those that work number by number; gpu is the device they are called on."""

    @staticmethod
    def array(gpu, a, dtype=None):
        if isinstance(a, DeviceArray):
            return a.copy() if dtype is None else a.astype(dtype)
        if isinstance(a, (list, tuple)) and any(isinstance(x, DeviceArray) for x in a):
            raise TypeError("asarray: device arrays in a list")
        values = np.array(a, dtype, order="K")
        if gpu.tape is not None:
            raise Misuse("a copy from the host inside a capture: the graph would read what is there later")
        gpu.counts["uploads"] += 1
        gpu.takes(values.nbytes)
        return DeviceArray(values, gpu)

    @staticmethod
    def asarray(gpu, a, dtype=None):
        same = isinstance(a, DeviceArray) and (dtype is None or a.dtype == dtype)
        return a if same else _Functions.array(gpu, a, dtype)

    @staticmethod
    def ascontiguousarray(gpu, a, dtype=None):
        _need("ascontiguousarray", a)
        if a.flags.c_contiguous and (dtype is None or a.dtype == dtype):
            return a
        return gpu.makes(lambda: np.array(a._values, dtype, order="C"))

    @staticmethod
    def empty(gpu, shape, dtype=np.float64):
        values = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 85, dtype)
        gpu.takes(values.nbytes)
        return DeviceArray(values, gpu)

    @staticmethod
    def empty_like(gpu, a):
        _need("empty_like", a)
        return _Functions.empty(gpu, a.shape, a.dtype)

    @staticmethod
    def zeros(gpu, shape, dtype=np.float64):
        return gpu.makes(lambda: np.zeros(shape, dtype))

    @staticmethod
    def zeros_like(gpu, a):
        _need("zeros_like", a)
        return _Functions.zeros(gpu, a.shape, a.dtype)

    @staticmethod
    def ones(gpu, shape, dtype=np.float64):
        return gpu.makes(lambda: np.ones(shape, dtype))

    @staticmethod
    def full(gpu, shape, fill_value, dtype=None):
        return gpu.makes(lambda: np.full(shape, _plain(fill_value, "full"), dtype))

    @staticmethod
    def arange(gpu, *limits, dtype=None):
        for limit in limits:
            operator.index(limit)
        return gpu.makes(lambda: np.arange(*limits, dtype=dtype))

    @staticmethod
    def argsort(gpu, a, axis=-1, kind=None):
        return _Functions._sorted(gpu, "argsort", a, axis, kind)

    @staticmethod
    def sort(gpu, a, axis=-1, kind=None):
        return _Functions._sorted(gpu, "sort", a, axis, kind)

    @staticmethod
    def _sorted(gpu, name, a, axis, kind):
        _need(name, a)
        if kind not in (None, "stable"):
            raise ValueError(f"cupy.{name} has no kind but 'stable'; got '{kind}'")
        return gpu.makes(lambda: getattr(np, name)(a._values, axis, kind))

    @staticmethod
    def cumsum(gpu, a, axis=None, dtype=None):
        _need("cumsum", a)
        if (a.dtype if dtype is None else np.dtype(dtype)).kind == "f":
            raise Misuse("cumsum of floating-point numbers has other bits each time on a GPU")
        return gpu.makes(lambda: np.cumsum(a._values, axis, dtype))

    @staticmethod
    def searchsorted(gpu, a, v, side="left"):
        _need("searchsorted", a, v)
        return gpu.makes(lambda: np.searchsorted(a._values, v._values, side))

    @staticmethod
    def flatnonzero(gpu, a):
        _need("flatnonzero", a)
        gpu.waits("flatnonzero, whose length is known to the GPU alone,")
        return gpu.makes(lambda: np.flatnonzero(a._values))

    @staticmethod
    def concatenate(gpu, arrays, axis=0):
        _need("concatenate", *arrays)
        return gpu.makes(lambda: np.concatenate([a._values for a in arrays], axis))

    @staticmethod
    def stack(gpu, arrays, axis=0):
        _need("stack", *arrays)
        return gpu.makes(lambda: np.stack([a._values for a in arrays], axis))

    @staticmethod
    def take(gpu, a, indices, axis=None):
        _need("take", a, indices)
        return gpu.makes(lambda: np.take(a._values, indices._values, axis))

    @staticmethod
    def where(gpu, condition, x, y):
        _need("where", condition)
        return gpu.makes(lambda: np.where(condition._values, _plain(x, "where"), _plain(y, "where")))
