"""How long stages are announced: a function that takes a name and gives a context manager for the stage.

What the context manager gives is a function to call with how much of the stage is done and how much there is to do,
such as `count(3, 100)`; only stages that can be counted call it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Stage = Callable[[str], AbstractContextManager[Any]]


def silent(name: str) -> AbstractContextManager[Any]:
    """Announces nothing."""
    return nullcontext(_uncounted)


def _uncounted(done: int, total: int) -> None:
    pass
