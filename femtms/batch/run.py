"""A study from its file to its results: begun, gone on with, ended."""

import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from femtms.batch.cluster import ClusterChoice, Connection, connected
from femtms.batch.columns import DONE, FAILED, NOT_DONE
from femtms.batch.crew import ClusterLost
from femtms.batch.engine import Engine
from femtms.batch.failures import write_failures
from femtms.batch.journal import FOLDER as JOURNAL
from femtms.batch.progress import Progress
from femtms.batch.provenance import provenance_of
from femtms.batch.store import FILES, STUDY, Store
from femtms.batch.tables import write_tables
from femtms.batch.worker import Work, device_of
from femtms.errors import FemtmsError
from femtms.io.files import check_out, made_folders, only_one, reason_of, whole_file
from femtms.io.result_models import checked
from femtms.io.summary import read_json
from femtms.stage import Stage, Timed, told
from femtms.study import read_study
from femtms.study.design import DIMS, Design
from femtms.study.estimate import estimate
from femtms.study.plan import Plan

log = logging.getLogger("femtms")

LOCK = ".run.lock"
STUDY_YAML = "study.yaml"  # as it was given
RUN = "run.json"  # who is at work, or was last
_SHOWN = 5  # failures in the summary; the file has all

Show = Callable[[Progress], None]


class StudyInterrupted(FemtmsError):
    """A run that ended before all its cases were done or had failed; what was committed is in the store."""


def run_study(
    study: str | Path | Design,
    out: str | Path,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    check_fields: bool = False,
    overwrite: bool = False,
    cluster: ClusterChoice | None = None,
    stage: Stage = told,
    show: Show | None = None,
) -> dict[str, Any]:
    """Compute the cases of a study into the folder `out`, and return a summary of how that went.

    study         its file, see `read_study`, or a Design
    resume        go on with the study that was begun in `out`: what is committed there is not computed again
    retry_failed  with that, compute the blocks with failed cases again, too
    check_fields  with that, read all fields that are kept, and compute the blocks of damaged or missing ones again
    overwrite     throw away the study that is in `out`
    cluster       where; None for workers of this machine
    stage, show   for progress displays: long stages, and how many cases are done

    The results are those of `femtms.batch.store.FILES`.  Whatever ends the run, the same call with resume goes on where
    it was, and ends in the same values, bit by bit.  Cases that fail do not stop the others: the summary counts them,
    and failures.jsonl says why.  Raises FemtmsError for a study that cannot begin and another one in `out`, and
    StudyInterrupted when the cluster goes away or nothing can be written any more.
    """
    out = Path(out)
    choice = cluster or ClusterChoice()
    timed = Timed(stage)
    with timed("read", "reading the study"):
        design = study if isinstance(study, Design) else read_study(study)
        file = None if isinstance(study, Design) else Path(study)
    if resume and overwrite:
        raise FemtmsError("a study is gone on with (--resume) or thrown away (--overwrite); got both")
    for given, option in ((retry_failed, "--retry-failed"), (check_fields, "--check-fields")):
        if given and not resume:
            raise FemtmsError(f"{option} goes with --resume")
    _check_begun(out, resume, overwrite)
    with made_folders(out), only_one(out / LOCK, _busy(out)), _announced(out):
        _check_begun(out, resume, overwrite)  # another run may have begun meanwhile
        with timed("hash", "hashing the inputs"):
            provenance = provenance_of(design, file)
        store: Store | None = None
        with ExitStack() as stack:
            if choice.is_local:  # when the workers are gone, however they ended, what they left goes, too
                stack.callback(lambda: None if store is None else store.tidy())
            if resume:
                store = Store.open(out).continued(design, provenance)
                todo = _to_do(store, retry_failed, check_fields)
                connection = _connected(stack, choice, design, out, timed) if todo.any() else None
                device = None if connection is None else _device(connection, choice.device, store)
            else:
                # first the cluster: nothing is begun, or thrown away, when there is none
                connection = _connected(stack, choice, design, out, timed)
                device = _device(connection, choice.device)
                provenance |= {"device_kind": device[0], "device": device[1]}
                store = Store.create(out, design, Plan.of(design), provenance, overwrite)
                if file is not None:
                    with whole_file(out / STUDY_YAML, overwrite=True) as path:
                        path.write_bytes(file.read_bytes())
                todo = np.ones(len(store.plan), dtype=bool)
            progress = Progress.of(store.plan, todo)
            lost: FemtmsError | OSError | None = None
            if connection is not None and device is not None:
                work = Work(str(out.resolve()), uuid.uuid4().hex, choice.device, device[0], connection.share)
                try:
                    _work(store, todo, connection, work, progress, timed, show)
                except (ClusterLost, OSError) as error:
                    lost = error
        with timed("tables", "writing the tables"):
            try:
                standing = write_failures(
                    out, lambda block: store.values(store.plan.block(block))[:, 0], len(store.plan)
                )
                if lost is None:
                    write_tables(store)
            except OSError as error:
                lost = lost or error
        if lost is not None:
            what = reason_of(lost) if isinstance(lost, OSError) else str(lost)
            raise StudyInterrupted(
                f"{what}; {out} keeps what was computed: femtms run --resume goes on from there"
            ) from lost
        states = store.states()
        return {
            "study": design.name,
            "out": str(out),
            "cases": design.cases,
            "done": int((states == DONE).sum()),
            "failed": int((states == FAILED).sum()),
            "not_done": int((states == NOT_DONE).sum()),
            "cases_in_this_run": progress.done - progress.began_with,
            "blocks": len(store.plan),
            "failures": len(standing),
            "first_failures": [_in_words(line) for line in standing[:_SHOWN]],
            "files": [name for name in FILES if (out / name).exists()],
            "seconds": {name: round(value, 3) for name, value in timed.seconds.items()},
        }


def _to_do(store: Store, retry_failed: bool, check_fields: bool) -> np.ndarray:
    """(blocks,) that are not done; those that are damaged are not."""
    store.tidy()
    for damaged in store.check(check_fields):
        log.warning("%s: block %d is damaged (%s); it is computed again", store.out, damaged.block, damaged.reason)
    todo: np.ndarray = ~store.committed()
    if retry_failed:
        states = store.states()
        todo |= [bool((states[store.plan.block(i).slices] == FAILED).any()) for i in range(len(store.plan))]
    return todo


def _connected(stack: ExitStack, choice: ClusterChoice, design: Design, out: Path, timed: Timed) -> Connection:
    with timed("workers", "starting the workers"):
        connection: Connection = stack.enter_context(connected(choice, int(estimate(design, 0).memory_bytes), out))
    if connection.dashboard is not None:
        log.info("dashboard: %s", connection.dashboard)
    return connection


def _device(connection: Connection, device: str, begun: Store | None = None) -> tuple[str, str]:
    """What the workers compute on: "cpu" or "cuda", and in words.

    Raises FemtmsError when that is another kind than the study was begun on, which would round differently.
    """
    found: tuple[str, str] = connection.client.submit(device_of, device, pure=False).result()
    before = found[0] if begun is None else begun.provenance.get("device_kind")
    if begun is not None and found[0] != before:
        raise FemtmsError(
            f"{begun.out}: the study was begun on {before}, and must go on there; the workers compute on {found[1]}: "
            f"use --device {before}"
        )
    return found


def _work(
    store: Store,
    todo: np.ndarray,
    connection: Connection,
    work: Work,
    progress: Progress,
    timed: Timed,
    show: Show | None,
) -> None:
    """Run what is to do.  Raises as Engine does."""
    (store.out / JOURNAL).mkdir(exist_ok=True)
    _write_run(store.out, {"where": connection.where, "dashboard": connection.dashboard})
    if progress.done:
        log.info("%s: going on after %s of %s cases", store.out, f"{progress.done:,}", f"{progress.cases:,}")
    with timed("cases", "cases") as count:

        def tell() -> None:
            count(progress.done, progress.cases, progress.note)
            if show is not None:
                show(progress)

        Engine(connection, store, work, todo, progress, tell).run()


def _in_words(line: dict[str, Any]) -> str:
    """A line of failures.jsonl for people."""
    names = [line.get(dim) for dim in DIMS[:5]]
    where = ", ".join(str(name) for name in names if name is not None)
    return f"{where}: {line.get('stage', '')}: {line.get('reason', '')}"


def _check_begun(out: Path, resume: bool, overwrite: bool) -> None:
    """Raise FemtmsError unless `out` is as the caller says."""
    check_out(out, (STUDY,), overwrite=True)
    there = (out / STUDY).exists()
    if resume and not there:
        raise FemtmsError(f"{out}: there is no study to go on with; leave --resume out to begin one")
    if there and not (resume or overwrite):
        raise FemtmsError(f"{out}: holds a study already; go on with it by --resume, or throw it away by --overwrite")


def _busy(out: Path) -> str:
    """The sentence for a second run."""
    there = read_run(out)
    who = f", process {there['process']} of {there['host']}" if "process" in there and "host" in there else ""
    return f"{out}: another femtms run is at work in this folder{who}; wait for it or choose another folder"


def read_run(out: Path) -> dict[str, Any]:
    """Who is at work, or was last; nothing where the file does not tell, which is of no importance for the results."""
    try:
        return checked(read_json(out / RUN, (), ""), _Run, out / RUN, "")
    except (OSError, FemtmsError):
        return {}


class _Run(BaseModel):
    model_config = ConfigDict(strict=True)
    host: str = ""
    process: Annotated[int, Field(ge=0, lt=2**63)] = 0
    began: Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)] = 0.0
    where: str | None = None
    dashboard: str | None = None


@contextmanager
def _announced(out: Path) -> Iterator[None]:
    """Say in `out` who is at work; not where no study comes of it."""
    _write_run(out, {"host": socket.gethostname(), "process": os.getpid(), "began": time.time()})
    try:
        yield
    finally:
        if not (out / STUDY).exists():
            (out / RUN).unlink(missing_ok=True)


def _write_run(out: Path, more: dict[str, Any]) -> None:
    """Who is at work, for `femtms status` and for a second run: of no importance for the results."""
    there = read_run(out) if "where" in more else {}
    with suppress(OSError), whole_file(out / RUN, overwrite=True) as path:
        path.write_text(json.dumps(there | more, indent=2) + "\n", encoding="utf-8")
