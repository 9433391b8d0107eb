"""Progress of long stages on a terminal; nothing where there is none."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from femtms.stage import Stage


class _ConsoleHandler(logging.Handler):
    """Log lines through the console that draws the progress, so that neither garbles the other."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), style="dim", markup=False, highlight=False, soft_wrap=True)


class _Left(TimeRemainingColumn):
    """How much of a stage is done and the time left, where the stage can be counted."""

    def render(self, task: Task) -> Text:
        if not task.fields["counted"]:
            return Text()
        done = f"{task.completed:,.0f} of {task.total or 0:,.0f}"
        return Text(done) if task.finished else Text(f"{done}, left ") + super().render(task)


@contextmanager
def stages(quiet: bool) -> Iterator[Stage]:
    """A function that shows a named stage while its block runs; log lines of femtms go to stderr unless quiet."""
    console = Console(stderr=True, quiet=quiet)
    log = logging.getLogger("femtms")
    handler = _ConsoleHandler(console)
    previous = log.level
    log.addHandler(handler)
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(20),
        TimeElapsedColumn(),
        _Left(),
    )
    try:
        hidden = quiet or not console.is_terminal
        # blocks of poses come in bursts: the time left is from the mean over some minutes
        with Progress(*columns, console=console, disable=hidden, speed_estimate_period=300) as progress:

            @contextmanager
            def stage(name: str) -> Iterator[Callable[[int, int], None]]:
                task = progress.add_task(name, total=None, counted=False)

                def count(done: int, total: int) -> None:
                    progress.update(task, completed=done, total=total, counted=True)

                yield count
                if not progress.tasks[progress.task_ids.index(task)].fields["counted"]:
                    progress.update(task, total=1, completed=1)

            yield stage
    finally:
        log.removeHandler(handler)
        log.setLevel(previous)
