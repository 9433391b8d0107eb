"""Where a study is computed: workers of this machine, or those of a Dask cluster."""

import importlib.util
import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femtms.backend import backend
from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import existing_file, temporary_folder, text_of
from femtms.memory import available_memory

log = logging.getLogger("femtms")

_THREADS = 4  # more for one worker gain little: the memory does not deliver the matrices any faster
_MEMORY_SHARE = 0.9  # of what is free, for all workers of this machine together
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_FIRST_WORKER_SECONDS = 60

# What Dask's defaults are not made for: a worker that holds a head all the time, and blocks that must stay where their
# head is.
_CONFIG = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 2,
    # Dask has memory given back at once, and the page faults of each array that the solver makes would come again and
    # again: a third more time for a position
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.worker.profile.enabled": False,
    # a cluster of one machine would give up workers for good that are not there this long after one has ended
    "distributed.deploy.lost-worker-timeout": "30 days",
    "distributed.admin.large-graph-warning-threshold": "1GB",
}


@dataclass(frozen=True)
class Tls:
    """Files (PEM) for encrypted and authenticated connections to a cluster."""

    ca: Path
    cert: Path
    key: Path

    def security(self) -> Any:
        """For Dask: nothing is accepted that is not encrypted and signed by `ca`.  Raises FemtmsError."""
        from distributed.security import Security

        files = [str(existing_file(path).resolve()) for path in (self.ca, self.cert, self.key)]
        ca, cert, key = files
        return Security(
            tls_ca_file=ca,
            tls_client_cert=cert,
            tls_client_key=key,
            tls_scheduler_cert=cert,
            tls_scheduler_key=key,
            tls_worker_cert=cert,
            tls_worker_key=key,
            require_encryption=True,
        )


@dataclass(frozen=True)
class ClusterChoice:
    """At most one of scheduler, scheduler_file and slurm; with none, workers of this machine.

    scheduler       address of a Dask scheduler, tcp://… or tls://…
    scheduler_file  that such a scheduler has written
    slurm           YAML file with arguments of dask_jobqueue.SLURMCluster, and `jobs`: how many
    workers         how many on this machine; None for one for each GPU, else by cores and memory
    device          "auto", "cpu" or "cuda", for each worker
    tls             for clusters whose connections are encrypted

    Raises FemtmsError for two of them, or less than one worker.
    """

    scheduler: str | None = None
    scheduler_file: Path | None = None
    slurm: Path | None = None
    workers: int | None = None
    device: str = "auto"
    tls: Tls | None = None

    def __post_init__(self) -> None:
        given = {
            "--scheduler": self.scheduler,
            "--scheduler-file": self.scheduler_file,
            "--slurm": self.slurm,
            "--workers": self.workers,
        }
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise FemtmsError(f"a study runs in one place: give one of {', '.join(given)}; got {' and '.join(named)}")
        if self.workers is not None and self.workers < 1:
            raise FemtmsError(f"--workers must be at least 1; got {self.workers}")
        if self.scheduler is not None and not self.scheduler.startswith(("tcp://", "tls://")):
            raise FemtmsError(
                f"--scheduler must be an address, tcp://HOST:PORT or tls://HOST:PORT; got {self.scheduler!r}"
            )
        if (self.scheduler or "").startswith("tls://") and self.tls is None:
            raise FemtmsError("a tls:// scheduler needs --tls-ca, --tls-cert and --tls-key")
        if self.tls is not None and named in ([], ["--workers"]):
            raise FemtmsError(
                "--tls-ca, --tls-cert and --tls-key are for a cluster: --scheduler, --scheduler-file, --slurm"
            )
        if (self.scheduler or "").startswith("tcp://") and self.tls is not None:
            raise FemtmsError("--tls-ca, --tls-cert and --tls-key are for a tls:// scheduler; got a tcp:// address")

    @property
    def is_local(self) -> bool:
        """Whether this is workers of this machine."""
        return self.scheduler is None and self.scheduler_file is None and self.slurm is None


@dataclass(frozen=True)
class Share:
    """Bytes of memory and threads that a worker may take; None for what it finds."""

    memory_bytes: int | None = None
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class Connection:
    """A Dask client.

    where     its workers are, in words
    share     what each of them may take
    may_come  workers may come after hours, as a batch system likes
    """

    client: Any
    where: str
    share: Share = Share()
    may_come: bool = True

    @property
    def dashboard(self) -> str | None:
        """Its address, where the scheduler has one: that needs bokeh, and there is none where nobody else gets in."""
        if importlib.util.find_spec("bokeh") is None:
            return None
        if "dashboard" not in self.client.scheduler_info(n_workers=0).get("services", {}):
            return None
        return str(self.client.dashboard_link)


def local_workers(cores: int, memory: int | None, need: int) -> int:
    """How many workers a machine gets: one for every four cores, and no more than its memory has room for.

    memory  bytes that are free, None where nobody knows; need: bytes of one worker

    >>> local_workers(2, None, 2**30), local_workers(32, 2**36, 2**30), local_workers(32, 2**32, 2**30)
    (1, 8, 3)
    """
    by_memory = cores if memory is None else int(_MEMORY_SHARE * memory / max(need, 1))
    return max(1, min(cores // _THREADS, by_memory))


@contextmanager
def connected(choice: ClusterChoice, need: int, shared: Path) -> Iterator[Connection]:
    """A client of the cluster that is wanted; what was started for it ends with the block.

    need    bytes that one worker takes, to choose how many this machine has room for
    shared  a folder that all workers see: what jobs need to get in is put there, for our eyes only

    Raises FemtmsError when nobody answers, or a file is bad.
    """
    import dask
    import distributed  # noqa: F401  sets these levels itself, once

    for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they say of lost workers, we say in our words
    with dask.config.set(_CONFIG), _place(choice, need, shared) as connection:
        _await_worker(connection)
        yield connection


def _place(choice: ClusterChoice, need: int, shared: Path) -> AbstractContextManager[Connection]:
    if choice.is_local:
        return _on_this_machine(choice, need)
    return _at_scheduler(choice) if choice.slurm is None else _on_slurm(choice.slurm, choice.tls, shared)


def _await_worker(connection: Connection) -> None:
    from distributed import TimeoutError as DaskTimeout

    try:
        connection.client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
    except (TimeoutError, DaskTimeout):
        # a batch system may take hours
        log.warning("%s: no worker has come in %d s; waiting for the first", connection.where, _FIRST_WORKER_SECONDS)


@contextmanager
def _at_scheduler(choice: ClusterChoice) -> Iterator[Connection]:
    """A Dask scheduler that is there already."""
    from distributed import Client

    where = choice.scheduler or str(choice.scheduler_file)
    address: dict[str, Any] = {"address": choice.scheduler}
    if choice.scheduler_file is not None:
        address = {"scheduler_file": str(existing_file(choice.scheduler_file))}
    security = None if choice.tls is None else choice.tls.security()
    try:
        client = Client(**address, security=security, timeout="10s", set_as_default=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = in_one_line(error, 160)
        raise FemtmsError(f"{where}: there must be a Dask scheduler; it does not answer ({reason})") from error
    with client:
        yield Connection(client, where)


@contextmanager
def _on_this_machine(choice: ClusterChoice, need: int) -> Iterator[Connection]:
    """Workers of our own: one for each GPU, or as many as cores and memory allow."""
    from femtms.batch.private import private_cluster

    try:
        multiprocessing.Lock()  # as Dask's workers are started with; Linux keeps it in a file
    except OSError as error:
        raise FemtmsError(f"/dev/shm must be writable for the workers of a study; {in_one_line(error)}") from error
    chosen = backend(choice.device)
    if chosen.name == "cuda" and choice.workers is None:
        gpus = visible_gpus(chosen.xp.cuda.runtime.getDeviceCount(), os.environ.get(_VISIBLE))
        with private_cluster(0, [{_VISIBLE: gpu} for gpu in gpus]) as client:
            yield Connection(client, "one worker for each GPU of this machine", may_come=False)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = available_memory()
    workers = choice.workers or local_workers(cores, memory, need)
    share = Share(None if memory is None else int(_MEMORY_SHARE * memory / workers), max(1, cores // workers))
    with private_cluster(share.memory_bytes or 0, [{}] * workers) as client:
        yield Connection(client, f"{workers} worker{'s' * (workers > 1)} of this machine", share, may_come=False)


def visible_gpus(count: int, visible: str | None) -> list[str]:
    """What CUDA_VISIBLE_DEVICES must be for a worker on each of so many GPUs, of those that it names for this process.

    >>> visible_gpus(2, None), visible_gpus(2, "3,5"), visible_gpus(1, "MIG-7c")
    (['0', '1'], ['3', '5'], ['MIG-7c'])
    """
    names = [name.strip() for name in visible.split(",")] if visible else [str(i) for i in range(count)]
    return names[:count]


def _temporary_tls(folder: Path) -> Tls:
    """Certificates for one run, in a folder that its owner alone can read."""
    from distributed.security import Security

    made = Security.temporary()
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text(made.tls_client_cert)
    key.write_text(made.tls_client_key)
    return Tls(cert, cert, key)


@contextmanager
def _on_slurm(path: Path, tls: Tls | None, shared: Path) -> Iterator[Connection]:
    """The jobs that a file describes, as dask_jobqueue.SLURMCluster takes them.  Raises FemtmsError.

    Unless the file says `security: false`, nobody else gets in: with the certificates of `tls` or temporary ones.
    """
    import yaml
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    from femtms.batch.private import SilentScheduler, SilentWorker

    try:
        settings = yaml.safe_load(text_of(existing_file(path), "the description of a cluster must be text (YAML)"))
    except yaml.YAMLError as error:
        raise FemtmsError(f"{path}: must be YAML ({in_one_line(error, 160)})") from error
    if not isinstance(settings, dict) or type(settings.get("jobs")) is not int or settings["jobs"] < 1:
        raise FemtmsError(f"{path}: must have `jobs`, at least 1, and arguments of dask_jobqueue.SLURMCluster")
    jobs = settings.pop("jobs")
    # a worker is one process that uses the cores itself; several dask threads would share one head
    settings = {"cores": 1, "processes": 1, "worker_extra_args": ["--memory-limit", "0"], **settings}
    with ExitStack() as stack:
        if tls is None and settings.get("security", True) is True:
            folder = Path(settings.get("shared_temp_directory", shared))
            tls = _temporary_tls(stack.enter_context(temporary_folder(folder, private=True)))
        try:
            if tls is not None:
                silent = f"{SilentWorker.__module__}.{SilentWorker.__qualname__}"
                settings |= {"security": tls.security(), "protocol": "tls://"}
                settings.setdefault("scheduler_cls", SilentScheduler)
                settings["worker_extra_args"] = [*settings["worker_extra_args"], "--worker-class", silent]
            cluster = stack.enter_context(SLURMCluster(**settings))
        except (TypeError, ValueError) as error:
            raise FemtmsError(f"{path}: SLURMCluster refuses it: {in_one_line(error, 200)}") from error
        try:
            cluster.scale(jobs=jobs)
        except (RuntimeError, OSError) as error:
            raise FemtmsError(f"{path}: the jobs could not be submitted ({in_one_line(error, 200)})") from error
        yield Connection(stack.enter_context(Client(cluster, set_as_default=False)), f"SLURM jobs of {path}")
