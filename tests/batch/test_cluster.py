"""Studies on clusters: a scheduler and workers in processes of their own, TLS, and jobs of a made-up batch system."""

import datetime
import json
import os
import socket
import ssl
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security
from processes import (
    children,
    dask_cluster,
    finish,
    go_on,
    kill,
    run,
    start,
    undisturbed,
    values_of,
    wait_for_waiting,
    waiting_from,
    written,
)

from femtms.batch.cluster import ClusterChoice, Tls, connected, local_workers
from femtms.errors import FemtmsError

STUDY = """
name: clustered
heads: [{name: ball, sphere: [70, 85]}]
coils: [c1.ccd, c2.ccd]
places: [[0, 0, 85], [20, 0, 82], [0, 20, 82], [-20, 0, 82]]
towards: [0, 60, 60]
angles: {from: 0, to: 330, step: 30}
distances_mm: 5
options: {size_mm: 18}
results: {tissues: [gm]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return written(tmp_path_factory, STUDY)


@pytest.fixture(scope="module")
def expected(study):
    return values_of(undisturbed(study))


def address_in(file):
    return json.loads(file.read_text())["address"]


def test_workers_of_a_scheduler_give_the_same_bytes(study, expected, tmp_path):
    with dask_cluster(tmp_path) as (_, file):
        code, _, err = run("run", study, "-o", tmp_path / "out", "--scheduler-file", file, "--quiet")
        assert code == 0, err
        assert values_of(tmp_path / "out") == expected
    workers = {path.stem for path in (tmp_path / "out" / "journal").glob("*.jsonl")}
    assert len(workers) == 2


def test_a_scheduler_that_is_killed_costs_nothing(study, expected, tmp_path):
    out, folder = tmp_path / "out", tmp_path / "steps"
    with dask_cluster(tmp_path, env=waiting_from(folder, 2)) as (scheduler, file):
        process = start("run", study, "-o", out, "--scheduler-file", file, "--quiet")
        wait_for_waiting(folder, process)
        kill(scheduler.pid)
        go_on(folder)
        code, _, err = finish(process)
    assert code == 3
    assert "the Dask scheduler went away" in err and "--resume goes on" in err and "Traceback" not in err
    code, _, err = run("run", study, "-o", out, "--resume", "--workers", 1, "--quiet")
    assert code == 0, err
    assert values_of(out) == expected


def test_a_scheduler_that_is_not_there_is_told(study, tmp_path):
    code, _, err = run("run", study, "-o", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9", "--quiet")
    assert code == 2
    assert "there must be a Dask scheduler; it does not answer" in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


# --- TLS ---


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two certificates that know nothing of each other, each with its key."""
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("tls")
    return [_self_signed(folder, name) for name in ("ours", "theirs")]


def _self_signed(folder, name):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def of_dask(cert, key):
    return ("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key)


def of_femtms(cert, key):
    return ("--tls-ca", cert, "--tls-cert", cert, "--tls-key", key)


def test_only_who_has_a_certificate_gets_in(study, expected, certificates, tmp_path):
    ours, theirs = certificates
    with dask_cluster(tmp_path, 1, of_dask(*ours)) as (_, file):
        address = address_in(file)
        assert address.startswith("tls://")
        code, _, err = run("run", study, "-o", tmp_path / "out", "--scheduler", address, *of_femtms(*ours), "--quiet")
        assert code == 0, err
        assert values_of(tmp_path / "out") == expected
        code, _, err = run("run", study, "-o", tmp_path / "no", "--scheduler", address, *of_femtms(*theirs), "--quiet")
        assert code == 2 and "does not answer" in err
        code, _, err = run("run", study, "-o", tmp_path / "no2", "--scheduler", address, "--quiet")
        assert code == 2 and "a tls:// scheduler needs" in err


# --- a batch system ---

SBATCH = """#!{python}
import itertools, os, subprocess, sys
from pathlib import Path

folder = Path({folder!r})
number = next(i for i in itertools.count(1) if not (folder / f"job-{{i}}.sh").exists())
script = folder / f"job-{{number}}.sh"
script.write_text(Path(sys.argv[-1]).read_text())
job = subprocess.Popen(["bash", script], stdout=open(folder / f"job-{{number}}.log", "w"), stderr=subprocess.STDOUT,
                       stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder)
(folder / f"job-{{number}}.pid").write_text(str(job.pid))
print(f"Submitted batch job {{number}}")
"""

SCANCEL = """#!{python}
import os, signal, sys
from pathlib import Path

for number in sys.argv[1:]:
    try:
        os.killpg(int((Path({folder!r}) / f"job-{{number}}.pid").read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        pass
"""


@pytest.fixture
def batch_system(tmp_path):
    """sbatch and scancel that run jobs on this machine; the environment in which they are found."""
    pytest.importorskip("dask_jobqueue")
    folder = tmp_path / "jobs"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        command = folder / name
        command.write_text(text.format(python=sys.executable, folder=str(folder)))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    yield folder, {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    for file in folder.glob("*.pid"):
        kill(int(file.read_text()))


def test_jobs_of_slurm_compute_a_study(study, expected, batch_system, tmp_path):
    folder, environment = batch_system
    (tmp_path / "slurm.yaml").write_text(
        "jobs: 2\nqueue: gpu\naccount: tms\nmemory: 2GB\nwalltime: '00:10:00'\n"
        "interface: lo\njob_extra_directives: ['--gres=gpu:1']\n"
        f"local_directory: {tmp_path}\n"
    )
    code, _, err = run(
        *("run", study, "-o", tmp_path / "out", "--slurm", tmp_path / "slurm.yaml", "--quiet"), env=environment
    )
    assert code == 0, err
    assert values_of(tmp_path / "out") == expected
    scripts = sorted(folder.glob("job-*.sh"))
    assert len(scripts) == 2
    text = scripts[0].read_text()
    assert "--tls-key" in text and "BEGIN" not in text  # nobody else gets in, and no key is in a script
    assert not list((tmp_path / "out").glob(".femtms-*"))
    assert "#SBATCH -p gpu" in text and "#SBATCH -A tms" in text and "#SBATCH --gres=gpu:1" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("queue: gpu\n", "must have `jobs`"),
        ("jobs: 0\n", "must have `jobs`"),
        ("[1, 2]\n", "must have `jobs`"),
        ("jobs: 1\nno_such_thing: 3\nmemory: 1GB\n", "SLURMCluster refuses it"),
        ("jobs: !!python/object/apply:os.system ['true']\n", "must be YAML"),
        ("jobs: [\n", "must be YAML"),
    ],
)
def test_a_bad_file_of_jobs_is_told(content, said, tmp_path):
    pytest.importorskip("dask_jobqueue")
    (tmp_path / "slurm.yaml").write_text(content)
    with pytest.raises(FemtmsError, match=said), connected(ClusterChoice(slurm=tmp_path / "slurm.yaml"), 1, tmp_path):
        pass


# --- what is chosen ---


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"scheduler": "tcp://a:1", "workers": 2}, "a study runs in one place"),
        ({"scheduler": "http://a:1"}, "must be an address"),
        ({"workers": 0}, "at least 1"),
        ({"scheduler": "tls://a:1"}, "needs --tls-ca"),
    ],
)
def test_a_cluster_that_cannot_be_is_told(choice, said):
    with pytest.raises(FemtmsError, match=said):
        ClusterChoice(**choice)


def test_a_plain_address_and_certificates_are_a_mistake(tmp_path):
    with pytest.raises(FemtmsError, match="tls:// scheduler"):
        ClusterChoice(scheduler="tcp://a:1", tls=Tls(tmp_path, tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("cores", "memory", "need", "workers"),
    [(1, None, 1, 1), (4, None, 1, 1), (64, None, 1, 16), (64, 100, 50, 1), (64, 1000, 100, 9), (2, 10, 100, 1)],
)
def test_workers_fit_cores_and_memory(cores, memory, need, workers):
    assert local_workers(cores, memory, need) == workers


def test_a_machine_without_shared_memory_is_told(tmp_path, monkeypatch):
    def no_lock():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("multiprocessing.Lock", no_lock)
    with pytest.raises(FemtmsError, match=r"/dev/shm must be writable .*Permission denied"):
        with connected(ClusterChoice(workers=1), 1, tmp_path):
            pass


# --- who gets in ---


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A connection to two workers of this machine."""
    with connected(ClusterChoice(workers=2), 1, tmp_path_factory.mktemp("shared")) as connection:
        yield connection


def test_every_port_demands_a_certificate(private):
    addresses = listening([os.getpid(), *children(os.getpid())])
    assert len(addresses) >= 3  # the scheduler, and two workers with their nannies
    assert {host for host, _ in addresses} == {"127.0.0.1"}
    ours = private.client.security.get_connection_args("client")["ssl_context"]
    theirs = Security.temporary().get_connection_args("client")["ssl_context"]
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname, anonymous.verify_mode = False, ssl.CERT_NONE
    with_their_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with_their_certificate.check_hostname, with_their_certificate.verify_mode = False, ssl.CERT_NONE
    stranger = Security.temporary()
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "stranger.pem"
        pem.write_text(stranger.tls_client_key + stranger.tls_client_cert)
        with_their_certificate.load_cert_chain(pem)
    for address in addresses:
        assert answer(address, ours) != b""
        for stranger in (None, anonymous, with_their_certificate, theirs):
            assert answer(address, stranger) == b"", address


def answer(address, context):
    """What a port says to somebody with this TLS context, None for none: to a request of a web page, and to Dask."""
    with socket.create_connection(address, timeout=600) as connection:
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_hostname="dask-internal")
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(1000)
        except OSError:  # of TLS, too
            return b""


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_stranger_is_refused(private, protocol):
    information = private.client.scheduler_info(n_workers=-1)
    for address in (information["address"], *information["workers"]):
        assert address.startswith("tls://127.0.0.1:")
    security = Security.temporary() if protocol == "tls" else None
    address = information["address"].replace("tls", protocol)
    with pytest.raises((OSError, RuntimeError)):
        Client(address, security=security, timeout="3s", set_as_default=False)
    assert private.client.submit(sum, [1, 2], pure=False).result(timeout=600) == 3  # those inside go on


def test_nobody_else_can_look_into_the_folder_of_the_workers(private):
    folders = set(private.client.run(lambda dask_worker: dask_worker.local_directory).values())
    assert len(folders) == 2
    for folder in map(Path, folders):
        private_one = next(path for path in folder.parents if path.name.startswith(".femtms-"))
        assert stat.S_IMODE(private_one.stat().st_mode) == 0o700


def listening(processes):
    """(host, port) of all sockets on which these processes wait for others; other kinds of sockets must not wait."""
    inodes = set().union(*map(_sockets, processes))
    lines = [
        (name, line.split())
        for name in ("tcp", "tcp6", "unix")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    waiting_unix = [words for name, words in lines if name == "unix" and words[6] in inodes and words[3] == "00010000"]
    assert not waiting_unix
    found = []
    for name, words in lines:
        if name != "unix" and words[3] == "0A" and words[9] in inodes:
            assert name == "tcp"
            host, port = words[1].split(":")
            found.append((socket.inet_ntoa(bytes.fromhex(host)[::-1]), int(port, 16)))
    return found


def _sockets(pid):
    """Inodes of the sockets of a process."""
    links = (os.path.join(f"/proc/{pid}/fd", name) for name in os.listdir(f"/proc/{pid}/fd"))
    found = [os.readlink(link) for link in links if os.path.lexists(link)]
    return {link[8:-1] for link in found if link.startswith("socket:[")}
