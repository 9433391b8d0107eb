"""What a worker does with a block: have its head set up, solve it, commit it."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from femtms import core
from femtms.backend import backend
from femtms.batch.cluster import Share
from femtms.batch.columns import FAILED
from femtms.batch.failures import joined, named, tell
from femtms.batch.journal import worker_name, write_event
from femtms.batch.solve import Setup, Solved, set_up, solve_cases
from femtms.batch.store import Store
from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import reason_of
from femtms.study.plan import Block
from femtms.warned import warnings_heard

_told_before: set[str] = set()  # by this process: the same head may be set up again and again


@dataclass(frozen=True)
class Work:
    """Where the study is and what a worker may take: the same for all blocks of a run.

    out           folder of the study, which every worker can write
    run           name of this run: what a worker holds of another one is not used
    device        "auto", "cpu" or "cuda", and device_kind: which of the two that is, since they round differently
    share         memory and threads that a worker may take
    femtms        version of the client, which workers must have, too
    """

    out: str
    run: str
    device: str
    device_kind: str
    share: Share
    femtms: str = field(default_factory=lambda: version("femtms"))


@dataclass(frozen=True, eq=False)
class Done:
    """What a worker says of a block, or of some of its cases.

    failures  lines of failures.jsonl
    lost_head the head could not be set up, with the reason: its other blocks need not be tried
    values    (k, columns) of some cases; None of a whole block, which is committed already
    warnings  that were logged on the way and not told before: of heads, conductivities and poses
    """

    block: int
    cases: int
    failures: tuple[dict[str, Any], ...]
    lost_head: str | None = None
    values: np.ndarray | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Undone:
    """A task that an error ended, in words: exceptions with all that they refer to do not travel well.

    errno  of the operating system, where that refused to write
    fatal  no block of this run could be done by such a worker
    """

    block: int
    reason: str
    errno: int | None = None
    fatal: bool = False


class _Unfit(FemtmsError):
    """This worker is not one for this run."""


@dataclass(eq=False)
class _Held:
    """What this process keeps from block to block; the one mutable thing here, since a head is worth keeping."""

    run: str
    store: Store
    setup: Setup | None = None
    group: tuple[int, int, int] | None = None
    lost: str | None = None


_held: _Held | None = None
_alone = threading.Lock()  # a worker with several threads still has one head, and a block uses all cores


def run_block(work: Work, index: int) -> Done | Undone:
    """Solve a block and commit it."""
    return _told(index, lambda: _run_block(_held_for(work), work, index))


def run_cases(work: Work, index: int, cases: Sequence[int]) -> Done | Undone:
    """Solve some cases of a block, and give their values back: for a block that ended its workers."""
    return _told(index, lambda: _run_cases(_held_for(work), work, index, cases))


def hold(work: Work, index: int) -> Done | Undone:
    """Set up the head of a block, and nothing else: whether that ends the worker."""
    return _told(index, lambda: _hold(_held_for(work), work, index))


def _told(index: int, do: Callable[[], Done]) -> Done | Undone:
    """What a function gives, with what it warned of, or in words what ended it."""
    with _alone, warnings_heard() as heard:
        try:
            done = do()
            new = tuple(warning for warning in heard if warning not in _told_before)
            _told_before.update(new)
            return replace(done, warnings=new)
        except _Unfit as error:
            return Undone(index, str(error), fatal=True)
        except OSError as error:
            return Undone(index, reason_of(error), error.errno)
        except Exception as error:  # a mistake of ours, most likely; the other blocks go on
            return Undone(index, f"unexpected {type(error).__name__} ({in_one_line(error, 300)})")


def _run_block(held: _Held, work: Work, index: int) -> Done:
    block = held.store.plan.block(index)
    start = time.perf_counter()
    write_event(Path(work.out), "begun", block=index, cases=len(block))
    solved = _solved(work, held, block, None)
    lines = _lines(held, block, solved)
    tell(Path(work.out), lines)
    held.store.commit(block, solved.values, solved.fields)
    write_event(
        Path(work.out),
        "done",
        block=index,
        cases=len(block),
        failed=len(solved.failures),
        seconds=round(time.perf_counter() - start, 3),
        device=None if held.setup is None else held.setup.device,
    )
    return Done(index, len(block), tuple(lines), held.lost)


def _run_cases(held: _Held, work: Work, index: int, cases: Sequence[int]) -> Done:
    block = held.store.plan.block(index)
    solved = _solved(work, held, block, cases)
    lines = _lines(held, block, solved)
    tell(Path(work.out), lines)
    held.store.write_fields(block, solved.fields, cases)
    return Done(index, len(cases), tuple(lines), held.lost, solved.values)


def _hold(held: _Held, work: Work, index: int) -> Done:
    _hold_group(work, held, held.store.plan.block(index))
    return Done(index, 0, (), held.lost)


def device_of(device: str) -> tuple[str, str]:
    """ "cpu" or "cuda", and in words: what a worker computes on."""
    chosen = backend(device)
    return chosen.name, chosen.description


def _held_for(work: Work) -> _Held:
    """What this process holds for a run.  Raises _Unfit where it is not like the others of the run."""
    global _held
    if work.share.threads is not None:
        core.set_threads(min(work.share.threads, core.most_threads()))
    if _held is not None and _held.run == work.run:
        return _held
    me = worker_name()
    if work.femtms != version("femtms"):
        raise _Unfit(f"workers must have femtms {work.femtms}, as the client has; {me} has {version('femtms')}")
    kind, description = device_of(work.device)
    if kind != work.device_kind:
        raise _Unfit(f"the workers of a run must all compute on {work.device_kind}; {me} does on {description}")
    _held = None  # what is held of an earlier study goes first: two heads may be too many
    try:
        _held = _Held(work.run, Store.open(Path(work.out)))
    except FemtmsError as error:
        raise _Unfit(f"workers must see the study under the same path as the client; {me}: {error}") from error
    return _held


def _hold_group(work: Work, held: _Held, block: Block) -> None:
    """Have the Simulator of the block's group, or the reason why there is none."""
    if held.group == block.group:
        return
    previous, held.setup, held.group, held.lost = held.setup, None, None, None
    try:
        held.setup = set_up(held.store.design, block.group, work.device, work.share.memory_bytes, previous)
        held.store.field_group(block.key[0], block.key[2], held.setup.geometry)
    except FemtmsError as error:
        held.lost = str(error)
    except OSError:  # the disk, and not the head
        raise
    except Exception as error:  # once for the head, and not once for each of its blocks
        held.lost = f"unexpected {type(error).__name__} ({in_one_line(error, 300)})"
    held.group = block.group


def _solved(work: Work, held: _Held, block: Block, cases: Sequence[int] | None) -> Solved:
    _hold_group(work, held, block)
    numbers = range(len(block)) if cases is None else cases
    if held.setup is None:
        assert held.lost is not None
        values = np.full((len(numbers), len(held.store.columns)), np.nan)
        values[:, 0] = FAILED
        return Solved(values, [(case, "head", held.lost) for case in numbers], {})
    return solve_cases(held.setup, held.store.design, block, numbers)


def _lines(held: _Held, block: Block, solved: Solved) -> list[dict[str, Any]]:
    return [named(failure, block, held.store.design) for failure in joined(solved.failures, block)]
