"""Zarr on a file system, where what is written is whole and on the disk, or not there."""

import asyncio
import os
import uuid
from pathlib import Path

from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore

from femtms.io.files import on_disk

PARTIAL = ".partial"  # suffix of what is being written, or was when its writer was killed


class SafeStore(LocalStore):
    """As Zarr's own, which writes a file beside its place and moves it there, and waits for the disk as well.

    Without that a power cut after the move can leave a file of the right name without its content.
    """

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file, whole or not at all, also when others write the same one meanwhile."""
        self._check_writable()
        await asyncio.to_thread(_put, self.root / key, value)

    def set_sync(self, key: str, value: Buffer) -> None:
        """The same."""
        self._check_writable()
        _put(self.root / key, value)


def _put(path: Path, value: Buffer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        with open(partial, "xb") as file:
            file.write(value.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    on_disk(path.parent)
