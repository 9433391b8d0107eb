"""Blocks to workers and back: what is handed out, and what happens when one does not come back."""

import errno
import logging
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from femtms.batch.cluster import Connection
from femtms.batch.columns import FAILED
from femtms.batch.dispatch import Dispatcher
from femtms.batch.failures import Failure, append, named, tell
from femtms.batch.journal import write_event
from femtms.batch.rescue import Piece, Rescue
from femtms.batch.store import Store
from femtms.batch.worker import Done, Work, hold, run_block, run_cases
from femtms.errors import FemtmsError
from femtms.study.plan import Plan

log = logging.getLogger("femtms")

_AHEAD = 2  # tasks of a worker: one that it works at, and one so that it need not wait for us
_POLL_SECONDS = 0.5
_WORKERS_SECONDS = 2.0
_MOST_WRITE_FAILURES = 3  # in a row: then the disk is full, and nothing that is computed could be kept
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


class ClusterLost(FemtmsError):
    """The scheduler went away; what was committed is in the store."""


@dataclass(frozen=True)
class _Task:
    """What a future stands for: a whole block (piece None), some of its cases, or the set-up of its head (probe)."""

    block: int
    worker: str
    piece: Piece | None = None
    probe: bool = False


@dataclass
class Progress:
    """How far a run is, for those who show it."""

    cases: int
    done: int
    failed: int = 0
    workers: int = 0
    began_with: int = 0
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, plan: Plan, todo: np.ndarray) -> "Progress":
        """At the begin of a run: todo (blocks,) are to do."""
        done = sum(len(plan.block(int(index))) for index in np.flatnonzero(~todo))
        return cls(prod(plan.shape), done, began_with=done)

    @property
    def rate(self) -> float | None:
        """Cases per second of this run; None before the first."""
        new = self.done - self.began_with
        return new / max(time.monotonic() - self.started, 1e-9) if new else None

    @property
    def note(self) -> str:
        """Rate, workers and failures in a few words."""
        rate = self.rate
        words = [] if rate is None else [f"{rate:.2g}/s" if rate < 100 else f"{rate:,.0f}/s"]
        words.append(f"{self.workers:,} worker{'s' * (self.workers != 1)}")
        return ", ".join(words + ([f"{self.failed:,} failed"] if self.failed else []))

    @property
    def seconds_left(self) -> float | None:
        """At this rate."""
        rate = self.rate
        return None if rate is None else (self.cases - self.done) / rate


class Engine:
    """Runs the blocks that are to do on the workers of a cluster, until all are committed or have failed.

    A block that is lost with its worker is done again by another; one that ends several workers is taken apart, see
    Rescue.  The futures that Dask knows of are no more than two for each worker, however large the study.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store,
        work: Work,
        todo: np.ndarray,
        progress: Progress,
        show: Callable[[], None],
    ) -> None:
        self._client = connection.client
        self._where = connection.where
        self._store = store
        self._work = work
        self._dispatcher = Dispatcher(store.plan, todo)
        self._progress = progress
        self._show = show
        self._finished: queue.Queue[Any] = queue.Queue()
        self._tasks: dict[Any, _Task] = {}
        self._at_work: dict[str, int] = {}  # tasks of each worker
        self._rescues: dict[int, Rescue] = {}
        self._urgent: list[Piece | int] = []  # pieces, and blocks whose head is to be probed
        self._write_failures = 0
        self._asked = -np.inf

    def run(self) -> None:
        """Until nothing is left.  Raises ClusterLost, and OSError when nothing can be written any more."""
        while self._dispatcher or self._urgent or self._tasks:
            self._look_for_workers()
            self._hand_out()
            self._show()
            for future in self._come_back():
                self._take(future)
        self._show()

    # --- out ---

    def _look_for_workers(self) -> None:
        """Who is there, at most every few seconds: a thousand workers are a long list."""
        if time.monotonic() - self._asked < _WORKERS_SECONDS and self._at_work:
            return
        self._asked = time.monotonic()
        try:
            there = set(self._client.nthreads())
        except Exception as error:  # of many kinds, by how the connection broke
            raise self._lost(error) from error
        gone = set(self._at_work) - there
        self._dispatcher.forget(gone)
        self._at_work = {worker: self._at_work.get(worker, 0) for worker in there}
        self._progress.workers = len(there)

    def _hand_out(self) -> None:
        for ahead in range(1, _AHEAD + 1):
            for worker, tasks in self._at_work.items():
                # near the end a block that waits for a worker is better done by one that is idle
                is_enough = ahead > 1 and len(self._dispatcher) < len(self._at_work)
                if tasks < ahead and not is_enough and not self._submit(worker):
                    return

    def _submit(self, worker: str) -> bool:
        """Give this worker something to do; whether there was anything."""
        task: _Task
        call: tuple[Any, ...]
        if self._urgent:
            urgent = self._urgent.pop(0)
            if isinstance(urgent, Piece):
                task, call = _Task(urgent.block, worker, urgent), (run_cases, self._work, urgent.block, urgent.cases)
            else:
                task, call = _Task(urgent, worker, probe=True), (hold, self._work, urgent)
        else:
            block = self._dispatcher.next(worker)
            if block is None:
                return False
            task, call = _Task(block, worker), (run_block, self._work, block)
        # pure=False: the same call may be made again after a failure
        future = self._client.submit(*call, workers=[worker], allow_other_workers=True, pure=False)
        self._tasks[future] = task
        self._at_work[worker] += 1
        future.add_done_callback(self._finished.put)
        return True

    # --- back ---

    def _come_back(self) -> list[Any]:
        """The futures that are done, after a while none."""
        try:
            futures = [self._finished.get(timeout=_POLL_SECONDS)]
        except queue.Empty:
            if self._client.status not in ("running", "connecting"):
                raise self._lost(None) from None
            return []
        while not self._finished.empty():
            futures.append(self._finished.get_nowait())
        return futures

    def _take(self, future: Any) -> None:
        from distributed import KilledWorker

        task = self._tasks.pop(future)
        if task.worker in self._at_work:
            self._at_work[task.worker] -= 1
        if future.status in ("cancelled", "lost"):
            raise self._lost(None)
        if future.status == "finished":
            self._done(task, future.result())
            return
        error = future.exception()
        if isinstance(error, KilledWorker):
            self._ended_its_workers(task)
        elif isinstance(error, OSError) and error.errno in _NO_ROOM:
            self._not_written(task, error)
        else:
            # a mistake of ours, most likely: the block stays to do, and the others go on
            reason = f"unexpected {type(error).__name__} ({' '.join(str(error).split())[:300]})"
            self._tell([Failure(task.block, None, "worker", reason)])
            self._progress.failed += len(self._store.plan.block(task.block))

    def _done(self, task: _Task, done: Done) -> None:
        self._write_failures = 0
        append(self._store.out, done.failures)
        if done.lost_head is not None:
            self._lose_head(task.block, done.lost_head)
        if task.probe:
            self._begin_rescue(task.block)
        elif task.piece is None:
            self._count(done.cases, sum(self._cases_of(line) for line in done.failures))
        else:
            assert done.values is not None
            self._rescues[task.block].solved(task.piece, done.values)
            self._go_on_rescuing(task.block)

    def _ended_its_workers(self, task: _Task) -> None:
        """Several workers in a row ended while they had this task: of a lack of memory, as a rule."""
        if task.probe:
            self._lose_head(task.block, _TOO_LARGE)
            block = self._store.plan.block(task.block)
            self._commit_failed(block.index, _TOO_LARGE, "head")
        elif task.piece is None:
            log.warning("block %d ended the workers that tried it; it is tried in parts", task.block)
            self._urgent.append(task.block)
        else:
            if self._rescues[task.block].ended_its_worker(task.piece):
                self._tell([Failure(task.block, task.piece.cases[0], "worker", _ENDS_WORKERS)])
            self._go_on_rescuing(task.block)

    def _begin_rescue(self, block: int) -> None:
        if block not in self._rescues:
            self._rescues[block] = Rescue(block, len(self._store.plan.block(block)), len(self._store.columns))
        self._go_on_rescuing(block)

    def _go_on_rescuing(self, block: int) -> None:
        rescue = self._rescues[block]
        self._urgent += rescue.take()
        if rescue.complete:
            self._store.commit(self._store.plan.block(block), rescue.values)
            failed = int((rescue.values[:, 0] == FAILED).sum())
            write_event(self._store.out, "done", block=block, cases=len(rescue.values), failed=failed)
            del self._rescues[block]
            self._count(len(rescue.values), failed)

    def _not_written(self, task: _Task, error: OSError) -> None:
        """The block stays to do."""
        self._write_failures += 1
        reason = f"could not be written ({error.strerror or error})"
        self._tell([Failure(task.block, None, "write", reason)])
        self._progress.failed += len(self._store.plan.block(task.block))
        if self._write_failures >= _MOST_WRITE_FAILURES:
            raise OSError(
                error.errno, f"{error.strerror}; nothing that is computed could be kept", str(self._store.out)
            )

    def _lose_head(self, block: int, reason: str) -> None:
        """The other blocks of a group that cannot be set up fail with it."""
        plan = self._store.plan
        for other in self._dispatcher.drop(block // len(plan.group_blocks(0))):
            self._commit_failed(other, reason, "head")

    def _commit_failed(self, index: int, reason: str, stage: str) -> None:
        block = self._store.plan.block(index)
        values = np.full((len(block), len(self._store.columns)), np.nan)
        values[:, 0] = FAILED
        self._tell([Failure(index, None, stage, reason)])
        self._store.commit(block, values)
        write_event(self._store.out, "done", block=index, cases=len(block), failed=len(block))
        self._count(len(block), len(block))

    def _tell(self, failures: Sequence[Failure]) -> None:
        lines = [named(one, self._store.plan.block(one.block), self._store.design) for one in failures]
        tell(self._store.out, lines)
        append(self._store.out, lines)

    def _cases_of(self, line: dict[str, Any]) -> int:
        return len(self._store.plan.block(line["block"])) if line["case"] is None else 1

    def _count(self, cases: int, failed: int) -> None:
        self._progress.done += cases
        self._progress.failed += failed

    def _lost(self, error: Exception | None) -> ClusterLost:
        why = "" if error is None else f" ({' '.join(str(error).split())[:160]})"
        return ClusterLost(
            f"{self._where}: the Dask scheduler went away{why}; {self._store.out} keeps what was computed: "
            f"femtms run --resume goes on from there"
        )


_ENDS_WORKERS = "each worker that computed it ended at once; most likely its memory was not enough"
_TOO_LARGE = (
    "each worker that set this head up ended at once; most likely its memory was not enough: use a larger size_mm"
)
