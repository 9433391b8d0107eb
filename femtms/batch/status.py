"""How a study stands, from its folder alone: while it runs, from another terminal, and afterwards."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from femtms.batch.columns import DONE, FAILED
from femtms.batch.failures import read_failures
from femtms.batch.journal import read_events
from femtms.batch.run import LOCK, RUN
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
    states = store.states()
    done, failed = int((states == DONE).sum()), int((states == FAILED).sum())
    cases = states.size
    run: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        run = json.loads((out / RUN).read_text(encoding="utf-8"))
    running = is_held(out / LOCK)
    began = run.get("began", 0.0) if running else np.inf
    finished = [event for event in read_events(out) if event["time"] >= began and event["event"] == "done"]
    working: dict[str, int] = {}
    for event in sorted((e for e in read_events(out) if e["time"] >= began), key=lambda event: event["time"]):
        if event["event"] == "begun":
            working[event["worker"]] = event["block"]
        elif event["event"] == "done":
            working.pop(event["worker"], None)
    rate = None
    if finished:
        rate = sum(event["cases"] for event in finished) / max(time.time() - began, 1e-9)
    left = cases - done - failed
    return {
        "study": store.design.name,
        "out": str(out),
        "cases": cases,
        "done": done,
        "failed": failed,
        "left": left,
        "blocks": len(store.plan),
        "blocks_done": int(store.committed().sum()),
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
