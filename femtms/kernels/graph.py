"""Many small launches as one: a CUDA graph."""

import logging
import sys

from femtms.errors import in_one_line

log = logging.getLogger("femtms")

_PLAIN = 2  # calls before recording: the first compiles and loads what is launched, and some steps are not made often


class Recording:
    """Runs one step again and again, from its third call on as a CUDA graph, which the host launches as one.

    cuda    the module cupy.cuda
    warned  why recording failed before, of all recordings on a device: each reason is said once

    The step must launch the same work on the same memory each time, and wait for nothing.  What it allocates on the way
    comes from a pool of its own, which nobody else can take it from before the graph is gone; then it is given back.
    """

    def __init__(self, cuda, warned=None):
        self._cuda = cuda
        self._warned = set() if warned is None else warned
        self._pool = None
        self._graph = None
        self._calls = 0

    def __call__(self, step):
        """Run the step."""
        self._calls += 1
        if self._calls == _PLAIN + 1:
            self._record(step)
        if self._graph is None:
            step()
        else:
            self._graph.launch()

    def _record(self, step):
        reason = None
        try:
            self._pool = self._cuda.MemoryPool()
            self._graph = self._captured(step)
        except Exception as error:  # CuPy has many types; without a graph all works as well, if slower
            reason = in_one_line(error)
        # out of the handler: the error no longer holds on to arrays of the pool
        if reason is not None:
            self._give_back()
            if reason not in self._warned:
                self._warned.add(reason)
                log.warning(
                    "CuPy can record no CUDA graph (%s), so kernels are launched one by one, which is slower", reason
                )

    def _captured(self, step):
        stream = self._cuda.Stream(non_blocking=True)  # the default stream cannot be recorded
        with self._cuda.using_allocator(self._pool.malloc), stream:
            stream.begin_capture()
            try:
                step()
            finally:  # or the stream would go on recording
                graph = stream.end_capture()
        return graph

    def _give_back(self):
        """Drop the graph and then its memory, which a pool that is dropped would keep for ever."""
        self._graph = None
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.free_all_blocks()

    def __del__(self):
        if not sys.is_finalizing():  # CuPy may be gone by then, and the memory goes with the process
            self._give_back()
