"""Why cases failed, counted from failures.jsonl against the state of the cases."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from femtms.batch.columns import FAILED
from femtms.batch.report_numbers import Numbers
from femtms.io.names import printable
from femtms.report.table import Cell, Heading, Table
from femtms.study.design import DIMS
from femtms.study.plan import Plan

MOST_REASONS, MOST_FAILURES = 100, 200
_LONGEST_REASON = 1000  # characters
_OTHER = "other reasons"
_UNKNOWN = "no reason is recorded"


@dataclass(frozen=True)
class Failures:
    """by_reason: reasons that differ in numbers only are one; first: of the cases, in the order of the file."""

    by_reason: Table
    first: Table


def failure_tables(numbers: Numbers, plan: Plan, lines: Iterable[Mapping[str, Any]]) -> Failures | None:
    """Tables of the cases that are failed now; None where there are none.

    lines  of failures.jsonl.  Those of cases that were done later, and what is told twice, do not count.
    """
    untold = numbers.state == FAILED
    total = int(untold.sum())
    if not total:
        return None
    indices = {dim: {name: i for i, name in enumerate(numbers.names[dim])} for dim in DIMS}
    reasons: dict[str, list[Cell]] = {}
    first: list[list[Cell]] = []
    for line in lines:
        part = _part(line, indices, plan)
        cases = int(untold[part].sum()) if part is not None else 0
        if part is None or not cases:
            continue
        untold[part] = False
        reason = printable(str(line.get("reason") or _UNKNOWN), _LONGEST_REASON)
        stage = printable(str(line.get("stage") or ""))
        names: list[Cell] = [_name(line.get(dim)) for dim in DIMS]
        if first and (names, stage, reason) == (first[-1][:-3], *first[-1][-2:]):
            first[-1][-3] = int(first[-1][-3] or 0) + cases  # whole blocks, one after the other
        elif len(first) < MOST_FAILURES:
            first.append([*names, cases, stage, reason])
        key = _kind(reason)
        if key not in reasons and len(reasons) >= MOST_REASONS:
            key = _OTHER
        row = reasons.setdefault(key, [reason if key != _OTHER else _OTHER, stage, 0])
        row[2] = int(row[2] or 0) + cases
    rest = int(untold.sum())
    if rest:
        reasons[_UNKNOWN] = [_UNKNOWN, "", rest]
    rows = sorted(reasons.values(), key=lambda row: -int(row[2] or 0))
    why, at, number = Heading("reason"), Heading("stage"), Heading("cases", "", "%d")
    together = "Reasons that differ in numbers only are counted together, under the first."
    by_reason = Table("reasons", "Reasons", (why, at, number), rows, together)
    columns = (*(Heading(dim) for dim in DIMS), number, at, why)
    told = sum(int(row[-3] or 0) for row in first)
    note = f"These are {told:,} of {total:,} failed cases; failures.jsonl has all." if told < total else ""
    return Failures(by_reason, Table("failures", "Failed cases", columns, first, note))


def _part(line: Mapping[str, Any], indices: Mapping[str, Mapping[Any, int]], plan: Plan) -> tuple[Any, ...] | None:
    """Which cases a line is about; None where it names what is not in the study."""
    block = line.get("block")
    if line.get("place") is None and isinstance(block, int) and 0 <= block < len(plan):
        return plan.block(block).slices  # all cases of the block
    if line.get("head") is None:
        return None
    part: list[Any] = []
    for dim in DIMS:
        name = line.get(dim)
        if name is None:
            part.append(slice(None))
            continue
        index = indices[dim].get(name) if isinstance(name, str | int | float) else None
        if index is None:
            return None
        part.append(slice(index, index + 1))
    return tuple(part)


def _kind(reason: str) -> str:
    """A reason without its numbers."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", reason)


def _name(value: Any) -> Cell:
    if value is None:
        return "all"
    return f"{value:g}" if isinstance(value, float) else printable(str(value))
