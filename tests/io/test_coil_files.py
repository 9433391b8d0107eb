"""Coil files: what is written is read again to the last digit, and what a format cannot hold is refused."""

import json
import pickle
import time
import zlib
from base64 import b64encode

import nibabel
import numpy as np
import pytest
from coil_samples import (
    assert_same_casing,
    assert_same_coil,
    assert_same_model,
    casing,
    dipoles,
    millimetres,
    model,
    plain,
    pulse,
    sampled,
)

from femtms import Coil, CoilModel, Currents, Dipoles, FemtmsError, Pose, Stimulator, load_coil, read_tcd, write_coil
from femtms.io.casings import read_casing, write_casing
from femtms.io.surfaces import write_surface
from femtms.io.units import in_m, in_mm, per_microsecond, per_second
from femtms.io.waveforms import read_waveform


def two_pulses():
    return Stimulator(waveforms=(pulse("a"), pulse("b")))


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


# --- units ----------------------------------------------------------------------------------------------------------


def test_lengths_of_files_survive_m_and_back():
    mm = np.concatenate([np.random.default_rng(0).normal(scale=100, size=100_000), np.arange(-300, 300) / 10])
    np.testing.assert_array_equal(in_m(in_mm(in_m(mm))), in_m(mm))
    rates = np.random.default_rng(1).uniform(10, 300, 10_000)
    np.testing.assert_array_equal(per_second(per_microsecond(per_second(rates))), per_second(rates))


def test_round_lengths_are_written_as_such():
    np.testing.assert_array_equal(in_mm(in_m(np.arange(-300, 300))), np.arange(-300, 300))


# --- .ccd -----------------------------------------------------------------------------------------------------------


def test_ccd_round_trip_with_casing_and_pulse(tmp_path):
    coil = plain((dipoles(),))
    write_coil(coil, tmp_path / "pulse.ccd")
    assert listed(tmp_path) == ["pulse.ccd", "pulse.stl", "pulse.tsv"]
    assert_same_coil(load_coil(tmp_path / "pulse.ccd"), coil)


def test_ccd_of_a_bare_coil_is_alone(tmp_path):
    coil = Coil("bare = a, no: b", (dipoles(),))
    write_coil(coil, tmp_path / "bare.ccd")
    assert listed(tmp_path) == ["bare.ccd"]
    assert_same_coil(load_coil(tmp_path / "bare.ccd"), coil)


def test_header_of_other_programs_is_understood(tmp_path):
    (tmp_path / "a.ccd").write_text(
        "# Test Coil version 1.1;dIdtmax=155.40;x=-300,300;y=-200,100;z=-200,none;resolution=3, 2 ,1.5;"
        "stimulator=MagPro X100;brand=None;dIdtstim=161;coilname=C-B60;\n1\n# words\n0 0 0 0 0 1e-6\n"
    )
    with pytest.raises(FemtmsError, match=r"limits and resolution must be numbers in mm.*'-200,none'"):
        load_coil(tmp_path / "a.ccd")
    text = (tmp_path / "a.ccd").read_text().replace("z=-200,none", "z=-200,200")
    (tmp_path / "a.ccd").write_text(text)
    coil = load_coil(tmp_path / "a.ccd")
    np.testing.assert_allclose(coil.limits, [[-0.3, 0.3], [-0.2, 0.1], [-0.2, 0.2]], rtol=1e-15)
    np.testing.assert_allclose(coil.resolution, [0.003, 0.002, 0.0015], rtol=1e-15)
    assert (coil.name, coil.brand, coil.stimulators[0].name) == ("C-B60", "", "MagPro X100")
    assert coil.max_didt == coil.stimulators[0].max_didt == pytest.approx(155.4e6)
    (tmp_path / "a.ccd").write_text(text.replace("resolution=3, 2 ,1.5", "resolution=3"))
    np.testing.assert_allclose(load_coil(tmp_path / "a.ccd").resolution, 0.003)


@pytest.mark.parametrize(
    "old,new,words",
    [
        ("x=-300,300", "x=300,-300", "three pairs low < high in mm"),
        ("x=-300,300", "x=300", "three pairs"),
        ("resolution=3", "resolution=0", "one number > 0 in mm, or three"),
        ("resolution=3", "resolution=3,3", "one number > 0 in mm, or three"),
        ("resolution=3", "resolution=three", "numbers in mm.*'three'"),
        ("dIdtmax=100", "dIdtmax=1e305", "dIdtmax must be a number > 0"),
    ],
)
def test_header_with_nonsense_is_refused(old, new, words, tmp_path):
    text = "# a;dIdtmax=100;x=-300,300;y=-200,200;z=-200,200;resolution=3\n1\n# words\n0 0 0 0 0 1e-6\n"
    assert old in text
    (tmp_path / "a.ccd").write_text(text.replace(old, new))
    with pytest.raises(FemtmsError, match=f"a.ccd, line 1: .*{words}"):
        load_coil(tmp_path / "a.ccd")


@pytest.mark.parametrize(
    "make,words",
    [
        (
            lambda: Coil("c", (Currents([[0, 0, 0]], [[1, 0, 0]]),)),
            "holds dipoles; coil 'c' has current elements whose .*.tcd",
        ),
        (lambda: Coil("c", (dipoles(), sampled())), "has A that is sampled on a grid: write it as .tcd"),
        (lambda: plain((dipoles(),), stimulators=2), "one stimulator.* has 2: write it as .tcd"),
        (lambda: Coil("a;b", (dipoles(),)), "coilname must be one line .*without ';'.*'a;b'"),
        (lambda: Coil("a\nb", (dipoles(),)), "coilname must be one line"),
        (lambda: Coil("None", (dipoles(),)), "coilname .*not 'none'"),
        (lambda: Coil("a ", (dipoles(),)), "coilname .* without blanks at its ends"),
        (lambda: Coil("a\x1b[31m", (dipoles(),)), r"coilname .* printable .*got 'a\\x1b\[31m'"),
        (lambda: Coil("c", (dipoles(),), stimulators=(two_pulses(),)), "one waveform"),
        (model, "parts of coil 'moving' move, which only a .tcd"),
    ],
)
def test_what_a_ccd_cannot_hold_is_refused(make, words, tmp_path):
    with pytest.raises(FemtmsError, match=words):
        write_coil(make(), tmp_path / "c.ccd")
    assert listed(tmp_path) == []


def test_equal_pulses_of_several_stimulators_are_one(tmp_path):
    coil = plain((sampled(0), sampled(1)), stimulators=2, with_casing=False)
    write_coil(coil, tmp_path / "pulse.tcd")
    again = load_coil(tmp_path / "pulse.tcd")
    first, second = (stimulator.waveforms[0] for stimulator in again.stimulators)
    assert first is not second
    write_coil(again, tmp_path / "pulse.nii.gz")
    assert_same_coil(load_coil(tmp_path / "pulse.nii.gz"), coil)


def test_nothing_is_overwritten_unasked(tmp_path):
    write_coil(plain((dipoles(),)), tmp_path / "c.ccd")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    bare = Coil("bare", (dipoles(),))
    with pytest.raises(FemtmsError, match="exists already"):
        write_coil(bare, tmp_path / "c.ccd")
    (tmp_path / "c.ccd").unlink()
    with pytest.raises(FemtmsError, match=r"holds a result already \(c.stl, c.tsv\)"):
        write_coil(bare, tmp_path / "c.ccd")  # it would get somebody else's casing
    del before["c.ccd"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_overwriting_takes_the_old_companions_away(tmp_path):
    write_coil(plain((dipoles(),)), tmp_path / "c.ccd")
    (tmp_path / "other.txt").write_text("mine")
    bare = Coil("bare", (dipoles(),))
    write_coil(bare, tmp_path / "c.ccd", overwrite=True)
    assert listed(tmp_path) == ["c.ccd", "other.txt"]
    assert_same_coil(load_coil(tmp_path / "c.ccd"), bare)


# --- casings and pulses ---------------------------------------------------------------------------------------------


def test_casing_is_read_from_text_and_binary(tmp_path):
    surface = casing()
    write_casing(surface, tmp_path / "text.stl")
    assert_same_casing(read_casing(tmp_path / "text.stl"), surface)
    assert len(read_casing(tmp_path / "text.stl").nodes) == 4  # corners of one place are one node
    assert read_casing(tmp_path / "text.stl").is_watertight
    write_surface(surface, tmp_path / "binary.stl")
    binary = read_casing(tmp_path / "binary.stl")
    np.testing.assert_allclose(
        binary.nodes[binary.triangles], surface.nodes[surface.triangles], atol=1e-8
    )  # it is in single precision


def test_binary_casing_that_begins_with_solid_is_read(tmp_path):
    write_surface(casing(), tmp_path / "c.stl")
    content = (tmp_path / "c.stl").read_bytes()
    (tmp_path / "c.stl").write_bytes(b"solid" + content[5:])
    assert len(read_casing(tmp_path / "c.stl").triangles) == 4


@pytest.mark.parametrize(
    "change,words",
    [
        (lambda b: b[:-7], "84 .* 50 × 4 bytes .*it has 277"),
        (lambda b: b[:80] + b"\xff\xff\xff\x7f" + b[84:], "2,147,483,647"),
        (lambda b: b[:84].replace(b"\x04", b"\0"), "at least one triangle"),
        (lambda b: b[:96] + np.float32(np.nan).tobytes() + b[100:], "finite"),
        (lambda b: b[:96] + np.float32(1e9).tobytes() + b[100:], "must be in mm"),
        (lambda b: b"solid x\nfacet normal 0 0 1\nvertex 1 2 3\nendsolid", "three vertices for each facet.*1 for 1"),
        (lambda b: b"solid x\nfacet normal\nvertex 1 2 3 vertex a b c vertex 1 2 3\nendsolid", "three numbers"),
        (lambda b: b"solid x\nfacet normal 0 0 1", "damaged"),
    ],
)
def test_damaged_casing_is_refused(change, words, tmp_path):
    write_surface(casing(), tmp_path / "c.stl")
    (tmp_path / "c.stl").write_bytes(change((tmp_path / "c.stl").read_bytes()))
    with pytest.raises(FemtmsError, match=f"c.stl: .*{words}"):
        read_casing(tmp_path / "c.stl")


@pytest.mark.parametrize(
    "text,words",
    [
        ("", "empty"),
        ("time\n0\n1\n", "line 2: must be numbers"),
        ("# only words\n# and more\n", "at least one row"),
        ("time\tsignal\n", "at least one row"),
        ("time\tsignal\n0\tone\n", "line 2: must be numbers"),
        ("time\tsignal\n0\t1\n1\n", "line 3: must be numbers"),
        ("time\tsignal\n0\tnan\n", "finite"),
    ],
)
def test_damaged_pulse_is_refused(text, words, tmp_path):
    (tmp_path / "w.tsv").write_text(text)
    with pytest.raises(FemtmsError, match=f"w.tsv.*{words}"):
        read_waveform(tmp_path / "w.tsv")


def test_pulse_of_another_program_is_read(tmp_path):
    (tmp_path / "w.tsv").write_text("\tFit\tTime\tsignal\n0\t5\t0.0\t1\n1\t6\t1e-6\t2\n\n")
    waveform = read_waveform(tmp_path / "w.tsv")
    assert (waveform.time.tolist(), waveform.signal.tolist(), waveform.fit.tolist()) == ([0, 1e-6], [1, 2], [5, 6])


# --- .tcd -----------------------------------------------------------------------------------------------------------


def test_tcd_round_trip(tmp_path):
    original = model()
    write_coil(original, tmp_path / "m.tcd")
    assert_same_model(read_tcd(tmp_path / "m.tcd"), original)
    write_coil(read_tcd(tmp_path / "m.tcd"), tmp_path / "n.tcd")
    assert (tmp_path / "m.tcd").read_bytes() == (tmp_path / "n.tcd").read_bytes()


def test_plain_coil_survives_a_tcd(tmp_path):
    coil = plain((dipoles(), Currents(millimetres(2, 3), millimetres(2, 3), 1)), stimulators=2, with_pulse="p")
    write_coil(coil, tmp_path / "c.tcd")
    assert_same_coil(load_coil(tmp_path / "c.tcd"), coil)
    with pytest.raises(FemtmsError, match="exists already"):
        write_coil(coil, tmp_path / "c.tcd")


def small():
    """A valid file with lists, as a person would write it."""
    return {
        "name": "hand-made",
        "limits": [[-100, 100], [-100, 100], [0, 100]],
        "resolution": [10, 10, 10],
        "coilElementList": [
            {"type": 1, "points": [[1, 2, 3]], "values": [[0, 0, 1e-6]], "deformations": [0], "elementCasing": 0},
            {"type": 2, "points": [[10, 0, 0]], "values": [[0, 5, 0]], "stimulator": 0},
        ],
        "stimulatorList": [{"name": "S", "maxdIdt": 1e8, "waveformList": [{"name": "w", "time": [0], "signal": [1]}]}],
        "deformList": [{"type": "x", "deformRange": 0}],
        "deformRangeList": [{"initial": 4, "range": [-5, 5]}],
        "coilModels": [{"points": [[0, 0, 0], [1, 0, 0], [0, 1, 0]], "faces": [[0, 1, 2]], "minDistancePoints": []}],
        "selfIntersectionTest": None,
        "somethingNew": 1,
    }


def written(tmp_path, content):
    (tmp_path / "hand.tcd").write_text(json.dumps(content))
    return tmp_path / "hand.tcd"


def test_tcd_is_read_in_its_units(tmp_path):
    coil = load_coil(written(tmp_path, small()))
    assert repr(coil).startswith("Coil(hand-made: 1 dipoles, 1 currents") and coil.max_didt == 1e8
    np.testing.assert_allclose(coil.elements[0].positions, [[0.005, 0.002, 0.003]])  # moved by 4 mm along x
    np.testing.assert_allclose(coil.elements[0].vectors, [[0, 0, 1e-6]])
    np.testing.assert_allclose(coil.elements[1].vectors, [[0, 0.005, 0]])
    np.testing.assert_allclose(coil.casing.nodes[0], [0.004, 0, 0])
    np.testing.assert_allclose(coil.limits[2], [0, 0.1])


def packed(array):
    return b64encode(zlib.compress(np.asarray(array).tobytes())).decode()


@pytest.mark.parametrize("kind", ["<i8", "<f8"])
def test_packed_faces_are_read_whether_integers_or_not(kind, tmp_path):
    content = small()
    content["coilModels"][0]["faces"] = packed(np.array([[0, 2, 1]], kind))
    assert load_coil(written(tmp_path, content)).casing.triangles.tolist() == [[0, 2, 1]]


def field_part(data, **more):
    return {"type": 3, "data": data, "affine": np.diag([10.0, 10, 10, 1]).tolist(), **more}


def test_sampled_part_is_read_from_lists_or_packed_with_its_shape(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 4, 5, 3))
    for part in (field_part(values.tolist()), field_part(packed(values), shape=[4, 4, 5, 3])):
        coil = load_coil(written(tmp_path, {"coilElementList": [part]}), outside="zero")
        np.testing.assert_array_equal(coil.elements[0].values, values)
        assert coil.elements[0].outside == "zero" and coil.name == "hand"


class _Harmful:
    def __reduce__(self):
        return (open, ("pickle-was-run", "w"))


@pytest.mark.parametrize("shape", [{}, {"shape": [4, 4, 4, 3]}])
@pytest.mark.parametrize("content", [_Harmful(), np.zeros((4, 4, 4, 3))])
def test_pickle_is_refused_and_not_run(content, shape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = field_part(b64encode(zlib.compress(pickle.dumps(content))).decode(), **shape)
    with pytest.raises(FemtmsError, match=r"pickle, which is not read.*NIfTI"):
        load_coil(written(tmp_path, {"coilElementList": [part]}))
    assert not (tmp_path / "pickle-was-run").exists()


def _set(*path):
    *parents, last, value = path

    def change(content):
        target = content
        for key in parents:
            target = target[key]
        target[last] = value

    return change


@pytest.mark.parametrize(
    "change,words",
    [
        (_set("coilElementList", None), "must have 'coilElementList'"),
        (_set("coilElementList", []), "at least one part"),
        (_set("coilElementList", 0, "type", 4), r"coilElementList\[0\]: type must be 1"),
        (
            _set("coilElementList", 0, "points", [[1, 2]]),
            r"coilElementList\[0\].points must be \(n,3\) numbers; got sh",
        ),
        (_set("coilElementList", 0, "points", [[1, 2, 3], [1, 2]]), "lists of equal lengths"),
        (_set("coilElementList", 0, "points", [[1, 2, "3"]]), "must be lists of numbers"),
        (_set("coilElementList", 0, "points", [[1, 2, True]]), "must be lists of numbers"),
        (_set("coilElementList", 0, "points", [[1, 2, 10**400]]), "too large|equal lengths"),
        (_set("coilElementList", 0, "points", [[1, 2, 3], [4, 5, 6]]), "2 positions and 1 vectors"),
        (_set("coilElementList", 0, "values", []), r"values must be \(n,3\)"),
        (_set("coilElementList", 0, "points", [[1, 2, 3e3]]), "must be in mm"),
        (
            _set(
                "coilElementList", 0, field_part(np.ones((4, 4, 4, 3)).tolist(), affine=np.diag([9, 9, 9, 0]).tolist())
            ),
            r"coilElementList\[0\]: the last row of the affine .* must be 0 0 0 1; got 0 0 0 0",
        ),
        (
            _set(
                "coilElementList", 0, field_part(np.ones((4, 4, 4, 3)).tolist(), affine=np.diag([9, 9, 9, 2]).tolist())
            ),
            "must be 0 0 0 1; got 0 0 0 2",
        ),
        (_set("coilElementList", 0, field_part([[[[1, 2, 3]]]])), r"coilElementList\[0\]: a sampled A must be"),
        (
            _set("stimulatorList", 0, "waveformList", 0, "time", "%%"),
            r"stimulatorList\[0\].waveformList\[0\].time: must",
        ),
        (_set("coilModels", 0, "minDistancePoints", [[1, 2]]), r"coilModels\[0\].minDistancePoints must be"),
        (_set("coilElementList", 0, "points", "%%"), r"coilElementList\[0\].points: must be base64"),
        (_set("coilElementList", 0, "points", packed([1.0, 2.0])), r"\(n,3\) numbers; got 2"),
        (_set("coilElementList", 0, "points", packed([1.0, 2.0, np.nan])), "finite"),
        (_set("coilElementList", 0, "points", packed(np.zeros(3))[:-6]), "base64"),
        (_set("coilElementList", 0, "points", packed(np.zeros(5, np.uint8))), "8 bytes; got 5"),
        (_set("coilElementList", 0, "stimulator", 3), "stimulator of part 0"),
        (_set("coilElementList", 0, "stimulator", -1), "must be an index, from 0; got -1"),
        (_set("coilElementList", 0, "deformations", [1]), "deformation of part 0"),
        (_set("coilElementList", 0, "elementCasing", 1.5), "index"),
        (_set("coilElementList", 0, "name", "\ud800"), "must be text"),
        (_set("coilModels", 0, "faces", [[0, 1, 3]]), "three indices from 0 to 2"),
        (_set("coilModels", 0, "faces", [[0, 1, 1.5]]), "three indices"),
        (_set("coilModels", 0, "faces", packed([[0, 1, 3]])), "three indices"),
        (_set("coilModels", 0, "faces", []), r"\(n,3\)"),
        (_set("limits", [[0, 1], [0, 1]]), r"limits must be \(3,2\)"),
        (_set("limits", [[0, 1], [0, 1], [1, 0]]), "low < high"),
        (_set("resolution", "3"), "base64"),
        (_set("resolution", -1), "one number > 0"),
        (_set("stimulatorList", 0, "maxdIdt", -1), r"stimulatorList\[0\]: max_didt"),
        (_set("stimulatorList", 0, "waveformList", 0, "signal", [1, 2]), "value for each time"),
        (_set("deformList", 0, "type", "w"), r"deformList\[0\].type must be one of x, y, z, rot2p; got 'w'"),
        (_set("deformList", 0, "type", "rot2p"), "must have 'point1'"),
        (_set("deformRangeList", 0, "initial", 6), "low ≤ initial ≤ high"),
        (_set("deformRangeList", []), "range of deformation 0"),
    ],
)
def test_tcd_with_nonsense_is_refused_with_its_place(change, words, tmp_path):
    content = small()
    change(content)
    with pytest.raises(FemtmsError, match=f"hand.tcd: .*{words}") as raised:
        load_coil(written(tmp_path, content))
    for place in ("coilElementList[0]", "stimulatorList[0]", "deformList[0]", "coilModels[0]"):
        assert str(raised.value).count(place) <= 1  # once is enough


def test_work_for_a_model_is_in_proportion_to_its_file(tmp_path):
    """Many parts that take many deformations each, and a fine casing that many parts share."""
    part = {"type": 1, "points": [[1, 2, 3]], "values": [[0, 0, 1e-6]]}
    turn = {"type": "rot2p", "deformRange": 0, "point1": [0, 0, 0], "point2": [0, 0, 9]}
    content = {
        "coilElementList": [part | {"deformations": [0] * 3000}] * 40,
        "deformList": [turn],
        "deformRangeList": [{"initial": 0.1, "range": [-5, 5]}],
    }
    (tmp_path / "c.tcd").write_text(json.dumps(content))
    began = time.process_time()
    coil = load_coil(tmp_path / "c.tcd")
    assert time.process_time() - began < 10, "seconds for 360 kB"
    angle = np.radians(3000 * 0.1)
    turned = [np.cos(angle) - 2 * np.sin(angle), np.sin(angle) + 2 * np.cos(angle), 3]
    np.testing.assert_allclose(1e3 * coil.positions, np.tile(turned, (40, 1)), rtol=1e-9)

    casing = {"points": np.eye(3).tolist(), "faces": [[0, 1, 2]] * 5000}
    content = {"coilElementList": [part | {"elementCasing": 0}] * 500, "coilModels": [casing]}
    (tmp_path / "c.tcd").write_text(json.dumps(content))
    with pytest.raises(FemtmsError, match=r"c\.tcd: the casings of all parts must have .*; they have 2,500,000"):
        load_coil(tmp_path / "c.tcd")


@pytest.mark.parametrize(
    "content,words",
    [
        (b"[" * 100_000, "nested at most 16 deep; got 100,000"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "nested at most 16 deep"),
        (b'"' + b"[" * 100_000 + b'"', "the file must be an object"),
        (b"{", "must be JSON"),
        (b"\xff\xfe{", "must be JSON"),
        (b'{"name": NaN}', "NaN is no number"),
        (b"9" * 10_000, "must be JSON"),
        (b"[]", "must be an object"),
    ],
)
def test_json_that_is_no_coil_is_refused(content, words, tmp_path):
    (tmp_path / "c.tcd").write_bytes(content)
    with pytest.raises(FemtmsError, match=words):
        load_coil(tmp_path / "c.tcd")


def test_packed_array_that_would_fill_the_memory_is_refused(tmp_path):
    machine = zlib.compressobj(9)
    zeros = bytes(2**24)
    bomb = b"".join(machine.compress(zeros) for _ in range(32)) + machine.flush()  # 512 MiB in 0.5
    content = small()
    content["coilElementList"][0]["points"] = b64encode(bomb).decode()
    with pytest.raises(FemtmsError, match="must not expand to more than"):
        load_coil(written(tmp_path, content))


# --- A on a grid ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_sampled_coil_round_trip(suffix, tmp_path):
    coil = plain((sampled(),), with_pulse="field")
    write_coil(coil, tmp_path / f"field{suffix}")
    assert listed(tmp_path) == [f"field{suffix}", "field.stl", "field.tsv"]
    assert_same_coil(load_coil(tmp_path / f"field{suffix}"), coil)


def test_stimulators_are_on_the_fourth_axis(tmp_path):
    first = sampled(0)
    fields = (first, type(first)(2 * first.values, first.affine, "error", 1))
    coil = plain(fields, stimulators=2, with_casing=False, with_pulse=None)
    write_coil(coil, tmp_path / "c.nii.gz")
    assert nibabel.load(tmp_path / "c.nii.gz").shape == (4, 5, 6, 2, 3)
    again = load_coil(tmp_path / "c.nii.gz")
    assert_same_coil(again, coil)
    point = [[-0.015, 0.005, 0.03]]
    np.testing.assert_allclose(
        again.driven([1, 0]).vector_potential(point), Coil("c", (first,)).vector_potential(point)
    )


def test_field_of_another_program_is_read_in_its_units(tmp_path):
    affine = np.diag([10.0, 10, 10, 1])
    affine[:3, 3] = [-20, -20, 5]
    grid = np.stack(np.meshgrid(*[10.0 * np.arange(5)] * 3, indexing="ij"), axis=-1) + affine[:3, 3]
    image = nibabel.Nifti1Image((1e-9 * grid).astype(np.float32), affine)  # A = 1e-9 x, x in mm
    image.header["descrip"] = b"dIdtmax=100.0;coilname=Linear;stimulator=None;brand=None"
    nibabel.save(image, tmp_path / "x.nii.gz")
    coil = load_coil(tmp_path / "x.nii.gz")
    assert (coil.name, coil.max_didt) == ("Linear", 1e8)
    points = np.array([[0.0012, -0.0031, 0.02]])
    np.testing.assert_allclose(coil.vector_potential(points), 1e-6 * points, rtol=1e-6)
    with pytest.raises(FemtmsError, match="must hold all of"):
        coil.vector_potential(points + 1)
    assert not load_coil(tmp_path / "x.nii.gz", outside="zero").vector_potential(points + 1).any()


def test_coil_of_elements_is_sampled_over_its_limits(tmp_path):
    coil = Coil("c", (Dipoles([[0, 0, -0.01]], [[0, 0, 1e-6]]),), limits=[[-0.02, 0.02], [-0.02, 0.02], [0, 0.03]])
    with pytest.raises(FemtmsError, match="must have limits and a resolution"):
        write_coil(coil, tmp_path / "c.nii.gz")
    write_coil(coil, tmp_path / "c.nii.gz", resolution=0.004)
    again = load_coil(tmp_path / "c.nii.gz")
    assert again.elements[0].values.shape == (11, 11, 9, 3)  # covers 30 mm in steps of 4
    grid = np.array([[-0.02, 0.02, 0.0], [0.004, -0.008, 0.012]])
    np.testing.assert_allclose(again.vector_potential(grid), coil.vector_potential(grid), rtol=1e-9)
    write_coil(again, tmp_path / "d.nii", limits=[[-0.01, 0.01]] * 2 + [[0, 0.03]], resolution=[0.002, 0.002, 0.003])
    between = np.array([[0.003, 0.001, 0.0207]])
    np.testing.assert_allclose(
        load_coil(tmp_path / "d.nii").vector_potential(between), coil.vector_potential(between), rtol=1e-2
    )


def test_grid_point_at_an_element_is_refused(tmp_path):
    coil = Coil("c", (Dipoles([[0, 0, 0]], [[0, 0, 1e-6]]),))
    with pytest.raises(FemtmsError, match=r"infinite at the point \(0, 0, 0\) mm"):
        write_coil(coil, tmp_path / "c.nii", limits=[[-0.01, 0.01]] * 3, resolution=0.005)
    assert listed(tmp_path) == []


def test_moved_field_is_written_where_it_is(tmp_path):
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [10, 20, 30]
    moved = Coil("c", (sampled(),)).moved(Pose(turn))
    points = Pose(turn).in_head(np.array([[-0.015, 0.005, 0.03]]))
    for name in ("c.nii", "c.tcd"):
        write_coil(moved, tmp_path / name)
        np.testing.assert_allclose(load_coil(tmp_path / name).vector_potential(points), moved.vector_potential(points))


@pytest.mark.parametrize(
    "shape,kind,affine,words",
    [
        ((5, 5, 5), np.float32, 10, r"must be \(nx,ny,nz,3\).*label volume"),
        ((5, 5, 5, 2), np.float32, 10, r"must be \(nx,ny,nz,3\)"),
        ((3, 5, 5, 3), np.float32, 10, "at least 4 samples"),
        ((5, 5, 5, 3), np.complex64, 10, "real numbers"),
        ((5, 5, 5, 3), np.float32, 0.01, "must be in mm; it would be 0.05 mm"),
    ],
)
def test_nifti_that_is_no_coil_is_refused(shape, kind, affine, words, tmp_path):
    image = nibabel.Nifti1Image(np.ones(shape, kind), np.diag([affine, affine, affine, 1]))
    nibabel.save(image, tmp_path / "x.nii.gz")
    with pytest.raises(FemtmsError, match=f"x.nii.gz: .*{words}"):
        load_coil(tmp_path / "x.nii.gz")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("unit,words", [("meter", "xyzt_units say m"), ("micron", "xyzt_units say µm")])
def test_grid_in_another_unit_is_refused(kind, unit, words, tmp_path):
    image = kind(np.ones((5, 5, 5, 3), np.float32), np.diag([10, 10, 10, 1]))
    nibabel.save(image, tmp_path / "unknown.nii")
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "mm.nii")
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "x.nii")
    for name in ("unknown.nii", "mm.nii"):
        assert load_coil(tmp_path / name).elements[0].affine[0, 0] == pytest.approx(0.01)
    with pytest.raises(FemtmsError, match=f"x.nii: the affine must be in mm; .*{words}$"):
        load_coil(tmp_path / "x.nii")


def test_grid_without_a_frame_is_refused(tmp_path):
    image = nibabel.Nifti1Image(np.ones((5, 5, 5, 3), np.float32), np.diag([10, 10, 10, 1]))
    image.set_sform(None, 0)
    image.set_qform(np.diag([10, 10, 10, 1]), 1)
    nibabel.save(image, tmp_path / "q.nii")
    assert load_coil(tmp_path / "q.nii").elements[0].affine[0, 0] == pytest.approx(0.01)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "x.nii")
    with pytest.raises(FemtmsError, match=r"x\.nii: .* must have an affine .* it has none"):
        load_coil(tmp_path / "x.nii")


def test_size_in_the_header_is_checked_against_the_file(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 5, 5, 3), np.float32), np.diag([10, 10, 10, 1])), tmp_path / "x.nii")
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[42:48] = np.array([30_000] * 3, "<i2").tobytes()
    (tmp_path / "x.nii").write_bytes(content)
    with pytest.raises(FemtmsError, match="announces 30000×30000×30000×3 voxels"):
        load_coil(tmp_path / "x.nii")


@pytest.mark.parametrize(
    "name,words",
    [
        ("c.obj", r"must be written as .*\.ccd.*\.tcd.*\.nii.*got '.obj'"),
        ("missing/c.tcd", "folder"),
        ("missing/c.ccd", "folder"),
        ("missing/c.nii", "folder"),
    ],
)
def test_impossible_name_is_refused(name, words, tmp_path):
    coil = Coil("c", (dipoles(),), limits=[[0.2, 0.3]] * 3, resolution=[0.02] * 3)
    with pytest.raises(FemtmsError, match=words):
        write_coil(coil, tmp_path / name)
    assert listed(tmp_path) == []


def test_limits_for_a_format_without_a_grid_are_refused(tmp_path):
    with pytest.raises(FemtmsError, match="are for a sampled A"):
        write_coil(Coil("c", (dipoles(),)), tmp_path / "c.tcd", resolution=0.01)


@pytest.mark.parametrize("name", ["figure8-70mm", "x.ccd"])
def test_unknown_outside_is_refused(name):
    with pytest.raises(FemtmsError, match="outside must be one of error, zero; got 'nothing'"):
        load_coil(name, outside="nothing")


def test_model_without_moving_parts_is_written_as_any_coil(tmp_path):
    coil = Coil("c", (dipoles(),))
    write_coil(CoilModel.of(coil), tmp_path / "c.ccd")
    assert_same_coil(load_coil(tmp_path / "c.ccd"), coil)


def test_field_of_absurd_numbers_is_refused(tmp_path):
    image = nibabel.Nifti1Image(np.full((4, 4, 4, 3), 1e305), np.diag([10.0, 10, 10, 1]))
    nibabel.save(image, tmp_path / "x.nii")
    with pytest.raises(FemtmsError, match=r"x.nii: a sampled A must be in T·m per A; its largest component is 1e"):
        load_coil(tmp_path / "x.nii")


def test_header_extension_that_would_fill_the_memory_is_refused(tmp_path):
    image = nibabel.Nifti1Image(np.ones((4, 4, 4, 3), np.float32), np.diag([10.0, 10, 10, 1]))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"brand=b"))
    nibabel.save(image, tmp_path / "x.nii")
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[352:356] = np.array(2**30, "<i4").tobytes()
    (tmp_path / "x.nii").write_bytes(content)
    with pytest.raises(FemtmsError, match=r"extension of the header announces 1,073,741,824 bytes"):
        load_coil(tmp_path / "x.nii")


def test_long_names_of_a_sampled_coil_are_kept(tmp_path):
    coil = plain((sampled(),), name="a coil with a name that is longer than the header of NIfTI has room for, by far")
    write_coil(coil, tmp_path / "pulse.nii.gz")
    assert len(bytes(nibabel.load(tmp_path / "pulse.nii.gz").header["descrip"]).rstrip(b"\0")) < 80
    assert_same_coil(load_coil(tmp_path / "pulse.nii.gz"), coil)
