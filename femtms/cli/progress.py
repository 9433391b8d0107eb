"""Progress of long stages on a terminal; nothing where there is none."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from femtms.io.names import printable
from femtms.stage import Stage, told


class _ConsoleHandler(logging.Handler):
    """Log lines through the console that draws the progress, so that neither garbles the other."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        # what stands in files may be in it, and must not be obeyed by the terminal
        message = printable(record.getMessage(), most=None)
        self._console.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)


class _Left(ProgressColumn):
    """How much of a stage is done and the time left, where the stage can be counted."""

    def render(self, task: Task) -> Text:
        first = task.fields["first"]  # done when the stage began
        if first is None or task.total is None:
            return Text()
        done = f"{task.completed:,.0f} of {task.total:,.0f}{task.fields['note']}"
        if task.finished or task.completed <= first:
            return Text(done)
        # from the mean since the beginning: blocks of poses come in bursts
        left = (task.elapsed or 0.0) * (task.total - task.completed) / (task.completed - first)
        return Text(f"{done}, {timedelta(seconds=round(left))} left")


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
        with Progress(*columns, console=console, disable=hidden) as progress:

            @contextmanager
            def stage(name: str) -> Iterator[Callable[..., None]]:
                if hidden and not quiet:  # a file or a batch system's log: a line for what takes long
                    with told(name) as uncounted:
                        yield uncounted
                    return
                task = progress.add_task(name, total=None, first=None, note="")
                first: int | None = None

                def count(done: int, total: int, note: str = "") -> None:
                    nonlocal first
                    first = done if first is None else first
                    progress.update(task, completed=done, total=total, first=first, note=note and f", {note}")

                yield count
                if first is None:
                    progress.update(task, total=1, completed=1)

            yield stage
    finally:
        log.removeHandler(handler)
        log.setLevel(previous)
