"""Tables of a comparison can be read back, and names in them do no harm."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from femtms import Coil, Dipoles, FemtmsError
from femtms.analysis.case import Case
from femtms.io.comparison_columns import COLUMNS
from femtms.io.comparisons import profiles_of, read_comparison, rows_of, tex_escaped, write_csv, write_tex

NASTY = 'a "coil", 50% of_$x$ {\\} ~^&#<b>|\nnew'


@pytest.fixture(scope="module")
def cases():
    coil = Coil(NASTY, (Dipoles(np.zeros((1, 3)), np.ones((1, 3))),), max_didt=100e6)
    case = Case(
        coil, "F3", -0.001, 1.5, 3.0, 0.014, 2e-5, 2e-5 / 0.014, np.arange(3) * 1e-3, np.array([1, np.nan, 0.5])
    )
    return [case, replace(case, place="C3", E_scalp=None, clearance=None, gm_50=1e-5)]


def test_csv_holds_the_numbers_in_the_units_of_its_headings(cases, tmp_path):
    write_csv(tmp_path / "c.csv", rows_of(cases, 60.0, 3e-4))
    with open(tmp_path / "c.csv", newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert list(first)[:2] == ["coil", "place"]
    assert (first["coil"], first["place"], second["place"]) == (NASTY, "F3", "C3")
    expected = {
        "E_brain_V_per_m_per_A_per_us": 1.5,
        "E_brain_at_limit_V_per_m": 150,
        "d_half_cm": 1.4,
        "s_half_cm2": 14.2857,
        "v_half_cm3": 20,
        "scalp_cortex_ratio": 2,
        "didt_for_target_A_per_us": 40,
        "share_of_max_percent": 40,
        "clearance_mm": -1,
    }
    assert {key: float(first[key]) for key in expected} == expected
    assert [first[key] for key in ("gm_50_ml", "inductance_uH", "energy_for_target_J")] == ["", "", ""]
    assert (second["gm_50_ml"], second["scalp_cortex_ratio"], second["clearance_mm"]) == ("10", "", "")


def test_profiles_have_no_number_outside_the_brain(cases):
    assert profiles_of(cases)[0]["E_V_per_m_per_A_per_us"] == [1.0, None, 0.5]
    assert profiles_of(cases)[0]["depth_mm"] == [0, 1, 2]


def test_every_row_of_the_latex_table_has_all_cells(cases, tmp_path):
    write_tex(tmp_path / "c.tex", rows_of(cases, 60.0, 3e-4), 60.0)
    lines = (tmp_path / "c.tex").read_text(encoding="utf-8").splitlines()
    columns = lines[1].removeprefix(r"\begin{tabular}{").removesuffix("}")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 3
    for row in rows:
        assert row.replace(r"\&", "").count("&") == len(columns) - 1
    assert "energy" not in rows[0]  # nobody knows it


def test_latex_prints_any_name(cases, tmp_path):
    assert tex_escaped(NASTY).count("\n") == 0
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    write_tex(tmp_path / "c.tex", rows_of(cases, 60.0, 3e-4), 60.0)
    page = r"\documentclass{article}\usepackage{textcomp}\begin{document}\input{c.tex}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    subprocess.run(["pdflatex", "-halt-on-error", "page.tex"], cwd=tmp_path, check=True, timeout=600)


@pytest.fixture
def content(cases):
    rows = json.loads(json.dumps(rows_of(cases, 60.0, 3e-4)))
    return {
        "inputs": {"target_V_per_m": 60.0},
        "rows": rows,
        "profiles": [],
        "poses": [],
        "seconds": {"mesh": 1.0},
        "device": "?",
    }


def test_what_can_be_printed_is_read(content, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert read_comparison(tmp_path / "c.json") == content


DAMAGE = {
    "no rows": (lambda c: c.update(rows=[]), "'rows'.*at least one"),
    "rows that are none": (lambda c: c.update(rows=7), "'rows'.*list.*7"),
    "a row that is none": (lambda c: c["rows"].append("x"), "row 3.*object.*'x'"),
    "no coil": (lambda c: c["rows"][1].pop("coil"), "'coil' of row 2.*text"),
    "a place that is a number": (lambda c: c["rows"][0].update(place=3), "'place' of row 1.*text.*3"),
    "a missing column": (lambda c: c["rows"][0].pop("d_half_cm"), "'d_half_cm' of row 1.*number"),
    "text for a number": (lambda c: c["rows"][1].update(s_half_cm2="?"), "'s_half_cm2' of row 2.*number"),
    "a truth for a number": (lambda c: c["rows"][1].update(s_half_cm2=True), "'s_half_cm2' of row 2.*True"),
    "no target": (lambda c: c.update(inputs={}), "target_V_per_m"),
    "inputs that are none": (lambda c: c.update(inputs=[]), "target_V_per_m"),
    "seconds that are none": (lambda c: c.update(seconds={"mesh": "long"}), "'seconds'.*number"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_comparison_is_refused(content, tmp_path, case):
    damage, words = DAMAGE[case]
    damage(content)
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(FemtmsError, match=words):
        read_comparison(tmp_path / "c.json")


def test_every_column_is_explained_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "tutorials" / "compare.md").read_text(encoding="utf-8")
    # long names stand there with an ellipsis for their units
    explained = [name.rstrip("…") for name in re.findall(r"`([^`\s]+)`", page)]
    for column in COLUMNS:
        assert any(column.key.startswith(name) and len(name) > 5 for name in explained), column.key
