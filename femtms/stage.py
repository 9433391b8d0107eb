"""How long stages are announced: a function that takes a name and gives a context manager for the stage.

What the context manager gives is a function to call with how much of the stage is done and how much there is to do,
such as `count(3, 100)`, and a few words to show beside it; only stages that can be counted call it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

Stage = Callable[[str], AbstractContextManager[Any]]


def silent(name: str) -> AbstractContextManager[Any]:
    """Announces nothing."""
    return nullcontext(_uncounted)


def _uncounted(done: int, total: int, note: str = "") -> None:
    pass


class Timed:
    """Announces stages and keeps how long each took: `with timed("mesh", "meshing"): ...`, then `timed.seconds`."""

    def __init__(self, stage: Stage) -> None:
        self.seconds: dict[str, float] = {}
        self._stage = stage

    @contextmanager
    def __call__(self, key: str, title: str) -> Iterator[Any]:
        """Announce `title`, give what counts it, and keep the seconds as `key`."""
        start = time.perf_counter()
        with self._stage(title) as count:
            yield count
        self.seconds[key] = time.perf_counter() - start
