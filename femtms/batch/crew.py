"""The workers of a cluster: what each has been given, what comes back, and who went away with what."""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from femtms.batch.cluster import Connection
from femtms.errors import FemtmsError, in_one_line

log = logging.getLogger("femtms")

_POLL_SECONDS = 0.5  # for which news is waited
_WORKERS_SECONDS = 1.0  # between two questions who is there: a thousand workers are a long list
_PATIENCE_SECONDS = 120.0  # without a worker, where Dask should start them again within seconds
_TELL_SECONDS = 600.0  # without a worker, where a batch system may take hours
_FETCH_SECONDS = 2.0  # for a result of a few kB


class ClusterLost(FemtmsError):
    """The scheduler went away, or all workers."""


@dataclass(frozen=True)
class Back:
    """A task that came back: with what it gave, or with its error."""

    task: Any
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Gone:
    """A task whose worker went away before it came back; first of those that the worker had, or one that waited there.

    Even the first may have been done, with only the word of it lost: what a worker is suspected of must be alone there.
    """

    task: Any
    was_first: bool


class Crew:
    """Workers by their address, each with the tasks that it has, the one that it works at first.

    A task stays with its worker.  Dask could move it, or do it again when its result is lost, but where the head of a
    task is, and whether it is committed already, we know better.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client
        self._connection = connection
        self._last_seen = time.monotonic()
        self._new: set[str] | None = None  # workers that came since the last look
        self._tasks: dict[str, dict[Any, Any]] = {}  # worker -> future -> task
        self._worker_of: dict[Any, str] = {}
        self._finished: queue.Queue[Any] = queue.Queue()
        self._asked = float("-inf")

    @property
    def workers(self) -> list[str]:
        """Those that are there."""
        return list(self._tasks)

    def tasks(self, worker: str) -> list[Any]:
        """What a worker has, the first given first."""
        return list(self._tasks[worker].values())

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

        Raises ClusterLost when the scheduler does not answer, or no worker comes back.
        """
        if time.monotonic() - self._asked < _WORKERS_SECONDS:
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
        # one that has just come gets nothing yet: if it ended now, Dask would not start another
        trusted = [worker for worker in there if self._new is None or worker in self._new]
        self._new = set(there)
        for worker in trusted:
            self._tasks.setdefault(worker, {})
        if there:
            self._last_seen = self._asked
        elif self._connection.may_come:
            if self._asked - self._last_seen > _TELL_SECONDS:
                self._last_seen = self._asked
                log.warning("%s: no worker has been there for %.0f minutes", self._connection.where, _TELL_SECONDS / 60)
        elif self._asked - self._last_seen > _PATIENCE_SECONDS:
            raise ClusterLost(f"{self._connection.where}: for {_PATIENCE_SECONDS:.0f} s there has been no worker")
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
        why = "" if error is None else f" ({in_one_line(error, 160)})"
        return ClusterLost(f"{self._connection.where}: the Dask scheduler went away{why}")
