"""How a study stands, from its folder alone: while it runs, from another terminal, and afterwards."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from femtms.batch.failures import read_failures
from femtms.batch.journal import read_events
from femtms.batch.run import LOCK, read_run
from femtms.batch.store import Store
from femtms.io.files import is_held


def study_status(out: str | Path) -> dict[str, Any]:
    """How many cases are done, have failed and are left; who is at work, how fast, and for how much longer.

    rate          cases per second of the run that is at work, and seconds_left at this rate; None where nobody is
    working       worker -> the block that it has begun
    running       whether a run holds the lock of the folder; file systems without locks do not tell: None

    Raises FemtmsError for a folder without a study.
    """
    out = Path(out)
    store = Store.open(out)
    plan = store.plan
    committed = store.committed()
    run = read_run(out)
    running = is_held(out / LOCK)
    began = run.get("began", 0.0) if running else np.inf
    failed_of: dict[int, int] = {}  # block -> cases of it that failed when it was done last
    working: dict[str, int] = {}
    finished: set[int] = set()  # blocks of this run
    for event in sorted(read_events(out), key=lambda event: event["time"]):
        if event.get("block", 0) >= len(plan):
            continue
        now = event["time"] >= began
        if event["event"] == "done":
            failed_of[event["block"]] = event["failed"]
            working.pop(event["worker"], None)
            finished |= {event["block"]} if now else set()
        elif event["event"] == "begun" and now:
            # a block that another begins was lost with the worker that had it
            working = {worker: block for worker, block in working.items() if block != event["block"]}
            working[event["worker"]] = event["block"]
    working = {worker: block for worker, block in working.items() if not committed[block]}
    ended = sum(len(plan.block(int(index))) for index in np.flatnonzero(committed))
    failed = sum(failed for block, failed in failed_of.items() if committed[block])
    rate = None
    if finished:
        rate = sum(len(plan.block(index)) for index in finished) / max(time.time() - began, 1e-9)
    left = store.design.cases - ended
    return {
        "study": store.design.name,
        "out": str(out),
        "cases": store.design.cases,
        "done": ended - failed,
        "failed": failed,
        "left": left,
        "blocks": len(plan),
        "blocks_done": int(committed.sum()),
        "running": running,
        "host": run.get("host"),
        "process": run.get("process"),
        "where": run.get("where"),
        "dashboard": run.get("dashboard") if running else None,
        "rate": rate,
        "seconds_left": left / rate if rate else None,
        "working": working,
        "failures": len(read_failures(out)),
    }
