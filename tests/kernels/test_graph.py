"""A step that is recorded: what is run when, in which memory; and a GPU that cannot record computes all the same."""

import gc
import logging

import numpy as np
import pytest
from kernels.host_cuda import host_cuda
from kernels.host_cupy import HostCupy, Misuse

from femtms.kernels.graph import Recording
from femtms.solver.pcg import Iterates


@pytest.fixture
def xp():
    return HostCupy()


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="femtms")
    return caplog


class Step:
    """x = 2 x + 1, by way of an array of its own; counts how often the host goes through it."""

    def __init__(self, xp):
        self.xp, self.calls = xp, 0
        self.x = xp.zeros(3)

    def __call__(self):
        self.calls += 1
        twice = self.x * 2
        self.x[...] = twice + 1

    def times(self):
        """How often it was done."""
        (done,) = set(np.log2(self.x.get() + 1).tolist())
        return done


def test_a_step_is_recorded_once_and_launched_from_then_on(xp):
    step, recording = Step(xp), Recording(xp.cuda)
    for i in range(6):
        recording(step)
        assert step.times() == i + 1
    assert step.calls == 3  # twice as it is, and once for the record
    assert xp.gpu.counts["graphs"] == 4
    assert xp.gpu.allocator is None and xp.gpu.stream is None


def test_the_memory_of_a_graph_goes_when_the_graph_does(xp, monkeypatch):
    pools, new = [], xp.cuda.MemoryPool
    monkeypatch.setattr(xp.cuda, "MemoryPool", lambda: pools.append(new()) or pools[-1])
    step, recording = Step(xp), Recording(xp.cuda)
    for _ in range(4):
        recording(step)
    (pool,) = pools
    assert pool.total_bytes() == 2 * step.x.nbytes
    with pytest.raises(Misuse, match="there is a graph that works in its memory"):
        pool.free_all_blocks()
    del recording
    gc.collect()
    assert pool.total_bytes() == 0 and not list(pool.graphs)
    pools.clear()
    del pool
    assert xp.gpu.leaked == 0


def test_a_pool_that_is_just_dropped_keeps_its_memory(xp):
    with xp.cuda.using_allocator(xp.cuda.MemoryPool().malloc):
        xp.zeros(3)
    assert xp.gpu.leaked == 24


def refused(*arguments, **options):
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.fixture(params=["MemoryPool", "Stream", "begin_capture", "step", "end_capture"])
def unable(request, xp, monkeypatch):
    """A step on a GPU that cannot record it: it fails where the parameter says, after it has done half of its work."""
    step = Step(xp)
    if request.param in ("MemoryPool", "Stream"):
        monkeypatch.setattr(xp.cuda, request.param, refused)
    elif request.param == "step":
        whole = Step.__call__

        def half(self):
            whole(self)
            if xp.gpu.tape is not None:
                refused()

        monkeypatch.setattr(Step, "__call__", half)
    else:
        stream = type(xp.cuda.Stream())
        whole = getattr(stream, request.param)
        monkeypatch.setattr(stream, request.param, lambda self: (whole(self) and None, refused())[0])
        if request.param == "begin_capture":
            monkeypatch.setattr(stream, request.param, refused)
    return step


def test_what_cannot_be_recorded_is_run_as_it_is_and_a_warning_says_so(xp, unable, log):
    recording = Recording(xp.cuda)
    for i in range(5):
        recording(unable)
        assert unable.times() == i + 1  # once each time, the third as well
    assert xp.gpu.counts["graphs"] == 0
    assert xp.gpu.tape is None and xp.gpu.stream is None and xp.gpu.allocator is None
    (record,) = log.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "CuPy can record no CUDA graph (operation not permitted when stream is capturing), so kernels are launched "
        "one by one, which is slower"
    )
    assert xp.gpu.leaked == 0


def test_the_recordings_of_a_device_say_it_once(tmp_path, log, monkeypatch):
    on = host_cuda(tmp_path)
    monkeypatch.setattr(on.xp.cuda, "Stream", refused)
    for _ in range(3):
        recording, step = on.kernels.recording(), Step(on.xp)
        for _ in range(3):
            recording(step)
    assert len(log.records) == 1


@pytest.mark.parametrize("wrong, message", [
    (lambda xp, x: float(x[0]), "float.. makes the host wait inside a capture"),
    (lambda xp, x: x.get(), "get.. makes the host wait"),
    (lambda xp, x: x[x > 0], "a mask, whose length is known to the GPU alone, makes the host wait"),
    (lambda xp, x: xp.flatnonzero(x), "flatnonzero, .* makes the host wait"),
    (lambda xp, x: xp.cuda.Device().synchronize(), "synchronize.. makes the host wait"),
    (lambda xp, x: xp.asarray(np.ones(3)), "a copy from the host inside a capture"),
])  # fmt: skip
def test_a_graph_that_would_wait_or_copy_is_found_out(xp, wrong, message):
    x, recording = xp.ones(3), Recording(xp.cuda)

    def step():
        wrong(xp, x)

    recording(step), recording(step)
    with pytest.raises(Misuse, match=message):
        recording(step)
    assert xp.gpu.tape is None and xp.gpu.stream is None  # it is ended all the same


def test_memory_outside_a_pool_in_a_capture_is_found_out(xp):
    stream = xp.cuda.Stream(non_blocking=True)
    with pytest.raises(Misuse, match="memory is taken outside a pool"), stream:
        stream.begin_capture()
        try:
            xp.ones(3)
        finally:
            stream.end_capture()


def test_a_stream_that_is_left_capturing_is_found_out(xp):
    with pytest.raises(Misuse, match="left capturing"), xp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()


def test_the_step_of_conjugate_gradients_is_a_graph_that_gives_its_memory_back(tmp_path):
    """From the third iteration on, each is one launch; and no block of poses leaves memory behind."""
    from femtms import LayeredSphere, mesh_head
    from femtms.fem.p1 import P1
    from femtms.solver.potential import PotentialSolver

    on = host_cuda(tmp_path)
    mesh = mesh_head(LayeredSphere((66.0, 92.0), (2, 5)), 15.0)
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), on)
    solver = PotentialSolver.build(stiffness, None, on)
    b = np.random.default_rng(0).standard_normal((len(mesh.nodes), 3))
    iterations = solver.solve(on.xp.asarray(b - b.mean(axis=0)), 1e-6).iterations
    counts = on.xp.gpu.counts
    assert counts["graphs"] >= iterations.max() - 2 > 3
    before = counts["launches"]
    (iterates,) = solver.kept.values()
    assert isinstance(iterates, Iterates)
    iterates.step()
    assert counts["launches"] - before == 1
    del iterates
    solver.release()
    gc.collect()
    assert on.xp.gpu.leaked == 0
