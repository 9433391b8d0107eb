"""Damage at random: a file is read, or one sentence says why not, soon and in little memory."""

import io
import json
import os
import re
import subprocess
import sys
import zlib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from examples import limited

from femtms.cli.main import main

from .small_files import Result, said_no

MUTATIONS = 60
KINDS = (".nii", ".nii.gz", ".mgz", "msh22-ascii", "msh22-binary", "msh41-ascii", "msh41-binary")
KINDS += ("vtu-ascii", "vtu-binary", ".ccd", ".tcd", "coil.nii.gz", "pose.txt", "pose.npy")


def damaged(content, random):
    """The bytes with a few changed, cut off, removed or doubled; headers suffer more often."""
    content = bytearray(content)
    for _ in range(random.integers(1, 4)):
        reach = len(content) if random.random() < 0.4 else min(len(content), 400)
        at = int(random.integers(reach))
        kind = random.integers(6)
        if kind == 0:
            content[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            content[at] = int(random.integers(256))
        elif kind == 2:
            del content[at:]
        elif kind == 3:
            del content[at : at + int(random.integers(1, 20))]
        elif kind == 4:
            content[at:at] = content[at : at + int(random.integers(1, 20))]
        else:
            content[at : at + 4] = random.choice([b"\xff\xff\xff\x7f", b"\0\0\0\0", b"9999", b"-1e9", b"nan "])
        if not content:
            return b"\0"
    return bytes(content)


def results_of(kind, original, folder):
    """Codes, outputs and errors of commands on a file that is damaged again and again."""
    random = np.random.default_rng(zlib.crc32(kind.encode()))
    content = original.read_bytes()
    path = folder / f"damaged{''.join(original.suffixes)}"
    for _ in range(MUTATIONS):
        path.write_bytes(damaged(content, random))
        with limited():
            result = run("info", path)
            if result.code == 0 and kind in (".nii", ".nii.gz", ".mgz"):
                result = run("mesh", path, "-o", folder / "mesh.msh", "--size", "12", "--overwrite", "-q")
        yield result


def run(*arguments):
    """Run `femtms` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch("sys.argv", ["femtms", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
    return Result(code, out.getvalue(), err.getvalue())


def peak_kb():
    """Not ru_maxrss, which a process begins with that of its parent."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


if __name__ == "__main__":  # the process in which the memory is measured
    for line in sys.stdin:
        kind, original, folder = json.loads(line)
        before = peak_kb()
        results = [vars(result) for result in results_of(kind, Path(original), Path(folder))]
        print(json.dumps([results, peak_kb() - before]), flush=True)


@pytest.fixture(scope="module")
def reader():
    """A process that reads damaged files of a kind: results and growth of its memory in KiB."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    command = [sys.executable, "-m", "cli.test_fuzz"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )

    def read(kind, original, folder):
        process.stdin.write(json.dumps([kind, str(original), str(folder)]) + "\n")
        process.stdin.flush()
        results, grown = json.loads(process.stdout.readline())
        return [Result(**result) for result in results], grown

    with process:
        yield read
        process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_is_read_or_refused(kind, files, reader, tmp_path):
    results, grown = reader(kind, files[kind], tmp_path)
    assert len(results) == MUTATIONS
    for result in results:
        if result.code:
            said_no(result)
    assert 2 in [result.code for result in results]
    assert grown < 2**20, f"peak memory grew by {grown / 2**20:.1f} GiB"
