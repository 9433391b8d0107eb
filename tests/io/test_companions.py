"""The casing and the pulse beside a coil: in the forms that are published, and never in the coil's way."""

import numpy as np
import pytest
from coil_samples import casing, dipoles, plain, sampled

from femtms import FemtmsError, load_coil, write_coil
from femtms.io.casings import write_casing
from femtms.io.coil_files import coil_files
from femtms.io.files import file_provenance
from femtms.io.summary import coil_provenance
from femtms.io.waveforms import read_waveform

COILS = {".ccd": dipoles, ".nii.gz": sampled, ".nii": sampled}
ROWS = "0.0\t1.5\t1.25\n1e-06\t-2.0E+0\t-1.75\n"
PULSES = {
    "time in the second column": ("Current\tTime\n1.5\t0\n-2\t1e-6\n", "Current", False),
    "a comment before the header": ("# exported on Monday\n# Time\tMST\n0\t1.5\n1e-6\t-2\n", "MST", False),
    "as Drakaki et al. 2022": ("# Time\tMagPro_X100\tMagPro_X100_fit\n" + ROWS, "MagPro_X100", True),
    "without #": ("Time\tMagPro_X100\tMagPro_X100_fit\n" + ROWS, "MagPro_X100", True),
    "two lines of words": ("# measured in 2021\n# Time\tMST\tfit\n" + ROWS, "MST", True),
    "other words": ("t (s)\tdI/dt\tsmooth\n" + ROWS, "dI/dt", True),
    "no words": (ROWS, "c", True),
    "our own words": ("time\tsignal\tfit\n" + ROWS, "c", True),
    "commas": ("# Time, Rapid2, Rapid2_fit\n" + ROWS.replace("\t", ","), "Rapid2", True),
    "blanks": ("# Time Rapid2 Rapid2_fit\n" + ROWS.replace("\t", "  "), "Rapid2", True),
    "line ends of Windows, none at the end": ("# Time\tA\tA_fit\n".replace("\n", "\r\n") + ROWS[:-1], "A", True),
    "the mark of UTF-8": ("\ufeff# Time\tA\tA_fit\n" + ROWS, "A", True),
    "several pulses": ("# Time\tA\tA_fit\tB\tB_fit\n" + ROWS.replace("\n", "\t7\t8\n"), "A", True),
    "no fit": ("# Time\tA\n0.0\t1.5\n1e-06\t-2\n", "A", False),
    "a fit with gaps": ("# Time\tA\tA_fit\n0.0\t1.5\t1.25\n1e-06\t-2\t\n", "A", False),
}
BROKEN = {
    "empty": b"",
    "binary": bytes(range(256)) * 9,
    "NaN": b"time\tsignal\nnan\t1\n0\tnan\n",
    "one column": b"time\n0\n1\n",
    "words": b"Dear colleague,\nthe file is attached.\n",
    "UTF-16": "time\tsignal\n0\t1\n".encode("utf-16"),
    "a solid without facets": b"solid x\nendsolid x\n",
}


@pytest.mark.parametrize("kind", PULSES)
def test_published_pulse_is_read_by_the_place_of_its_columns(kind, tmp_path, caplog):
    text, name, has_fit = PULSES[kind]
    write_coil(plain((dipoles(),), with_casing=False, with_pulse=None), tmp_path / "c.ccd")
    (tmp_path / "c.tsv").write_bytes(text.encode())
    (pulse,) = load_coil(tmp_path / "c.ccd").stimulators[0].waveforms
    assert (pulse.name, pulse.time.tolist(), pulse.signal.tolist()) == (name, [0, 1e-6], [1.5, -2])
    assert (None if pulse.fit is None else pulse.fit.tolist()) == ([1.25, -1.75] if has_fit else None)
    assert not caplog.records


@pytest.mark.parametrize("broken", [".stl", ".tsv"])
@pytest.mark.parametrize("suffix", COILS)
@pytest.mark.parametrize("content", [*BROKEN, "a folder"])
def test_companion_that_cannot_be_read_never_blocks_its_coil(content, suffix, broken, tmp_path, caplog):
    path = tmp_path / f"c{suffix}"
    write_coil(plain((COILS[suffix](),)), path)
    whole = load_coil(path)
    (tmp_path / f"c{broken}").unlink()
    if content == "a folder":
        (tmp_path / f"c{broken}").mkdir()
    else:
        (tmp_path / f"c{broken}").write_bytes(BROKEN[content])
    coil = load_coil(path)
    points = np.array([[-0.02, 0, 0.02]])
    np.testing.assert_array_equal(coil.vector_potential(points), whole.vector_potential(points))
    assert (coil.casing is None) == (broken == ".stl")
    assert (not coil.stimulators[0].waveforms) == (broken == ".tsv")
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"c{broken}" in said and said.endswith("is used without this file") and "\n" not in said

    other = tmp_path / ("c.tsv" if broken == ".stl" else "c.stl")
    assert coil_files(path) == (path, other)
    assert coil_provenance(path, coil)["companions"] == [file_provenance(other)]


def test_casing_that_is_a_part_of_a_model_must_be_right(tmp_path):
    write_coil(plain((dipoles(),)), tmp_path / "c.tcd")
    content = (tmp_path / "c.tcd").read_text()
    (tmp_path / "c.tcd").write_text(content.replace('"faces"', '"facets"'))
    with pytest.raises(FemtmsError, match="must have 'faces'"):
        load_coil(tmp_path / "c.tcd")


def test_keys_of_a_header_are_known_in_any_case(tmp_path):
    rows = "1\n# dipoles\n0 0 -0.01 0 0 1e-6\n"
    header = "# c.ccd version 1.0 elements; dIdtMax=100.5;X=-300,300;Y=-200,200;Z=-100,100;Resolution=3;"
    header += "STIMULATOR=Rapid;Brand=Magstim;CoilName=D70;\n"
    found = []
    for text in (header, header.lower().replace("rapid", "Rapid").replace("magstim", "Magstim").replace("d70", "D70")):
        (tmp_path / "c.ccd").write_text("\ufeff" + text.replace("\n", "\r\n") + rows.removesuffix("\n"))
        coil = load_coil(tmp_path / "c.ccd")
        found.append((coil.name, coil.brand, coil.stimulators[0].name, coil.max_didt, coil.resolution.tolist()))
        np.testing.assert_allclose(coil.limits, [[-0.3, 0.3], [-0.2, 0.2], [-0.1, 0.1]])
    assert found == [("D70", "Magstim", "Rapid", pytest.approx(100.5e6), [0.003] * 3)] * 2


def test_text_casing_may_begin_with_the_mark_of_utf_8(tmp_path):
    write_coil(plain((dipoles(),), with_casing=False, with_pulse=None), tmp_path / "c.ccd")
    write_casing(casing(), tmp_path / "c.stl")
    (tmp_path / "c.stl").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "c.stl").read_bytes())
    assert len(load_coil(tmp_path / "c.ccd").casing.triangles) == len(casing().triangles)


def test_pulse_alone_is_refused_with_its_line(tmp_path):
    (tmp_path / "w.tsv").write_text("# Time\tA\n0\t1\n1\ttwo\n")
    with pytest.raises(FemtmsError, match=r"w\.tsv, line 3: must be numbers"):
        read_waveform(tmp_path / "w.tsv")
