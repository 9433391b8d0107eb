"""What workers did and when: a file of lines for each of them, to read while they work and afterwards.

The store says what is done; the journal says how it came about, and losing it loses no result.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "journal"


def worker_name() -> str:
    """Of this process: host and process number."""
    return f"{socket.gethostname()}-{os.getpid()}"


def write_event(out: Path, event: str, **details: Any) -> None:
    """Append a line; a disk that is full costs the line, not the result."""
    name = worker_name()
    line = {"event": event, "time": round(time.time(), 3), "worker": name} | details
    with suppress(OSError), open(out / FOLDER / f"{name}.jsonl", "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def read_events(out: Path) -> Iterator[dict[str, Any]]:
    """The lines of all workers, file by file; those that a kill has torn are left out."""
    for path in sorted((out / FOLDER).glob("*.jsonl")):
        yield from read_lines(path)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of lines of JSON; what is none is left out."""
    with suppress(OSError), open(path, "rb") as file:
        for line in file:
            with suppress(ValueError):
                content = json.loads(line)
                if line.endswith(b"\n") and isinstance(content, dict):
                    yield content
