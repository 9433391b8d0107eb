"""Whatever bytes a study file has, the end is a design or faults, soon and in little memory."""

import math
import resource

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from study.study_texts import SMALL

from femtms import FemtmsError, StudyFaults, read_study
from femtms.study.design import Design
from femtms.study.document import LARGEST_BYTES, read_document


class Trap:
    """What a file must never make."""

    made = False

    def __init__(self, *_):
        Trap.made = True


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object:study.test_study_yaml.Trap {}",
        "!!python/object/new:study.test_study_yaml.Trap [1]",
        "!!python/object/apply:study.test_study_yaml.Trap [1]",
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system ''",
        "!!python/tuple [1, 2]",
        "!!binary aGk=",
        "!!timestamp 2020-01-01",
        "!!set {a, b}",
        "!mine 3",
        "!!int three",
        "!!map 3",
    ],
)
def test_tags_make_nothing(tag, faults):
    (fault,) = faults("angles: " + tag)
    assert fault.startswith("4: angles: ") and ("without tags" in fault or "is no int" in fault)
    assert not Trap.made


def test_what_is_no_plain_data_does_not_hide_other_faults(faults):
    assert [fault.split(": ")[1] for fault in faults("angles: !!python/none", "distances_mm: -1")] == [
        "angles",
        "distances_mm",
    ]


def test_bomb_of_aliases_is_refused_in_little_memory(faults):
    lines = ["a0: &a0 [" + ", ".join(["lol"] * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 12)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (fault,) = faults(*lines)
    assert "more than 200,000 values" in fault
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("text", ["angles: &a [*a]", "angles: &a {from: *a}", "angles: " + 30 * "[" + 30 * "]"])
def test_what_has_no_end_is_refused(text, faults):
    (fault,) = faults(text)
    assert fault.startswith("4: must not be nested more than 20 deep")


def test_brackets_by_the_thousand_are_refused(faults):
    (fault,) = faults("angles: " + 50_000 * "[")
    assert "nested" in fault


def test_a_python_list_in_itself_is_refused():
    loop = []
    loop += [loop, loop]
    with pytest.raises(StudyFaults, match="nested"):
        read_study({"heads": loop})


def test_aliases_are_followed(study):
    assert study("angles: &a [1, 2]", "distances_mm: *a").distances_mm == (1.0, 2.0)


@pytest.mark.parametrize(
    "content, line, words",
    [
        (b"heads: colin27\ncoils: \xff\n", 2, "UTF-8; byte 22"),
        (b"heads: colin27\n\tcoils: a\n", 2, "a tab cannot indent"),
        (b"heads: [colin27\ncoils: a\n", 2, "is no YAML"),
        (b"heads: 'colin27\n", 2, "is no YAML"),
        (b"heads: \x07\n", 1, "character U+0007"),
        (b"heads: *no\n", 1, "alias"),
        (b"a: 1\n---\nb: 2\n", 2, "single document"),
        (b'heads: "\\U7fffffff"\n', 1, "is no YAML"),
        (b"# nothing\n", 1, "must say something"),
        (b"- a\n- b\n", 1, "must be a mapping"),
        (b"just words\n", 1, "must be a mapping"),
        (b"heads: colin27\nheads: sphere\ncoils: figure8-70mm\nplaces: C3\n", 2, "twice; the first is in line 1"),
        (SMALL.encode() + b"options: {order: 1, order: 2}\n", 4, "twice"),
        (SMALL.encode() + b"[1, 2]: 3\n", 4, "key must be text"),
        (SMALL.encode() + b"true: 3\n", 4, "key must be text"),
    ],
)
def test_what_is_no_study_is_told_with_its_line(content, line, words, folder):
    (folder / "study.yaml").write_bytes(content)
    with pytest.raises(StudyFaults) as raised:
        read_study(folder / "study.yaml")
    (fault,) = raised.value.faults
    assert f"study.yaml:{line}: " in fault and words in fault


def test_files_that_cannot_be_studies(folder):
    (folder / "empty.yaml").write_bytes(b"")
    (folder / "huge.yaml").write_bytes(b"# " + b"x" * LARGEST_BYTES)
    for name, words in (
        ("empty.yaml", "empty"),
        ("huge.yaml", "file of poses"),
        ("no.yaml", "no such"),
        ("a", "folder"),
    ):
        with pytest.raises(FemtmsError, match=words):
            read_study(folder / name)


def test_byte_order_mark_and_windows_lines(folder):
    (folder / "study.yaml").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read_study(folder / "study.yaml").cases == 1


def test_lines_of_a_document(folder):
    (folder / "study.yaml").write_text("a:\n  - b: 1\n    c: [2,\n      3]\n  -\n    d\n")
    lines = read_document(folder / "study.yaml").lines
    assert {at: lines[at] for at in [("a",), ("a", 0, "b"), ("a", 0, "c"), ("a", 0, "c", 1), ("a", 1)]} == {
        ("a",): 1,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 0, "c", 1): 4,
        ("a", 1): 6,
    }


def ends_well(read):
    try:
        assert isinstance(read(), Design)
    except StudyFaults as error:
        assert error.faults and all(fault.isprintable() and fault for fault in error.faults)
    except FemtmsError as error:
        assert "\n" not in str(error)


PIECES = st.sampled_from(
    [
        *"[]{}:,-?&*!|>'\"%@`#\n\t ~",
        "  ",
        "- ",
        ": ",
        "\n  ",
        "heads",
        "coils",
        "places",
        "C3",
        "colin27",
        "figure8-70mm",
    ]
    + [
        "sphere",
        "from",
        "to",
        "step",
        "1e400",
        ".nan",
        "0x",
        "<<",
        "&a",
        "*a",
        "!!python/name:os",
        "\\u0000",
        "---",
        "...",
    ]
)


@examples(300)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode())))
@example(b"? [a]\n: b\n")
@example(b'"\\ud800": 1\n')
@example(b"a: !!float 1_0\n")
def test_any_bytes_are_a_study_or_faults(tmp_path, content):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    ends_well(lambda: read_study(path))


NUMBERS = st.one_of(st.integers(-5, 200), st.floats(), st.just(10**30), st.booleans())
TEXTS = st.one_of(
    st.sampled_from(
        ["colin27", "sphere", "figure8-70mm", "C3", "Cz", "standard", "vn", "raw", "gm", "other", "*", "**/*", "~x"]
    ),
    st.sampled_from(["whole", "surfaces", "samseg", "poses.npy", "/dev/null", "{sub}", "<<", "\x00", "\ud800", "."]),
    st.text(max_size=8),
)
KEYS = st.sampled_from(
    ["name", "heads", "conductivities", "options", "coils", "places", "towards", "angles", "distances_mm", "results"]
    + ["path", "sphere", "labels", "tensors", "targets", "sigma", "anisotropy", "max_ratio", "size_mm", "order", "rtol"]
    + [
        "didt",
        "at",
        "around",
        "radius_mm",
        "spacing_mm",
        "poses",
        "from",
        "to",
        "step",
        "tissues",
        "fields",
        "surfaces",
    ]
)
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(KEYS, TEXTS, st.integers(-2, 12)), inner, max_size=5),
    ),
    max_leaves=12,
)
TOP = st.sampled_from(
    ["heads", "coils", "places", "angles", "options", "results", "conductivities", "distances_mm", "towards"]
)


@examples(300)
@given(st.dictionaries(TOP, VALUES, max_size=6))
@example(
    {"heads": "colin27", "coils": "figure8-70mm", "places": {"around": "C3", "radius_mm": 1e-320, "spacing_mm": 5e-324}}
)
@example({"angles": {"from": -1e308, "to": 1e308, "step": 1e-308}})
@example({"heads": {"path": "colin27", "tensors": "a\x00b"}})
@example({"results": {"targets": {"a": [math.nan, 0, 0]}}})
def test_any_structure_is_a_study_or_faults(tmp_path, values):
    base = {"heads": "colin27", "coils": "figure8-70mm", "places": "C3"}
    ends_well(lambda: read_study(base | values, tmp_path))
