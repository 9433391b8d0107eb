"""Which worker gets which block next: as few set-ups of heads as possible, and nobody idle while there is work."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from femtms.study.plan import Plan


class Dispatcher:
    """The blocks of a plan that are still to do, handed out one by one.

    A worker stays with its group (head, conductivity, option) while that has blocks: to set a group up takes as long as
    many blocks.  Then it takes the group where most is left for each worker, itself among them; of equal ones that
    whose mesh it has already.

    todo  (blocks,) which are to do
    """

    def __init__(self, plan: Plan, todo: np.ndarray) -> None:
        self._plan = plan
        self._waiting: dict[int, deque[int]] = {}
        self._group_of: dict[str, int] = {}
        self._workers_of: dict[int, int] = {}
        for group in range(plan.groups):
            blocks = plan.group_blocks(group)
            numbers = np.flatnonzero(todo[blocks.start : blocks.stop]) + blocks.start
            if len(numbers):
                self._waiting[group] = deque(numbers.tolist())
        self._left = int(np.count_nonzero(todo))

    def __len__(self) -> int:
        """How many blocks wait."""
        return self._left

    def next(self, worker: str) -> int | None:
        """The block that this worker is to do, or None when none waits."""
        group = self._group_of.get(worker)
        if group not in self._waiting:
            group = self._best_group(group)
            if group is None:
                return None
            self._join(worker, group)
        assert group is not None
        blocks = self._waiting[group]
        block = blocks.popleft()
        if not blocks:
            del self._waiting[group]
        self._left -= 1
        return block

    def give_back(self, block: int) -> None:
        """A block that was handed out and not done; it comes first."""
        self._waiting.setdefault(self._plan.group_of(block), deque()).appendleft(block)
        self._left += 1

    def drop(self, group: int) -> list[int]:
        """Take away the blocks of a group that wait, and say which."""
        blocks = list(self._waiting.pop(group, ()))
        self._left -= len(blocks)
        return blocks

    def forget(self, workers: Iterable[str]) -> None:
        """These workers are gone."""
        for worker in workers:
            group = self._group_of.pop(worker, None)
            if group is not None:
                self._workers_of[group] -= 1

    def _join(self, worker: str, group: int) -> None:
        self.forget([worker])
        self._group_of[worker] = group
        self._workers_of[group] = self._workers_of.get(group, 0) + 1

    def _best_group(self, before: int | None) -> int | None:
        mesh = None if before is None else self._mesh(before)

        def merit(group: int) -> tuple[float, bool, int]:
            share = len(self._waiting[group]) / (1 + self._workers_of.get(group, 0))
            return share, self._mesh(group) == mesh, -group

        return max(self._waiting, key=merit, default=None)

    def _mesh(self, group: int) -> tuple[int, int]:
        """Head and option, which the mesh depends on."""
        _, sigmas, options = self._plan.grid[:3]
        return group // (sigmas * options), group % options
