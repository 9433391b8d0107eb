"""The workers of a cluster: what each has been given, what comes back, and who went away with what."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from femtms.errors import FemtmsError

_POLL_SECONDS = 0.5  # for which news is waited
_WORKERS_SECONDS = 2.0  # between two questions who is there: a thousand workers are a long list
_FETCH_SECONDS = 10.0  # for a result of a few kB


class ClusterLost(FemtmsError):
    """The scheduler went away."""


@dataclass(frozen=True)
class Back:
    """A task that came back: with what it gave, or with its error."""

    task: Any
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Gone:
    """A task whose worker went away before it came back; the worker was at work on it, or it only waited there."""

    task: Any
    was_at_work: bool


class Crew:
    """Workers by their address, each with the tasks that it has, the one that it works at first.

    A task stays with its worker.  Dask could move it, or do it again when its result is lost, but where the head of a
    task is, and whether it is committed already, we know better.
    """

    def __init__(self, client: Any, where: str) -> None:
        self._client = client
        self._where = where
        self._tasks: dict[str, dict[Any, Any]] = {}  # worker -> future -> task
        self._worker_of: dict[Any, str] = {}
        self._finished: queue.Queue[Any] = queue.Queue()
        self._asked = float("-inf")

    @property
    def workers(self) -> list[str]:
        """Those that are there."""
        return list(self._tasks)

    def load(self, worker: str) -> int:
        """How many tasks a worker has."""
        return len(self._tasks[worker])

    def __len__(self) -> int:
        """How many tasks all of them have."""
        return len(self._worker_of)

    def give(self, worker: str, task: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a worker call a function; task is what comes back with the result."""
        # pure=False: the same call may be made again after a failure
        future = self._client.submit(function, *arguments, workers=[worker], pure=False)
        self._tasks[worker][future] = task
        self._worker_of[future] = worker
        future.add_done_callback(self._finished.put)

    def look(self) -> tuple[list[str], list[Gone]]:
        """The workers that went away since the last look, and the tasks that they had.

        Raises ClusterLost when the scheduler does not answer.
        """
        if time.monotonic() - self._asked < _WORKERS_SECONDS and self._tasks:
            return [], []
        self._asked = time.monotonic()
        try:
            there = self._client.nthreads()
        except Exception as error:  # of many kinds, by how the connection broke
            raise self._lost(error) from error
        gone = [worker for worker in self._tasks if worker not in there]
        lost = []
        for worker in gone:
            for position, (future, task) in enumerate(self._tasks.pop(worker).items()):
                del self._worker_of[future]
                future.release()
                lost.append(Gone(task, position == 0))
        for worker in there:
            self._tasks.setdefault(worker, {})
        return gone, lost

    def news(self) -> list[Back]:
        """What has come back since the last call; after a while without any, nothing.  Raises ClusterLost."""
        try:
            futures = [self._finished.get(timeout=_POLL_SECONDS)]
        except queue.Empty:
            if self._client.status not in ("running", "connecting"):
                raise self._lost(None) from None
            return []
        while not self._finished.empty():
            futures.append(self._finished.get_nowait())
        return [back for future in futures if (back := self._back(future)) is not None]

    def _back(self, future: Any) -> Back | None:
        worker = self._worker_of.get(future)
        if worker is None:  # of a worker that is gone
            return None
        if future.status in ("cancelled", "lost"):
            raise self._lost(None)
        value, error = None, None
        if future.status == "error":
            error = future.exception()
        else:
            try:
                value = future.result(timeout=_FETCH_SECONDS)
            except Exception:  # results lie on workers: this one went away with it, as the next look will tell
                self._asked = float("-inf")
                self._finished.put(future)
                return None
        del self._worker_of[future]
        task = self._tasks[worker].pop(future)
        future.release()
        return Back(task, value, error)

    def _lost(self, error: Exception | None) -> ClusterLost:
        why = "" if error is None else f" ({' '.join(str(error).split())[:160]})"
        return ClusterLost(f"{self._where}: the Dask scheduler went away{why}")
