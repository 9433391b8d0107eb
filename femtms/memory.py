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
        limit, used = (int((_GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = next(
            int(row.split()[1]) for row in (_GROUP / "memory.stat").read_text().splitlines() if row.startswith("file ")
        )
        bounds.append(max(limit - used + cached, 0))
    with suppress(OSError, ValueError, AttributeError):
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(bounds, default=None)
