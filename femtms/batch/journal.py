"""What workers did and when: a file of lines for each of them, to read while they work and afterwards.

The store says what is done; the journal says how it came about, and losing it loses no result.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

log = logging.getLogger("femtms")

FOLDER = "journal"

_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Seconds = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]


class _Event(BaseModel):
    """What every line of a journal has."""

    model_config = ConfigDict(strict=True, extra="allow")
    time: _Seconds = 0.0
    worker: str = ""


class _Begun(_Event):
    event: Literal["begun"]
    block: _Count
    cases: _Count


class _Done(_Event):
    event: Literal["done"]
    block: _Count
    cases: _Count
    failed: _Count = 0
    seconds: _Seconds | None = None
    device: str | None = None


class _Failure(BaseModel):
    """As `femtms.batch.failures.named` makes it."""

    model_config = ConfigDict(strict=True, extra="allow")
    block: _Count
    case: _Count | None
    stage: str = ""
    reason: str = ""
    head: str | None = None
    conductivity: str | None = None
    option: str | None = None
    coil: str | None = None
    place: str | None = None


class _Failed(_Event):
    event: Literal["failed"]
    failure: _Failure


class _Warned(_Event):
    event: Literal["warned"]
    text: str


_LINE: TypeAdapter[Any] = TypeAdapter(Annotated[_Begun | _Done | _Failed | _Warned, Field(discriminator="event")])


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
    """The lines of all workers, file by file; what is no line of ours is left out, with a warning."""
    for path in sorted((out / FOLDER).glob("*.jsonl")):
        yield from read_lines(path, _event)


def _event(content: Any) -> dict[str, Any] | None:
    try:
        return dict(_LINE.validate_python(content).model_dump())
    except ValidationError:
        return None


def _object(content: Any) -> dict[str, Any] | None:
    return content if isinstance(content, dict) else None


def read_lines(path: Path, ours: Callable[[Any], dict[str, Any] | None] = _object) -> Iterator[dict[str, Any]]:
    """What `ours` makes of the lines of JSON of a file; lines of which it makes nothing are left out, with a warning.

    The last line is not missed while it is being written, or was when its writer was killed.
    """
    left_out = 0
    with suppress(OSError), open(path, "rb") as file:
        for line in file:
            try:
                content = json.loads(line)
            except (ValueError, RecursionError):
                content = None
            found = ours(content) if line.endswith(b"\n") else None
            if found is not None:
                yield found
            elif line.endswith(b"\n") and line.strip():
                left_out += 1
    if left_out:
        log.warning("%s: damaged or foreign lines: %s; they are left out", path, f"{left_out:,}")
