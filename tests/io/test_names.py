"""Names in files of strangers do nothing to a terminal and fit into a table."""

import json

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from femtms import load_coil
from femtms.io.names import LONGEST, printable

EVIL = "a\x1b[31m\tb\x07\u202ec"
SHOWN = "a[31m bc"


@given(st.text(max_size=2 * LONGEST))
def test_names_are_printable_short_and_otherwise_as_they_were(text):
    shown = printable(text)
    assert shown.isprintable() and len(shown) <= LONGEST
    assert printable(shown) == shown
    if text.isprintable() and len(text) <= LONGEST:
        assert shown == text


@pytest.mark.parametrize("name,shown", [(EVIL, SHOWN), (300 * "x", 199 * "x" + "…"), ("=1+2", "=1+2")])
def test_names_of_every_format_are_cleaned(tmp_path, name, shown):
    (tmp_path / "c.ccd").write_text(
        f"# c version 1;coilname={name};brand={name};stimulator={name};\n1\n0 0 -1e-3 0 0 1e-6\n"
    )
    part = {"type": 1, "points": [[0, 0, -1]], "values": [[0, 0, 1e-6]], "name": name}
    wave = {"name": name, "time": [0, 1], "signal": [0, 1]}
    model = {
        "name": name,
        "brand": name,
        "coilElementList": [part],
        "stimulatorList": [{"name": name, "brand": name, "waveformList": [wave]}],
    }
    (tmp_path / "c.tcd").write_text(json.dumps(model))
    keys = f"name = {json.dumps(name)}\nbrand = {json.dumps(name)}\nwire_mm = [1, 1]\n"
    keys += 'shape = "circular"\nouter_diameter_mm = 50\ninner_diameter_mm = 20\nturns = 3\n'
    (tmp_path / "c.toml").write_text(keys)
    image = nibabel.Nifti1Image(np.ones((4, 4, 4, 3)), np.diag([10, 10, 10, 1]))
    text = f"coilname={name};brand={name};stimulator={name}"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", text.encode()))
    nibabel.save(image, tmp_path / "c.nii")
    for suffix in (".ccd", ".tcd", ".toml", ".nii"):
        coil = load_coil(tmp_path / f"c{suffix}")
        assert (coil.name, coil.brand) == (shown, shown)
        if suffix != ".toml":
            assert coil.stimulators[0].name == shown
    (pulse,) = load_coil(tmp_path / "c.tcd").stimulators[0].waveforms
    assert pulse.name == shown


def test_name_of_a_file_is_cleaned_where_it_names_the_coil(tmp_path):
    path = tmp_path / "a\x1b[31mb.ccd"
    path.write_text("# c\n1\n0 0 -1e-3 0 0 1e-6\n")
    coil = load_coil(path)
    assert (coil.name, coil.source) == ("a[31mb", "a[31mb.ccd")
