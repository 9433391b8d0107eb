"""How much memory there is, for refusing in words what would end in a crash."""

import os
from contextlib import suppress
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that this process can still take, as far as the system says; None where it does not.

    On Linux what is available without swapping, or what a container's limit leaves if that is less; elsewhere the
    installed memory.
    """
    bounds: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        line = next(row for row in Path("/proc/meminfo").read_text().splitlines() if row.startswith("MemAvailable:"))
        bounds.append(1024 * int(line.split()[1]))
    with suppress(OSError, ValueError):  # the word "max" where there is no limit
        group = _own_group()
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = next(
            int(row.split()[1]) for row in (group / "memory.stat").read_text().splitlines() if row.startswith("file ")
        )
        bounds.append(max(limit - used + cached, 0))
    with suppress(OSError, ValueError, AttributeError):
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(bounds, default=None)


def _own_group() -> Path:
    """The control group of this process, such as that of a job of a batch system; in a container it is the root."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        name = next(line[3:] for line in lines if line.startswith("0::"))
        own = _GROUP / name.lstrip("/")
        if (own / "memory.max").exists():
            return own
    return _GROUP
