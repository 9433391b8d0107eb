"""How long stages are announced: a function that takes a name and gives a context manager for the stage."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Stage = Callable[[str], AbstractContextManager[Any]]


def silent(name: str) -> AbstractContextManager[Any]:
    """Announces nothing."""
    return nullcontext()
