"""All that is wrong with a study is told at once, each fault with its line."""

import pickle
import re

import pytest

from femtms import FemtmsError, StudyFaults, read_study

# A line, and words of its only fault, which is in line 3 unless it is said.
ONE = [
    ("place: C3", "did you mean 'places'?"),
    ("angels: 3", "did you mean 'angles'?"),
    ("angles: north", "must be a number, a list of numbers"),
    ("angles: []", "1 to 100,000 numbers"),
    ("angles: [1, 1]", "1 is there twice"),
    ("angles: [1, [2]]", "must be a number"),
    ("angles: {from: 0, to: 10}", "'step' must be given"),
    ("angles: {from: 0, to: 10, step: 0}", "step must not be 0"),
    ("angles: {from: 0, to: 10, step: -1}", "they are none"),
    ("angles: {from: 0, to: 10, step: 1e-9}", "100,000"),
    ("angles: .nan", "finite"),
    ("angles: .inf", "finite"),
    ("angles: true", "must be a number"),
    ("distances_mm: [4, -1]", "≥ 0; got -1"),
    ("heads: colin", "did you mean 'colin27'?"),
    ("heads: nowhere/head.nii.gz", "there is no file"),
    ("heads: 'nowhere/*.nii.gz'", "no file matches"),
    ("heads: a", "is a folder"),
    ("heads: []", "at least one entry"),
    ("heads: {sphere: [85, 70]}", "ascend"),
    ("heads: {sphere: [1, 2, 3, 4, 5]}", "1 to 4 layers"),
    ("heads: {path: colin27, labels: samseg}", "label volumes"),
    ("heads: {path: colin27, labels: samsung}", "there is no file"),
    ("heads: {path: colin27, tensors: t.nii.gz}", "for colin27 none is 't.nii.gz'"),
    ("heads: {path: colin27, tensors: '{sub}.nii.gz'}", "does not say"),
    ("heads: {path: colin27, targets: {M1: C3}}", "targets of 'results'"),
    ("heads: [colin27, colin27]", "name of its own"),
    ("coils: figure8", "did you mean 'figure8-70mm'?"),
    ("coils: map.csv", "must be one of .toml"),
    ("coils: {name: A, path: '*/coil.ccd'}", "'name' is for one coil; 2 files"),
    ("coils: {name: A}", "'path' must be given"),
    ("coils: 7", "must be the name of a coil"),
    ("coils: ['a/coil.ccd', 'a/coil.ccd']", "name of its own"),
    ("places: C33", "did you mean C3?"),
    ("places: 7", "must be an electrode"),
    ("places: {around: C3, radius_mm: 300, spacing_mm: 0.01}", "at most 1,000,000"),
    ("places: {poses: map.csv}", "map.csv: line 1"),
    ("places: {at: C3, toward: C4}", "did you mean 'towards'?"),
    ("places: [C3, C3]", "name of its own; 'C3' is that of places[0] too"),
    ("places: [{around: C3, radius_mm: 9, spacing_mm: 9}, {name: 'C3 (0, 0)', at: C4}]", "one of a grid"),
    ("towards: Czz", "did you mean Cz?"),
    ("conductivities: usual", "must be standard"),
    ("conductivities: {name: a, sigma: {brain: 1}}", "must be a number or one of wm, gm"),
    ("conductivities: {name: a, sigma: {gm: 0}}", "must be > 0; got 0"),
    ("conductivities: {name: a, sigma: {gm: 1, grey: 2}}", "the same as"),
    ("conductivities: {name: a, max_ratio: 3}", "needs anisotropy"),
    ("conductivities: {name: a, anisotropy: vn, max_ratio: 0.5}", "from 1 to"),
    ("conductivities: {name: a, anisotropy: vn}", "'colin27' has none"),
    ("conductivities: [standard, standard]", "name of its own"),
    ("options: {order: 3}", "must be 1 (linear elements) or 2 (quadratic); got 3"),
    ("options: {order: true}", "must be a whole number; got true"),
    ("options: {size_mm: 0}", "must be > 0; got 0"),
    ("options: {size_mm: {}}", "at least one tissue"),
    ("options: {size_mm: {skin: 3, scalp: 4}}", "each tissue once"),
    ("options: {rtol: 2}", "below 1"),
    ("options: {recovery: smooth}", "must be 'raw', 'harmonic' or 'spr'"),
    ("options: {didt: []}", "must be a number in A/s"),
    ("options: {allow_intersection: yes}", "must be true or false; got 'yes'"),
    ("options: [{name: a}, {name: a}]", "name of its own"),
    ("results: {tissues: [gm, grey]}", "each tissue once"),
    ("results: {fields: all}", "must be 'gm-nodes'"),
    ("results: {fields: surfaces}", "need each other"),
    ("results: {fields: surfaces, surfaces: {lh: map.csv}}", ".gii, .stl or .vtp"),
    ("results: {targets: {a/b: C3}}", "must not have /"),
    ("results: {target_radius_mm: -1}", "> 0"),
    ("results: 3", "must be a mapping"),
    ("name: 70", "must be text; got 70"),
]


@pytest.mark.parametrize("line, words", ONE, ids=[line for line, _ in ONE])
def test_one_fault_is_told_with_its_line(line, words, faults):
    (fault,) = faults(line)
    number, said = fault.split(": ", 1)
    assert words in said
    assert number == ("4" if line.split(":")[0] not in ("heads", "coils", "places") else "3")


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "a/b",
        "a\\b",
        ".hidden",
        "..",
        "",
        " a",
        "a ",
        "a\\nb",
        "a\\x1b[31m",
        "\\u202e",
        "x" * 101,
        "a..b",
        "\\0",
    ],
)
def test_names_that_could_be_paths_or_commands_are_refused(name, faults):
    quoted = "'" + name + "'" if name.isprintable() else '"' + "".join(f"\\U{ord(c):08x}" for c in name) + '"'
    for line in (
        f"coils: {{name: {quoted}, path: figure8-70mm}}",
        f"results: {{targets: {{{quoted}: C3}}}}",
        f"name: {quoted}",
    ):
        (fault,) = faults(line)
        assert "name" in fault or "character" in fault


def test_all_faults_of_a_study_are_told_in_the_order_of_their_lines(faults):
    found = faults(
        text="heads:\n"
        "  - colin72\n"
        "  - {path: missing.nii, lables: samseg}\n"
        "coil: figure8-70mm\n"
        "coils:\n"
        "  - {name: A, path: gone.ccd}\n"
        "places: [C3, C33, [1, 2, x]]\n"
        "angles:\n"
        "  from: 0\n"
        "  to: 90\n"
        "  step: 0\n"
        "options:\n"
        "  order: 3\n"
        "  size_mm: -1\n"
        "results:\n"
        "  targets:\n"
        "    M1: C34\n"
        "  fields: [whole, all]\n"
    )
    assert [int(re.match(r"\d+", fault)[0]) for fault in found] == [2, 3, 3, 4, 6, 7, 7, 8, 13, 14, 17, 18]
    starts = [
        "heads[0]:",
        "heads[1].path:",
        "heads[1].lables:",
        "coil:",
        "coils[0].path:",
        "places[1]:",
        "places[2][2]:",
    ]
    starts += ["angles:", "options.order:", "options.size_mm:", "results.targets.M1:", "results.fields[1]:"]
    assert [fault.split(" ")[1] for fault in found] == starts


def test_what_must_be_there_is_told(faults):
    assert [fault.split(": ", 1)[1] for fault in faults(text="name: a\n")] == [
        f"'{key}' must be given" for key in ("heads", "coils", "places")
    ]


def test_matrices_say_the_distance_themselves(faults, study):
    (fault,) = faults("places: {poses: poses.npy}", "distances_mm: [2, 4]")
    assert fault.startswith("4: distances_mm: must be one number where places are matrices")
    assert study("places: {poses: poses.npy}", "distances_mm: 2").distances_mm == (2.0,)


def test_electrodes_are_for_heads_that_have_some(faults, study):
    (fault, target) = faults("heads: head.nii.gz", "results: {targets: {M1: C3}}")
    assert "heads from files do not have" in fault and "results.targets.M1" in target
    assert len(study("heads: [colin27, head.nii.gz]").heads) == 2  # the run marks what cannot be as failed
    (fault,) = faults("heads: [colin27, {path: head.nii.gz, targets: {M1: C3}}]", "results: {targets: {M1: [1, 2, 3]}}")
    assert "heads[1].targets.M1" in fault


def test_tensors_must_be_one_file_for_each_head(faults):
    (fault,) = faults("heads: {path: head.nii.gz, tensors: 'bids/*/*/dwi/*'}", "places: [0, 0, 80]")
    assert "2 match" in fault


def test_too_many_cases_are_refused(faults):
    (fault,) = faults("angles: {from: 0, to: 99999, step: 1}", "distances_mm: {from: 0, to: 9999, step: 1}")
    assert "at most 100,000,000 cases; it has 1,000,000,000" in fault


def test_faults_from_python_have_no_line():
    with pytest.raises(StudyFaults) as raised:
        read_study({"heads": "colin27", "coils": ["figure8-70mm", 3], "places": "C3", 5: 1, "angles": object()})
    assert raised.value.faults[:3] == (
        "angles: must be text, a number, a list or a mapping; got object",
        "[5]: is no key here; the keys are name, heads, conductivities, options, coils, places, towards, angles, "
        "distances_mm, results",
        "coils[1]: must be the name of a coil, a file, or {name: …, path: …}; got 3",
    )
    assert isinstance(raised.value, FemtmsError)


def test_faults_survive_the_way_to_another_process():
    faults = StudyFaults(["a", "b"])
    assert pickle.loads(pickle.dumps(faults)).faults == ("a", "b")
