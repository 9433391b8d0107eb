"""Progress of long stages on a terminal; nothing where there is none."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from femtms.stage import Stage


class _ConsoleHandler(logging.Handler):
    """Log lines through the console that draws the progress, so that neither garbles the other."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), style="dim", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def stages(quiet: bool) -> Iterator[Stage]:
    """A function that shows a named stage while its block runs; log lines of femtms go to stderr unless quiet."""
    console = Console(stderr=True, quiet=quiet)
    log = logging.getLogger("femtms")
    handler = _ConsoleHandler(console)
    previous = log.level
    log.addHandler(handler)
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:

            @contextmanager
            def stage(name: str) -> Iterator[None]:
                task = progress.add_task(name, total=None)
                yield
                progress.update(task, total=1, completed=1)

            yield stage
    finally:
        log.removeHandler(handler)
        log.setLevel(previous)
