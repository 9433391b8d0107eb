"""Any bytes: a coil file is read or refused, soon and in little memory."""

import copy
import json
import random
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import pytest
from examples import examples, limited
from hypothesis import given
from hypothesis import strategies as st
from readers import READERS, model, read, valid_files

VALID = valid_files()
MOST = 200 * 2**20  # bytes; files may unpack to 64 MiB


@contextmanager
def little_memory():
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST, f"{peak / 2**20:.0f} MiB"


def read_in_little_memory(suffix, content):
    with tempfile.TemporaryDirectory() as folder, little_memory(), limited():
        return read(suffix, content, Path(folder))


@pytest.mark.parametrize("suffix", READERS)
def test_valid_file_is_read(suffix):
    assert not isinstance(read_in_little_memory(suffix, VALID[suffix]), str)


@pytest.mark.parametrize("suffix", READERS)
@examples(150)
@given(content=st.binary(min_size=1, max_size=2000))
def test_any_bytes(suffix, content):
    read_in_little_memory(suffix, content)


numbers = st.sampled_from(
    [b"\xff\xff\xff\x7f", b"\0\0\0\0", b"9999999", b"-1e9", b"nan", b"1e308", b"inf", b"[[[[", b"="]
)
changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "remove", "double", "put"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
        numbers,
    ),
    min_size=1,
    max_size=6,
)


def changed(content, how):
    """The bytes with some of them other."""
    content = bytearray(content)
    for kind, share, byte, number in how:
        at = int(share * len(content))
        if kind == "flip" and content:
            content[at] ^= 1 << byte % 8
        elif kind == "set" and content:
            content[at] = byte
        elif kind == "cut":
            del content[at:]
        elif kind == "remove":
            del content[at : at + byte]
        elif kind == "double":
            content[at:at] = content[at : at + byte]
        else:
            content[at : at + len(number)] = number
    return bytes(content) or b"\0"


@pytest.mark.parametrize("suffix", READERS)
@examples(150)
@given(how=changes)
def test_damaged_files(suffix, how):
    read_in_little_memory(suffix, changed(VALID[suffix], how))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@examples(150)
@given(how=changes)
def test_damaged_header_of_nifti(suffix, how):
    header = changed(VALID[".nii"][:400], [h for h in how if h[0] in ("flip", "set", "put")])
    content = header[:400] + VALID[".nii"][400:]
    read_in_little_memory(suffix, content if suffix == ".nii" else zlib.compress(content, wbits=31))


packed_bytes = st.one_of(st.binary(max_size=100), st.integers(0, 2**20).map(bytes)).map(
    lambda raw: b64encode(zlib.compress(raw)).decode()
)
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**63, 10**400, "x", "rot2p", 1e300, 1e308, 5e-324]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        packed_bytes,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), max_size=4),
        st.dictionaries(
            st.sampled_from(["type", "points", "values", "name", "data", "shape", "range"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


def places_in(content, path=()):
    """All paths into nested lists and objects."""
    yield path
    members = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in members:
        yield from places_in(value, (*path, key))


# The many numbers of a grid would otherwise be most of the places.
PLACES = [path for path in places_in(model()) if "data" not in path[:-1]][1:]


@examples(150)
@given(content=anything)
def test_any_json(content):
    read_in_little_memory(".tcd", json.dumps(content).encode())


@examples(150)
@given(others=st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=3))
def test_model_with_anything_in_some_places(others):
    content = copy.deepcopy(model())
    for path, value in others:
        target = content
        try:
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    read_in_little_memory(".tcd", json.dumps(content).encode())


lengths = st.sampled_from([1e-4, 0.1, 1, 5, 60, 300, 999])
counts = st.sampled_from([1, 9, 300, 1000])
flat = {"outer_diameter_mm": lengths, "inner_diameter_mm": lengths, "turns": counts}
layers = {"layers": counts, "spiral": st.booleans()}
measures = st.one_of(
    st.fixed_dictionaries({"shape": st.just("circular"), **flat}, optional=layers),
    st.fixed_dictionaries({"shape": st.just("figure-8"), **flat}, optional=layers | {"separation_mm": lengths}),
    st.fixed_dictionaries({"shape": st.just("cloverleaf"), **flat}, optional=layers),
    st.fixed_dictionaries(
        {"shape": st.just("solenoid"), "diameter_mm": lengths, "length_mm": lengths, "turns": counts}
    ),
)


@examples(150)
@given(
    winding=measures,
    wire=st.tuples(lengths, lengths),
    fineness=st.fixed_dictionaries(
        {}, optional={"accurate_from_mm": lengths, "accuracy": st.sampled_from([1e-6, 1e-3, 0.1])}
    ),
)
def test_any_measures_of_a_winding(winding, wire, fineness):
    """Measures that are each within bounds may together be a coil of billions of elements."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in (winding | fineness | {"wire_mm": wire}).items()]
    read_in_little_memory(".toml", "\n".join(['name = "any"', *lines]).encode())


@pytest.mark.parametrize(
    "suffix,content",
    [
        (".tcd", b'{"coilElementList": [' + b"[]," * 300_000 + b"[]]}"),
        (".tcd", b'{"coilElementList": [{"type": 1, "points": ["' + b"x" * 300_000 + b'"' + b",1" * 300_000 + b"]}]}"),
        (".tcd", b'"' + b'\\"' * 500_000),
        (".ccd", b"# a\n" + b"9" * 4000 + b"\n"),
        (".ccd", b"# a\n" + b"9" * 1_000_000 + b"\n"),
        (".tsv", b"time\tsignal\n" + b"\t" * 1_000_000),
        (".stl", b"solid " + b"facet normal vertex " * 50_000 + b"endsolid"),
        (".stl", bytes(80) + b"\xff" * 4 + bytes(1000)),
        (".nii.gz", zlib.compress(bytes(2**26), wbits=31)),
        (".toml", b"x = [" + b"[1, 1], " * 100_000 + b"]"),
        (".csv", b"x_mm,y_mm,z_mm\n" + b"1,2,3\n" * 900_000),
        (".csv", b"x_mm,y_mm,z_mm,wire\n" + b"".join(b"1,2,3,%d\n" % i for i in range(300_000))),
    ],
    ids=range(12),
)
def test_large_nonsense_is_refused_in_little_memory(suffix, content):
    assert isinstance(read_in_little_memory(suffix, content), str)


@pytest.mark.slow
def test_atheris_finds_nothing():
    """Twenty seconds of libFuzzer, guided by coverage; `python tests/fuzz/coil_readers.py` runs until it is stopped."""
    pytest.importorskip("atheris", reason="atheris is not installed")
    seed = random.SystemRandom().randrange(1, 2**31)
    harness = Path(__file__).with_name("coil_readers.py")
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, harness, "--", "-max_total_time=20", f"-seed={seed}"],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
        )
    assert run.returncode == 0, f"seed {seed}:\n{run.stderr[-4000:]}"
    assert "Done" in run.stderr
