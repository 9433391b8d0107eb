"""Coils from measures in TOML, lines in CSV, and the catalogue."""

import json
import logging

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from femtms import FemtmsError, load_coil
from femtms.io.catalogue import catalogue, user_coils
from femtms.io.windings import read_polylines, read_winding

FIGURE_8 = """
name = "mine"
shape = "figure-8"
outer_diameter_mm = 87
inner_diameter_mm = 56
turns = 9
wire_mm = [1.75, 6]
max_didt_A_per_us = 100
source = "a calliper"
"""
RING = '{ shape = "circular", outer_diameter_mm = 60, inner_diameter_mm = 30, turns = 6, wire_mm = [2, 5] }'


@pytest.fixture
def no_user_folder(monkeypatch, tmp_path):
    """Whoever runs the tests may have coils of their own."""
    monkeypatch.delenv("FEMTMS_COILS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_measures_make_the_coil_of_the_catalogue(tmp_path):
    mine, built_in = load_coil(written(tmp_path / "mine.toml", FIGURE_8)), load_coil("figure8-70mm")
    np.testing.assert_array_equal(mine.positions, built_in.positions)
    assert (mine.name, mine.max_didt, mine.source) == ("mine", 100e6, "a calliper")


def test_polylines_make_a_coil(tmp_path):
    written(
        tmp_path / "wires.csv", "wire,x_mm,y_mm,z_mm\na,0,0,-3\na,20,0,-3\na,20,20,-3\nb,0,0,-9\nb,10,0,-9\nb,0,10,-9\n"
    )
    path = written(tmp_path / "w.toml", 'name = "w"\nshape = "polylines"\nfile = "wires.csv"\nwire_mm = [1, 1]\n')
    coil = read_winding(path)
    elements = coil.elements[0]
    np.testing.assert_allclose(elements.vectors.sum(axis=0), 0, atol=1e-12)  # closed
    moment = 0.5 * np.cross(elements.positions, elements.vectors).sum(axis=0)
    np.testing.assert_allclose(moment, [0, 0, 200e-6 + 50e-6], rtol=5e-3, atol=1e-12)
    lines = read_polylines(tmp_path / "wires.csv")
    assert [len(line) for line in lines] == [3, 3]
    assert lines[0][1].tolist() == [0.02, 0, -0.003]


def test_parts_have_their_places_and_channels(tmp_path):
    part = "[[part]]\nmatrix_mm = [[1,0,0,{}],[0,1,0,0],[0,0,1,0],[0,0,0,1]]\nchannel = {}\nwinding = {}\n"
    text = 'name = "two"\n' + part.format(-40, 0, RING) + part.format(40, 1, RING)
    coil = load_coil(written(tmp_path / "two.toml", text))
    assert len(coil.stimulators) == 2 and [group.stimulator for group in coil.elements] == [0, 1]
    left, right = (group.positions[:, 0].mean() for group in coil.elements)
    assert left == pytest.approx(-0.04) and right == pytest.approx(0.04)
    points = np.array([[0.01, 0.02, 0.03]])
    only_right = coil.driven([0, 1]).vector_potential(points)
    single = load_coil(written(tmp_path / "one.toml", f'name = "one"\n{part.format(40, 0, RING)}'))
    np.testing.assert_allclose(only_right, single.vector_potential(points), rtol=1e-12)
    assert coil.inductance is None and single.inductance > 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("turns = 9", "turn = 9", "turn: Extra inputs"),
        ("turns = 9", "", "needs outer_diameter_mm, inner_diameter_mm, turns; missing: turns"),
        ("turns = 9", "turns = 0", "turns: .* greater than or equal to 1; got 0"),
        ("turns = 9", "turns = 40", "40 turns of wire 1.75 mm wide must fit"),
        ("wire_mm = [1.75, 6]", "wire_mm = [1.75]", "wire_mm"),
        ("wire_mm = [1.75, 6]", "wire_mm = [nan, 6]", "wire_mm"),
        ("wire_mm = [1.75, 6]", "wire_mm = [1e-3, 6]", "wire_mm.0: .* greater than or equal to 0.01; got 0.001"),
        ("turns = 9", "turns = 9\n" + "a." * 300_000 + "b = 1", "keys must have at most 16 names between dots"),
        ("turns = 9", "turns = 9\n[" + "a." * 900 + "b]", "keys must have at most 16 names between dots"),
        ("turns = 9", "turns = 9\na = " + "{b=" * 90 + "1" + "}" * 90, "a: .* not permitted; got {'b'"),
        ('"figure-8"', '"figure-9"', "shape: .*'figure-8'.*got figure-9"),
        ("max_didt_A_per_us = 100", "max_didt_A_per_us = -1", "max_didt_A_per_us: .* greater than 0; got -1"),
        ('name = "mine"', "", "name: Field required"),
        ('shape = "figure-8"', 'shape = "circular"\nangle_deg = 100', "'circular' may have only .*; it has angle_deg"),
        ('shape = "figure-8"', 'shape = "cloverleaf"\nseparation_mm = 9', "may have only .*; it has separation_mm"),
        ("turns = 9", "turns = 9\naxis = [0, 0, 1]", "'figure-8' may have only .*, separation_mm; it has axis"),
        ("turns = 9", "turns = 500\nlayers = 500", "turns × layers must be at most 1,000; they are 500 × 500"),
        ("turns = 9", "turns = 9\naccurate_from_mm = 1e-4", "mine.toml: .* cannot be resolved"),
        (
            "wire_mm = [1.75, 6]",
            "wire_mm = [0.01, 0.01]\naccurate_from_mm = 0.01",
            "mine.toml: .* at most 500,000 current elements",
        ),
        ('name = "mine"', 'name = "mine', "cannot be read as TOML"),
    ],
)
def test_wrong_measures_are_refused_in_words(tmp_path, old, new, words):
    path = written(tmp_path / "mine.toml", FIGURE_8.replace(old, new))
    with pytest.raises(FemtmsError, match=words) as raised:
        load_coil(path)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,z\n0,0,0\n", "missing: x_mm, y_mm, z_mm"),
        ("x_mm,y_mm,z_mm\n", "there are none"),
        ("x_mm,y_mm,z_mm\n0,0,0\n1,two,3\n", "line 3: .* finite numbers"),
        ("x_mm,y_mm,z_mm\n0,0,nan\n", "line 2"),
        ("x_mm,y_mm,z_mm\n0,0\n", "line 2"),
        ("x_mm,y_mm,z_mm\n0,0,1\n0,1e9,0\n", r"line 3: points must be within 2000 mm .*; got 0, 1e\+09, 0"),
        ("x_mm,y_mm,z_mm,wire\n" + "".join(f"0,0,0,{i}\n" for i in range(2001)), "at most 2,000 wires; it has 2,001"),
        ("x_mm,y_mm,z_mm\n" + 900_000 * "0,0,0\n", "at most 5,000,000 bytes"),
    ],
)
def test_wrong_lines_are_refused_in_words(tmp_path, text, words):
    with pytest.raises(FemtmsError, match=words):
        read_polylines(written(tmp_path / "wires.csv", text))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("turns = 9\nlayers = 3\nspiral = true", "'solenoid' may have only shape, wire_mm, .*; it has layers, spiral"),
        ("turns = 9", None),
    ],
)
def test_solenoid_refuses_the_keys_of_flat_coils(tmp_path, keys, words):
    text = f'name = "s"\nshape = "solenoid"\nwire_mm = [1, 2]\ndiameter_mm = 30\nlength_mm = 20\n{keys}\n'
    path = written(tmp_path / "s.toml", text)
    if words is None:
        assert load_coil(path).name == "s"
        return
    with pytest.raises(FemtmsError, match=words):
        load_coil(path)
    thin = written(tmp_path / "thin.toml", text.replace("layers = 3\nspiral = true", "").replace("= 30", "= 0.5"))
    with pytest.raises(
        FemtmsError, match=r"thin\.toml: the mean diameter of a solenoid must be above .* 1 mm; got 0.5"
    ):
        load_coil(thin)


def test_lines_refuse_the_keys_of_turns(tmp_path):
    written(tmp_path / "w.csv", "x_mm,y_mm,z_mm\n0,0,0\n20,0,0\n0,20,0\n")
    for key in ("turns = 3", "layers = 2", "spiral = false"):
        path = written(
            tmp_path / "w.toml", f'name = "w"\nshape = "polylines"\nfile = "w.csv"\nwire_mm = [1, 1]\n{key}\n'
        )
        with pytest.raises(FemtmsError, match=f"may have only .*, file, axis; it has {key.split()[0]}"):
            load_coil(path)


def test_errors_of_geometry_say_in_which_part(tmp_path):
    part = "[[part]]\nmatrix_mm = [[1,0,0,{}],[0,1,0,0],[0,0,1,0],[0,0,0,1]]\nwinding = {}\n"
    wide = RING.replace("turns = 6", "turns = 60")
    path = written(tmp_path / "two.toml", 'name = "two"\n' + part.format(-40, RING) + part.format(40, wide))
    with pytest.raises(FemtmsError, match=r"two\.toml: part\.1: 60 turns of wire 2 mm wide must fit"):
        load_coil(path)
    far = written(tmp_path / "far.toml", 'name = "far"\n' + part.format(1e6, RING))
    with pytest.raises(FemtmsError, match="less than or equal to 2000"):
        load_coil(far)


def test_parts_that_are_too_many_together_are_refused(tmp_path):
    part = "[[part]]\nmatrix_mm = [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]\nwinding = {}\n".format
    thin = RING.replace("[2, 5]", "[0.01, 0.01]").replace("turns = 6", "turns = 900")
    path = written(tmp_path / "many.toml", 'name = "many"\n' + 5 * part(thin))
    with pytest.raises(FemtmsError, match="at most 2,000 turns in all; it has 4,500"):
        load_coil(path)
    path = written(tmp_path / "fine.toml", 'name = "fine"\naccurate_from_mm = 0.05\n' + 2 * part(thin))
    with pytest.raises(FemtmsError, match=r"fine\.toml: part\.\d: .* at most 500,000 current elements"):
        load_coil(path)


@examples(200)
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_do_more_than_be_refused(tmp_path, data):
    for name, read in (("x.toml", load_coil), ("x.csv", read_polylines)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FemtmsError):
            read(tmp_path / name)


# --- the catalogue -------------------------------------------------------------------------------------------


def test_catalogue_has_the_published_coils(no_user_folder):
    tables = {name: coil.table for name, coil in catalogue().items()}
    measures = {
        "figure8-70mm": (87, 56, 9, (1.75, 6), 114.73),
        "figure8-25mm": (42, 18, 14, (0.75, 6), None),
        "C-B60": (75, 35, 5, (1.75, 5.5), 155.40),
        "MC-B70": (108, 24, 10, (3.5, 6), 155.33),
        "figure8-3-layer": (30, 8, 13, (0.7, 7.1), None),
        "circular-70mm": (94, 40, 15, (1.75, 6), None),
        "circular-90mm": (123, 66, 14, (1.75, 6), None),
        "circular-MST": (120, 44, 9, (1.75, 6), None),
        "double-cone": (125, 96, 7, (1.75, 6), 84.37),
        "twin": (119, 40, 15, (1.75, 6), None),
    }
    for name, (outer, inner, turns, wire, limit) in measures.items():
        winding = tables[name].winding
        assert (winding.outer_diameter_mm, winding.inner_diameter_mm, winding.turns) == (outer, inner, turns)
        assert winding.wire_mm == wire and tables[name].max_didt_A_per_us == limit
        assert "Deng" in tables[name].source


@pytest.mark.parametrize("name", [name for name, coil in catalogue().items() if coil.table is not None])
def test_coils_of_the_catalogue_can_be_made(name):
    coil = load_coil(name.upper())  # in whatever case
    assert coil.name == name and coil.source and coil.outlines
    assert 5e-6 < coil.inductance < 50e-6  # what stimulators drive
    # current into one end comes out of the other
    total = sum(group.vectors.sum(axis=0) for group in coil.elements)
    np.testing.assert_allclose(total, 0, atol=1e-9)


def test_coils_of_a_folder_join_the_catalogue(no_user_folder, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "coils"
    folder.mkdir()
    written(folder / "lab.toml", FIGURE_8.replace("mine", "the lab's"))
    written(folder / "notes.txt", "not a coil")
    written(folder / "Double-Cone.toml", FIGURE_8)
    monkeypatch.setenv("FEMTMS_COILS", str(folder))
    with caplog.at_level(logging.WARNING):
        assert catalogue()["lab"].file == folder / "lab.toml"
    assert "hidden by the built-in coil" in caplog.text
    assert load_coil("LAB").name == "lab"  # what was asked for, whatever its maker calls it
    assert load_coil(folder / "lab.toml").name == "the lab's"
    assert load_coil("double-cone").name == "double-cone"


def test_folder_may_be_named_in_the_configuration(no_user_folder, tmp_path):
    folder = tmp_path / "coils"
    folder.mkdir()
    written(folder / "lab.toml", FIGURE_8)
    (no_user_folder / "femtms").mkdir(parents=True)
    config = written(no_user_folder / "femtms" / "config.toml", f"coils = {json.dumps(str(folder))}\n")
    assert user_coils() == {"lab": folder / "lab.toml"}
    written(config, "coils = 3\n")
    with pytest.raises(FemtmsError, match="must be the name of a folder; got 3"):
        user_coils()
    written(config, "coils = \n")
    with pytest.raises(FemtmsError, match="cannot be read as TOML"):
        user_coils()


def test_folder_that_is_not_there_is_an_error(no_user_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FEMTMS_COILS", str(tmp_path / "none"))
    with pytest.raises(FemtmsError, match="FEMTMS_COILS must name a folder of coil files; there is no folder"):
        load_coil("figure8-70mm")


def test_unknown_coil_is_answered_with_the_names_there_are(no_user_folder):
    with pytest.raises(FemtmsError, match=r"figure8-70mm, .*double-cone, twin"):
        load_coil("figure9")
