"""The warnings of femtms as they are logged, for those who cannot see the terminal of a worker."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_MOST = 1000  # that are kept


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.heard and len(self.heard) < _MOST:
            self.heard.append(text)


@contextmanager
def warnings_heard() -> Iterator[list[str]]:
    """The warnings that the block logs, each once, as they come."""
    log = logging.getLogger("femtms")
    listener = _Listener()
    log.addHandler(listener)
    try:
        yield listener.heard
    finally:
        log.removeHandler(listener)
