"""A step that is recorded: what is run when, and that a GPU that cannot record computes all the same."""

import contextlib
import logging
from types import SimpleNamespace

import pytest

from femtms.kernels.graph import Recording


class PlayedCuda:
    """Stands in for cupy.cuda: between begin_capture and end_capture work is written down and not done."""

    def __init__(self):
        self.done, self.tape, self.pools = [], None, []
        self.allocator = None

    def work(self, name):
        (self.done if self.tape is None else self.tape).append((name, self.allocator))

    def Stream(self, non_blocking):
        assert non_blocking
        return PlayedStream(self)

    def MemoryPool(self):
        self.pools.append(SimpleNamespace(malloc=f"pool {len(self.pools)}"))
        return self.pools[-1]

    @contextlib.contextmanager
    def using_allocator(self, allocator):
        self.allocator = allocator
        yield
        self.allocator = None


class PlayedStream:
    def __init__(self, cuda):
        self.cuda, self.current = cuda, False

    def __enter__(self):
        self.current = True

    def __exit__(self, *error):
        self.current = False

    def begin_capture(self):
        assert self.current and self.cuda.tape is None
        self.cuda.tape = []

    def end_capture(self):
        tape, self.cuda.tape = self.cuda.tape, None
        return SimpleNamespace(launch=lambda: self.cuda.done.extend(tape))


def test_a_step_is_recorded_once_and_launched_from_then_on():
    cuda, calls = PlayedCuda(), []
    recording = Recording(cuda)

    def step():
        calls.append(len(cuda.done))
        for name in "abc":
            cuda.work(name)

    for _ in range(6):
        recording(step)
    assert [name for name, _ in cuda.done] == list("abc") * 6
    assert calls == [0, 3, 6]  # twice as it is, and once for the record
    assert [where for _, where in cuda.done] == [None] * 6 + ["pool 0"] * 12
    assert cuda.allocator is None and len(cuda.pools) == 1


@pytest.mark.parametrize("missing", ["Stream", "begin_capture", "step"])
def test_what_cannot_be_recorded_is_run_as_it_is(missing, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="femtms")
    cuda = PlayedCuda()

    def refused(*arguments, **options):
        raise RuntimeError("operation not permitted when stream is capturing")

    if missing == "Stream":
        monkeypatch.setattr(PlayedCuda, "Stream", refused)
    elif missing == "begin_capture":
        monkeypatch.setattr(PlayedStream, "begin_capture", refused)
    recording = Recording(cuda)

    def step():
        if missing == "step" and cuda.tape is not None:
            refused()
        cuda.work("a")

    for _ in range(5):
        recording(step)
    assert [name for name, _ in cuda.done] == ["a"] * 5
    said = [record.getMessage() for record in caplog.records]
    assert said == ["no CUDA graph, launches go one by one: operation not permitted when stream is capturing"]
