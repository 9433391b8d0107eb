"""How long blocks took and who did them, from what the workers wrote down."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from femtms.batch.report_numbers import Numbers
from femtms.io.names import printable
from femtms.report.table import Cell, Heading, Table
from femtms.study.plan import Plan

SLOWEST, MOST_WORKERS, MOST_WARNINGS = 20, 200, 200


@dataclass
class _Worker:
    device: str = ""
    blocks: int = 0
    cases: int = 0
    seconds: float = 0.0


@dataclass
class _Tally:
    workers: dict[str, _Worker] = field(default_factory=dict)
    slowest: list[tuple[float, int, int, float, str]] = field(default_factory=list)  # per case, block, cases, s, who
    warnings: dict[str, None] = field(default_factory=dict)  # in their order, each once


def journal_tables(numbers: Numbers, plan: Plan, lines: Iterable[Mapping[str, Any]]) -> list[Table]:
    """The slowest blocks by seconds for each case, the workers, and their warnings, where they were written down."""
    tally = _Tally()
    for line in lines:
        _count(tally, line, len(plan))
    warned = [Table.cut("warnings", "Warnings", (Heading("text"),), [[text] for text in tally.warnings], MOST_WARNINGS)]
    warned = warned if tally.warnings else []
    if not tally.workers:
        return warned
    slow: list[list[Cell]] = []
    for each, number, cases, seconds, worker in sorted(tally.slowest, reverse=True):
        block = plan.block(number)
        names = [numbers.names[dim][i] for dim, i in zip(("head", "conductivity", "option", "coil"), block.key)]
        first, last = (numbers.names["place"][i] for i in (block.places[0], block.places[1] - 1))
        slow.append([*names, first if first == last else f"{first} … {last}", cases, seconds, each, worker])
    workers: list[list[Cell]] = [
        [name, worker.device, worker.blocks, worker.cases, worker.seconds, worker.seconds / max(worker.cases, 1)]
        for name, worker in sorted(tally.workers.items())
    ]
    each_column = Heading("each", "s", "%.3g", "seconds for each case")
    amounts = (Heading("cases", "", "%d"), Heading("time", "s", "%.4g"), each_column)
    keys = tuple(Heading(text) for text in ("head", "conductivity", "option", "coil", "places"))
    by_block = (*keys, *amounts, Heading("worker"))
    by_worker = (Heading("worker"), Heading("device"), Heading("blocks", "", "%d"), *amounts)
    most = f"At most {SLOWEST}, by the time for each case."
    note = "Time of blocks, not of setting up heads."
    return [
        *warned,
        Table("slowest", "Slowest blocks", by_block, slow, most),
        Table.cut("workers", "Workers", by_worker, workers, MOST_WORKERS, note),
    ]


def _count(tally: _Tally, line: Mapping[str, Any], blocks: int) -> None:
    if line.get("event") == "warned" and isinstance(line.get("text"), str):
        tally.warnings[printable(line["text"], most=None)] = None
        return
    number, cases, seconds = line.get("block"), line.get("cases"), line.get("seconds")
    if line.get("event") != "done" or not isinstance(number, int) or not 0 <= number < blocks:
        return
    if not isinstance(cases, int) or not isinstance(seconds, int | float) or cases < 1:
        return
    name = printable(str(line.get("worker", "")))
    worker = tally.workers.setdefault(name, _Worker())
    worker.device = printable(str(line.get("device") or worker.device))
    worker.blocks += 1
    worker.cases += cases
    worker.seconds += seconds
    entry = (seconds / cases, number, cases, float(seconds), name)
    (heapq.heappush if len(tally.slowest) < SLOWEST else heapq.heappushpop)(tally.slowest, entry)
