"""The errors that femtms raises on purpose: one clear sentence each."""

from collections.abc import Iterable
from typing import Any


class FemtmsError(ValueError):
    """Bad input or an impossible request; the message says what must be, what came and where."""


class NotConverged(FemtmsError):
    """The linear solver stopped short of the tolerance; no field is returned."""


class OutOfMemory(FemtmsError):
    """There is not enough memory for even one field on this mesh."""


class StudyFaults(FemtmsError):
    """All that is wrong with a study, each with where it is; nothing was started.

    faults  one sentence each, such as "study.yaml:12: coils[1]: there is no file 'A.ccd' in /data"
    """

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: an exception is made again from its arguments."""
        return StudyFaults, (self.faults,)


def in_one_line(error: BaseException, most: int | None = None) -> str:
    """What an error of a library says, in one line of at most so many characters; its type where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__
