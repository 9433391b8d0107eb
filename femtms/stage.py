"""How long stages are announced: a function that takes a name and gives a context manager for the stage.

What the context manager gives is a function to call with how much of the stage is done and how much there is to do,
such as `count(3, 100)`, and a few words to show beside it; only stages that can be counted call it.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Timer
from typing import Any

log = logging.getLogger("femtms")

_PATIENCE_S = 2.0  # after which people wonder whether anything happens

Stage = Callable[[str], AbstractContextManager[Any]]


def silent(name: str) -> AbstractContextManager[Any]:
    """Announces nothing."""
    return nullcontext(_uncounted)


@contextmanager
def told(name: str) -> Iterator[Any]:
    """Names a stage that takes longer than two seconds: in the log and, where nobody listens to it, at a prompt.

    What Python users see who do not pass a stage of their own.
    """
    timer = Timer(_PATIENCE_S, _tell, (name,))
    timer.daemon = True
    timer.start()
    try:
        yield _uncounted
    finally:
        timer.cancel()


def _tell(name: str) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("%s …", name)
    elif hasattr(sys, "ps1"):  # a prompt or a notebook
        print(f"femtms: {name} …", file=sys.stderr, flush=True)


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
