"""Many small launches as one: a CUDA graph."""

import logging

from femtms.errors import in_one_line

log = logging.getLogger("femtms")

_PLAIN = 2  # calls before recording: the first compiles and loads what is launched, and some steps are not made often


class Recording:
    """Runs one step again and again, from its third call on as a CUDA graph, which the host launches as one.

    cuda  the module cupy.cuda

    The step must launch the same work on the same memory each time, and wait for nothing.  What it allocates on the way
    comes from a pool of its own, which nobody else can take it from before the graph is gone.
    """

    def __init__(self, cuda):
        self._cuda = cuda
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
        try:
            self._pool = self._cuda.MemoryPool()
            stream = self._cuda.Stream(non_blocking=True)  # the default stream cannot be recorded
            with self._cuda.using_allocator(self._pool.malloc), stream:
                stream.begin_capture()
                try:
                    step()
                finally:
                    graph = stream.end_capture()
            self._graph = graph
        except Exception as error:  # CuPy has many types; without a graph all works as well, if slower
            self._pool = None
            log.info("no CUDA graph, launches go one by one: %s", in_one_line(error))
