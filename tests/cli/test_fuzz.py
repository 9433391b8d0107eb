"""Damage at random: a file is read, or one sentence says why not, soon and in little memory."""

import resource
import signal
import sys
import zlib

import numpy as np
import pytest

from .small_files import said_no

MUTATIONS = 60
SECONDS = 20
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


def _too_slow(number, frame):
    raise TimeoutError


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_is_read_or_refused(kind, files, run, tmp_path):
    random = np.random.default_rng(zlib.crc32(kind.encode()))
    original = files[kind].read_bytes()
    path = tmp_path / f"damaged{''.join(files[kind].suffixes)}"
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    previous = signal.signal(signal.SIGALRM, _too_slow)
    codes = []
    try:
        for _ in range(MUTATIONS):
            path.write_bytes(damaged(original, random))
            signal.alarm(SECONDS)
            result = run("info", path)
            if result.code == 0 and kind in (".nii", ".nii.gz", ".mgz"):
                result = run("mesh", path, "-o", tmp_path / "mesh.msh", "--size", "12", "--overwrite", "-q")
            signal.alarm(0)
            if result.code:
                said_no(result)
            codes.append(result.code)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert 2 in codes
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kb
    if "cupy" in sys.modules:
        return  # CUDA reserves address space by the terabyte: readers set no bound (femtms/io/files.py)
    assert grown < 2**20, f"peak memory grew by {grown / 2**20:.1f} GiB"
