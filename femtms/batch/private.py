"""A Dask cluster that only its client can reach: whoever reaches a Dask port can run programs as its owner.

Loopback alone does not do it, since all users of a machine share it.
"""

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster, Worker
from distributed.security import Security

from femtms.io.files import temporary_folder

_LOOPBACK = "127.0.0.1"


class _NoHttp:
    """Dask starts a server of web pages in any case, on a port that asks nobody who they are."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Do not."""


class SilentScheduler(_NoHttp, Scheduler):
    """A scheduler without web pages."""


class SilentWorker(_NoHttp, Worker):
    """A worker without web pages."""


def _start_tracker() -> None:
    """Start the process that tidies after Python's others with SIGHUP blocked, as it has SIGINT and SIGTERM itself.

    A connection that breaks would end it, and its successor would complain of what it knows nothing about.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def private_cluster(memory_bytes: int, environments: Sequence[Mapping[str, str]]) -> Iterator[Client]:
    """A client of workers of this machine, one for each of the environments, that end with the block.

    memory_bytes   at which a worker is ended and started again; 0 for never
    environments   variables that a worker has besides those of this process

    All connections need a certificate that exists only in the memory of these processes, and the folder in which
    workers may put files can be read by their owner alone.
    """
    _start_tracker()
    security = Security.temporary()
    own: dict[str, Any] = {"host": _LOOPBACK, "protocol": "tls://", "security": security}
    with (
        temporary_folder(Path(gettempdir()), private=True) as scratch,
        dask.config.set({"temporary-directory": str(scratch)}),  # the scheduler's
    ):
        options = own | {
            "nthreads": 1,  # a block uses the cores itself
            "memory_limit": memory_bytes,
            "local_directory": str(scratch),
            "worker_class": SilentWorker,
            "dashboard": False,
            "silence_logs": logging.CRITICAL,
        }
        workers = {
            i: {"cls": Nanny, "options": options | {"env": dict(environment)}}
            for i, environment in enumerate(environments)
        }
        with (
            SpecCluster(
                workers,
                {"cls": SilentScheduler, "options": own | {"dashboard": False}},
                security=security,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
