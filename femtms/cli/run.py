"""Studies on the command line: run one, and see how it stands."""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from femtms.cli.interrupted import Interrupted
from femtms.cli.options import Debug, Device, Json, Overwrite, Quiet
from femtms.cli.progress import stages
from femtms.cli.show import say
from femtms.errors import FemtmsError
from femtms.extras import need_batch
from femtms.io.names import printable

log = logging.getLogger("femtms")

INCOMPLETE = 3  # exit code: the run came to its end, but some cases failed or are not done
_LONGEST_SECONDS = 10**10  # that are told: three hundred years
_LINE_SECONDS = 30.0  # between lines of progress where there is no terminal

Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a study.")]


def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="What to compute: see `femtms study init`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study that was begun in OUT.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: try blocks with failed cases again.")
    ] = False,
    check_fields: Annotated[
        bool,
        typer.Option("--check-fields", help="With --resume: read all kept fields, and compute damaged ones again."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="On this machine. (default: one for each GPU, else by cores and memory)"),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Dask scheduler to use: tcp://HOST:PORT or tls://HOST:PORT.")
    ] = None,
    scheduler_file: Annotated[
        Path | None, typer.Option("--scheduler-file", help="File that a Dask scheduler wrote.")
    ] = None,
    slurm: Annotated[
        Path | None, typer.Option("--slurm", help="YAML with `jobs` and what dask_jobqueue.SLURMCluster takes.")
    ] = None,
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="Certificate (PEM) that signed the cluster's.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Our certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="The key of our certificate (PEM).")] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a study: every combination of heads, coils, places, … of a file.  Stopped, it goes on with --resume.

    Exit code 0: all cases are done.  3: some failed or are not done, see OUT/failures.jsonl.  2: bad input.
    130: Ctrl-C, SIGTERM or SIGHUP; what was computed is kept.
    """
    need_batch("femtms run")
    from femtms.batch.cluster import ClusterChoice, Tls
    from femtms.batch.run import StudyInterrupted, run_study

    files = (tls_ca, tls_cert, tls_key)
    if any(files) and not all(files):
        raise FemtmsError("--tls-ca, --tls-cert and --tls-key go together; give all three")
    tls = Tls(*(file for file in files if file is not None)) if all(files) else None
    choice = ClusterChoice(scheduler, scheduler_file, slurm, workers, device, tls)
    with stages(quiet or json_) as stage:
        try:
            summary = run_study(
                study,
                out,
                resume=resume,
                retry_failed=retry_failed,
                check_fields=check_fields,
                overwrite=overwrite,
                cluster=choice,
                stage=stage,
                show=_lines(),
            )
        except StudyInterrupted as interrupted:
            print(f"femtms: error: {printable(str(interrupted), None)}", file=sys.stderr)
            raise typer.Exit(INCOMPLETE) from None
        except KeyboardInterrupt:
            if (out / "study.json").exists():
                raise Interrupted(f"{out} keeps what was computed: femtms run --resume goes on from there") from None
            raise
    if json_:
        say(json.dumps(summary, indent=2))
    elif not quiet:
        _print_summary(summary)
    if summary["done"] < summary["cases"]:
        raise typer.Exit(INCOMPLETE)


def status(
    out: Out,
    json_: Json = False,
    debug: Debug = False,
) -> None:
    """How a study stands: what is done, has failed and is left, who is at work and for how much longer."""
    need_batch("femtms status")
    from femtms.batch.status import study_status

    content = study_status(out)
    if json_:
        say(json.dumps(content, indent=2))
    else:
        say("\n".join(_status_lines(content)))


def _status_lines(content: dict[str, Any]) -> list[str]:
    shares = f"{content['done']:,} of {content['cases']:,} cases done"
    shares += f", {content['failed']:,} failed" if content["failed"] else ""
    shares += f", {content['left']:,} left" if content["left"] else ""
    lines = [f"{content['study']}: {shares}; {content['blocks_done']:,} of {content['blocks']:,} blocks"]
    if content["running"]:
        lines.append(f"at work: process {content['process']} of {content['host']}, {content['where'] or 'starting'}")
        if content["rate"]:
            left = timedelta(seconds=min(round(content["seconds_left"]), _LONGEST_SECONDS))
            lines.append(f"{content['rate']:.3g} cases/s, {left} left, {len(content['working'])} blocks in work")
        if content["dashboard"]:
            lines.append(f"dashboard: {content['dashboard']}")
    elif content["left"] and content["running"] is not None:
        lines.append(f"nobody is at work; `femtms run STUDY.yaml -o {content['out']} --resume` goes on")
    if content["failures"]:
        count = content["failures"]
        lines.append(f"failures: {content['out']}/failures.jsonl, {count:,} line{'s' * (count != 1)}")
    return lines


def _print_summary(summary: dict[str, Any]) -> None:
    say(
        f"{summary['study']}: {summary['done']:,} of {summary['cases']:,} cases done"
        + (f", {summary['failed']:,} failed" if summary["failed"] else "")
        + (f", {summary['not_done']:,} not done" if summary["not_done"] else "")
    )
    for failure in summary["first_failures"]:
        say(f"  {failure}")
    say(f"{summary['out']}: {', '.join(summary['files'])}")


def _lines() -> Callable[[Any], None]:
    """Lines of progress for a file or a batch system's log; a terminal has its own display."""
    last = time.monotonic()

    def show(progress: Any) -> None:
        nonlocal last
        if sys.stderr.isatty() or time.monotonic() - last < _LINE_SECONDS:
            return
        last = time.monotonic()
        left = progress.seconds_left
        words = "" if left is None else f", {timedelta(seconds=round(left))} left"
        log.info("%s of %s cases%s, %s", f"{progress.done:,}", f"{progress.cases:,}", words, progress.note)

    return show
