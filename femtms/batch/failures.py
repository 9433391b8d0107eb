"""failures.jsonl: which cases failed, at which stage, and why.

The lines are in the journals of those who saw it, written before the block is committed; the file gathers them.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femtms.batch.columns import DONE
from femtms.batch.journal import read_events, read_lines, write_event
from femtms.io.files import whole_file
from femtms.study.design import DIMS, Design
from femtms.study.plan import Block

FILE = "failures.jsonl"
FAILED_EVENT = "failed"


@dataclass(frozen=True)
class Failure:
    """Cases of a block that failed for one reason.

    case    its number in the block, None for all cases of the block
    stage   "head", "coil", "pose", "solve", "write" or "worker"
    reason  one sentence
    """

    block: int
    case: int | None
    stage: str
    reason: str


def joined(failures: Iterable[tuple[int, str, str]], block: Block) -> list[Failure]:
    """Failures (case, stage, reason) of a block; one line is enough where all cases have the same."""
    failures = list(failures)
    if len(failures) == len(block) > 1 and len({told[1:] for told in failures}) == 1:
        return [Failure(block.index, None, *failures[0][1:])]
    return [Failure(block.index, *told) for told in failures]


def named(failure: Failure, block: Block, design: Design) -> dict[str, Any]:
    """A failure as a line of the file: with the names of its case; what is not the same for all cases is null."""
    head, conductivity, option, coil = block.key
    names: dict[str, Any] = dict.fromkeys(DIMS)
    names |= {
        "head": design.heads[head].name,
        "conductivity": design.conductivities[conductivity].name,
        "option": design.options[option].name,
        "coil": design.coils[coil].name,
    }
    if failure.case is not None:
        place, angle, distance = block.positions[failure.case]
        names |= {
            "place": design.places[place].name,
            "angle": design.angles[angle],
            "distance": design.distances_mm[distance],
        }
    return asdict(failure) | names


def tell(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Keep lines in the journal of this process."""
    for line in lines:
        write_event(out, FAILED_EVENT, failure=line)


def append(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to the file as they come, for those who watch it; `write_failures` makes the final one."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with suppress(OSError), open(out / FILE, "ab", buffering=0) as file:  # of a full disk the exit code tells
        file.write(text.encode())


def read_failures(out: Path) -> list[dict[str, Any]]:
    """The lines of the file; none where there is none."""
    return list(read_lines(out / FILE))


def write_failures(out: Path, states: Callable[[int], np.ndarray], blocks: int | None = None) -> list[dict[str, Any]]:
    """Write the file anew from the journals, with what still stands, in the order of the blocks; its lines.

    states  gives the state (k,) of the cases of a block by its number.  A case that was done after it had failed is
            left out, and so are all but the last line of a case
    blocks  how many there are; what a journal says of others is left out
    """
    events = sorted((e for e in read_events(out) if e["event"] == FAILED_EVENT), key=lambda e: e["time"])
    last: dict[tuple[int, int | None], dict[str, Any]] = {}
    for line in (event["failure"] for event in events):
        block, case = line["block"], line["case"]
        if blocks is not None and block >= blocks:
            continue
        if case is None:  # of all cases: it takes the place of what was said of one, and the reverse
            last = {key: told for key, told in last.items() if key[0] != block}
        last.pop((block, None), None)
        last[block, case] = line
    states_of = {block: states(block) for block in sorted({block for block, _ in last})}
    standing = []
    for (block, case), line in sorted(
        last.items(), key=lambda item: (item[0][0], -1 if item[0][1] is None else item[0][1])
    ):
        not_done = states_of[block] != DONE
        if not_done.all() if case is None else case < len(not_done) and not_done[case]:
            standing.append(line)
    with whole_file(out / FILE, overwrite=True) as path:
        path.write_text("".join(json.dumps(line) + "\n" for line in standing), encoding="utf-8")
    return standing
