"""Blocks to workers and back: what is handed out, and what happens when one does not come back."""

import errno
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.batch.cluster import Connection
from femtms.batch.columns import FAILED
from femtms.batch.crew import Back, ClusterLost, Crew, Gone
from femtms.batch.dispatch import Dispatcher
from femtms.batch.failures import Failure, append, named, tell
from femtms.batch.journal import write_event
from femtms.batch.progress import Progress
from femtms.batch.rescue import Piece, Rescue
from femtms.batch.store import Store
from femtms.batch.worker import Done, Undone, Work, hold, run_block, run_cases
from femtms.errors import in_one_line

log = logging.getLogger("femtms")

_DEATHS = 3  # of workers at one block, after which the block is taken for the cause
_DEATHS_OF_A_PART = 2
_MOST_WRITE_FAILURES = 3  # in a row: then the disk is full, and nothing that is computed could be kept
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_ENDS_WORKERS = "each worker that computed it ended at once; most likely its memory was not enough"
_TOO_LARGE = (
    "each worker that set this head up ended at once; most likely its memory was not enough: use a larger size_mm"
)


@dataclass(frozen=True)
class _Task:
    """A whole block (piece None), some of its cases, or the set-up of its head (probe)."""

    block: int
    piece: Piece | None = None
    probe: bool = False


class Engine:
    """Runs the blocks that are to do on the workers of a cluster, until all are committed or have failed.

    A block that is lost with its worker is done again by another; one that ends several workers is taken apart, see
    Rescue.  The tasks that Dask knows of are no more than two for each worker, however large the study.
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
        self._crew = Crew(connection)
        self._store = store
        self._work = work
        self._dispatcher = Dispatcher(store.plan, todo)
        self._progress = progress
        self._show = show
        self._rescues: dict[int, Rescue] = {}
        self._urgent: list[_Task] = []
        self._deaths: Counter[_Task] = Counter()
        self._write_failures = 0
        self._warnings: set[str] = set()

    def run(self) -> None:
        """Until nothing is left.  Raises ClusterLost, and OSError when nothing can be written any more."""
        while len(self._dispatcher) or self._urgent or len(self._crew):
            gone, lost = self._crew.look()
            self._dispatcher.forget(gone)
            for task in lost:
                self._gone(task)
            self._progress.workers = len(self._crew.workers)
            self._hand_out()
            self._show()
            for back in self._crew.news():
                self._back(back)
        self._show()

    # --- out ---

    def _hand_out(self) -> None:
        """Everybody something, and then to those that work at ordinary blocks one more, so that they need not wait."""
        workers = self._crew.workers
        for worker in workers:
            if not self._crew.tasks(worker):
                block = None if self._urgent else self._dispatcher.next(worker)
                if self._urgent:
                    self._give(worker, self._urgent.pop(0))
                elif block is not None:
                    self._give(worker, _Task(block))
        for worker in workers:
            # near the end a block that waits for a worker is better done by one that is idle
            if len(self._dispatcher) < len(workers):
                return
            tasks = self._crew.tasks(worker)
            if len(tasks) == 1 and not self._is_suspect(tasks[0]):
                block = self._dispatcher.next(worker)
                assert block is not None
                self._give(worker, _Task(block))

    def _is_suspect(self, task: _Task) -> bool:
        """Whether it may end its worker, and must be alone there to be told from others."""
        return task.probe or task.piece is not None or self._deaths[task] > 0

    def _give(self, worker: str, task: _Task) -> None:
        if task.probe:
            self._crew.give(worker, task, hold, self._work, task.block)
        elif task.piece is not None:
            self._crew.give(worker, task, run_cases, self._work, task.block, task.piece.cases)
        else:
            self._crew.give(worker, task, run_block, self._work, task.block)

    # --- back ---

    def _back(self, back: Back) -> None:
        task, value = back.task, back.value
        if self._is_given_up(task):
            return
        if isinstance(value, Done):
            self._done(task, value)
        elif isinstance(value, Undone):
            self._undone(task, value)
        elif type(back.error).__name__ == "KilledWorker":  # Dask gave up before we looked
            self._gone(Gone(task, True))
        else:  # Dask could not call the function, or not bring back what it gave
            assert back.error is not None
            reason = f"unexpected {type(back.error).__name__} ({in_one_line(back.error, 300)})"
            self._undone(task, Undone(task.block, reason, fatal=isinstance(back.error, ImportError)))

    def _is_given_up(self, task: _Task) -> bool:
        """Whether this is a part of a block whose rescue an error has ended."""
        return (task.probe or task.piece is not None) and task.block not in self._rescues

    def _done(self, task: _Task, done: Done) -> None:
        self._write_failures = 0
        append(self._store.out, done.failures)
        for warning in done.warnings:
            if warning not in self._warnings:  # each worker tells it
                self._warnings.add(warning)
                log.warning("%s", warning)
                write_event(self._store.out, "warned", text=warning)
        if done.lost_head is not None:
            self._lose_head(task.block, done.lost_head)
        if task.probe:
            self._go_on_rescuing(task.block)
        elif task.piece is None:
            self._count(done.cases, sum(self._cases_of(line) for line in done.failures))
        else:
            assert done.values is not None
            self._rescues[task.block].solved(task.piece, done.values)
            self._go_on_rescuing(task.block)

    def _gone(self, gone: Gone) -> None:
        """A task is lost with its worker: once that may be anything, several times it is the task."""
        task = gone.task
        if self._is_given_up(task):
            return
        whole = task.piece is None and not task.probe
        if whole and self._store.is_committed(task.block):  # it was done, only the word of it is lost
            states = self._store.values(self._store.plan.block(task.block))[:, 0]
            self._count(len(states), int((states == FAILED).sum()))
            return
        if not gone.was_first:
            self._dispatcher.give_back(task.block)
            return
        self._deaths[task] += 1
        if self._deaths[task] < (_DEATHS if whole else _DEATHS_OF_A_PART):
            self._urgent.append(task)
        elif whole:
            log.warning("block %d ended the workers that tried it; it is tried in parts", task.block)
            block = self._store.plan.block(task.block)
            self._rescues[task.block] = Rescue(task.block, len(block), len(self._store.columns))
            self._urgent.append(_Task(task.block, probe=True))
        elif task.probe:
            self._lose_head(task.block, _TOO_LARGE)
            self._commit_failed(task.block, _TOO_LARGE)
        else:
            if self._rescues[task.block].ended_its_worker(task.piece):
                self._tell([Failure(task.block, task.piece.cases[0], "worker", _ENDS_WORKERS)])
            self._go_on_rescuing(task.block)

    def _go_on_rescuing(self, index: int) -> None:
        rescue = self._rescues[index]
        self._urgent += [_Task(index, piece) for piece in rescue.take()]
        if rescue.complete:
            del self._rescues[index]
            self._commit(index, rescue.values)

    def _undone(self, task: _Task, undone: Undone) -> None:
        """The block stays to do, for another run; when nothing can be written any more, all that is left does."""
        if undone.fatal:
            raise ClusterLost(undone.reason)
        no_room = undone.errno in _NO_ROOM
        reason = f"could not be written ({undone.reason})" if no_room else undone.reason
        self._tell([Failure(task.block, None, "write" if no_room else "worker", reason)])
        self._rescues.pop(task.block, None)
        self._urgent = [other for other in self._urgent if other.block != task.block]
        self._progress.failed += len(self._store.plan.block(task.block))
        self._write_failures = self._write_failures + 1 if no_room else 0
        if self._write_failures >= _MOST_WRITE_FAILURES:
            raise OSError(undone.errno, f"{undone.reason}, and so nothing that is computed could be kept")

    def _lose_head(self, index: int, reason: str) -> None:
        """The other blocks of a group that cannot be set up fail with it."""
        for other in self._dispatcher.drop(self._store.plan.group_of(index)):
            self._commit_failed(other, reason)

    def _commit_failed(self, index: int, reason: str) -> None:
        """All cases of a block fail with their head."""
        values = np.full((len(self._store.plan.block(index)), len(self._store.columns)), np.nan)
        values[:, 0] = FAILED
        self._tell([Failure(index, None, "head", reason)])
        self._commit(index, values)

    def _commit(self, index: int, values: np.ndarray) -> None:
        self._store.commit(self._store.plan.block(index), values)
        failed = int((values[:, 0] == FAILED).sum())
        write_event(self._store.out, "done", block=index, cases=len(values), failed=failed)
        self._count(len(values), failed)

    def _tell(self, failures: Sequence[Failure]) -> None:
        lines = [named(one, self._store.plan.block(one.block), self._store.design) for one in failures]
        tell(self._store.out, lines)
        append(self._store.out, lines)

    def _cases_of(self, line: dict[str, Any]) -> int:
        return len(self._store.plan.block(line["block"])) if line["case"] is None else 1

    def _count(self, cases: int, failed: int) -> None:
        self._progress.done += cases
        self._progress.failed += failed
