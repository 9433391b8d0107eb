"""Which files the name of a coil stands for, and that results tell them."""

import numpy as np
import pytest
from coil_samples import casing, dipoles, plain, sampled

from femtms import FemtmsError, load_coil, write_coil
from femtms.io.casings import write_casing
from femtms.io.coil_files import coil_files
from femtms.io.files import file_provenance
from femtms.io.summary import coil_provenance

RING = '{ shape = "circular", outer_diameter_mm = 60, inner_diameter_mm = 30, turns = 6, wire_mm = [2, 5] }'
LINES = "x_mm,y_mm,z_mm\n0,0,-3\n20,0,-3\n20,20,-3\n"


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder of the user's coils; the tests run in another one."""
    (tmp_path / "coils").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("FEMTMS_COILS", str(tmp_path / "coils"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "coils"


def provenance(name):
    return coil_provenance(name, load_coil(name))


def test_file_with_the_name_of_a_coil_changes_nothing(folder, tmp_path):
    before = provenance("figure8-70mm")
    assert before["name"] == "figure8-70mm" and "path" not in before
    (tmp_path / "here" / "figure8-70mm").write_text("notes")
    assert provenance("figure8-70mm") == before
    assert coil_files("figure8-70mm") == ()


def test_coil_of_the_users_folder_is_hashed_and_named_as_asked(folder):
    write_coil(plain((dipoles(),), name="D70", with_casing=False, with_pulse=None), folder / "mine.ccd")
    assert provenance("MINE") == file_provenance(folder / "mine.ccd")
    assert load_coil("MINE").name == "mine"
    assert load_coil(folder / "mine.ccd").name == "D70"


def test_file_in_this_folder_needs_no_folder_of_coils(folder, tmp_path, monkeypatch):
    write_coil(plain((dipoles(),), name="D70"), "x.ccd")
    monkeypatch.setenv("FEMTMS_COILS", str(tmp_path / "none"))
    assert load_coil("x.ccd").name == "D70"
    with pytest.raises(FemtmsError, match="must name a folder of coil files"):
        load_coil("y.ccd")


def test_file_that_went_away_is_said_to_be_gone(folder, tmp_path):
    write_coil(plain((dipoles(),)), "x.ccd")
    coil = load_coil("x.ccd")
    (tmp_path / "here" / "x.ccd").unlink()
    with pytest.raises(FemtmsError, match=r"x\.ccd: there is no such file"):
        coil_provenance("x.ccd", coil)


@pytest.mark.parametrize("suffix", [".ccd", ".nii.gz"])
def test_casing_and_pulse_are_hashed_with_their_coil(folder, tmp_path, suffix):
    here = tmp_path / "here"
    write_coil(plain((dipoles() if suffix == ".ccd" else sampled(),)), here / f"x{suffix}")
    found = provenance(here / f"x{suffix}")
    assert found["path"] == str(here / f"x{suffix}")
    assert found["companions"] == [file_provenance(here / "x.stl"), file_provenance(here / "x.tsv")]
    (here / "x.tsv").unlink()
    assert [file["path"] for file in provenance(here / f"x{suffix}")["companions"]] == [str(here / "x.stl")]


def test_model_that_holds_all_itself_has_no_companions(folder):
    write_coil(plain((dipoles(),)), folder / "x.tcd")
    write_casing(casing(), folder / "x.stl")
    assert provenance("x") == file_provenance(folder / "x.tcd")


def test_lines_of_wires_are_hashed_with_their_coil(folder):
    (folder / "lines.csv").write_text(LINES)
    wires = ['shape = "polylines"', 'file = "lines.csv"', "wire_mm = [1, 1]"]
    matrix = np.eye(4).astype(int).tolist()
    (folder / "one.toml").write_text("\n".join(['name = "w"', *wires]))
    inline = f"{{ {', '.join(wires)} }}"
    parts = [f"[[part]]\nmatrix_mm = {matrix}\nwinding = {winding}\n" for winding in (inline, RING, inline)]
    (folder / "three.toml").write_text('name = "w"\n' + "".join(parts))
    lines = file_provenance(folder / "lines.csv")
    for name in ("one", "three"):
        assert provenance(name) == file_provenance(folder / f"{name}.toml") | {"companions": [lines]}


@pytest.mark.parametrize("name", ["", "  "])
def test_empty_name_is_refused_in_words(folder, name):
    for function in (load_coil, coil_files):
        with pytest.raises(FemtmsError, match="name of a coil, or of its file, must not be empty"):
            function(name)


def test_folder_is_no_coil(folder):
    with pytest.raises(FemtmsError, match="it is a folder"):
        load_coil(folder)


def test_names_that_a_terminal_would_obey_do_not_join_the_catalogue(folder, caplog):
    write_coil(plain((dipoles(),)), folder / "a\x1b[31mb.tcd")
    with pytest.raises(FemtmsError, match="there is no"):
        load_coil("a\x1b[31mb")
    assert "printable" in caplog.text and "\x1b" not in caplog.text
