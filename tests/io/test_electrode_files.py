"""Fiducials and electrodes from the files that people have."""

import json

import numpy as np
import pytest

import femtms
from femtms.errors import FemtmsError
from femtms.io.electrode_files import coordsystem_of, read_electrodes

C3 = [-66.0, -11.4, 65.4]


def read(tmp_path, text, name="positions.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_electrodes(path)


@pytest.mark.parametrize(
    "text",
    [
        "name,x,y,z\nC3,-66,-11.4,65.4\n",
        "C3,-66,-11.4,65.4\n",
        "# measured by hand\nx_mm;y_mm;z_mm;Label\n-66;-11.4;65.4;C3\n",
        "electrode\tX (cm)\tY (cm)\tZ (cm)\nC3\t-6.6\t-1.14\t6.54\n",
        'name,pos_x[m],pos_y[m],pos_z[m],source\nC3,-0.066,-0.0114,0.0654,"by hand, twice"\n',
        "\ufeffName, X, Y, Z\n C3 , -66, -11.4, 65.4\n",
        "Electrode,-66,-11.4,65.4,C3\n",
        "Electrode,-66,-11.4,65.4,-70,-11,60,C3,spare\nCoilPos,1,2,3,4,5,6,7,coil\nGeneric,0,0,0\n",
    ],
)
def test_a_position_is_the_same_in_all_formats(tmp_path, text):
    found = read(tmp_path, text)
    assert list(found) == ["C3"]
    np.testing.assert_allclose(found["C3"], C3)


def test_the_four_fiducials_are_known_by_their_usual_names(tmp_path):
    found = read(tmp_path, "Fiducial,0,85,-38,Nasion\nFiducial,0,-118,-22,inion\nFiducial,-86,-20,-48,LPA\n")
    assert set(found) == {"Nz", "Iz", "LPA"}
    assert set(read(tmp_path, "NAS,0,85,-38\nright_preauricular,85,-20,-48\n")) == {"Nz", "RPA"}


TSV = "name\tx\ty\tz\ttype\nC3\t-0.066\t-0.0114\t0.0654\tcup\nGND\tn/a\tn/a\tn/a\tcup\n"


def bids(tmp_path, system):
    (tmp_path / "sub-01_space-T1w_coordsystem.json").write_text(json.dumps(system))
    (tmp_path / "sub-02_coordsystem.json").write_text(json.dumps({"EEGCoordinateUnits": "cm"}))  # of somebody else
    return read(tmp_path, TSV, "sub-01_space-T1w_electrodes.tsv")


def test_bids_says_the_unit_and_the_fiducials_beside_the_electrodes(tmp_path):
    system = {
        "EEGCoordinateSystem": "ScanRAS",
        "EEGCoordinateUnits": "m",
        "AnatomicalLandmarkCoordinates": {"NAS": [0, 85, -38], "LPA": [-86, -20, -48]},
        "AnatomicalLandmarkCoordinateUnits": "mm",
    }
    found = bids(tmp_path, system)
    assert set(found) == {"Nz", "LPA", "C3"}, "an electrode without a position is none"
    np.testing.assert_allclose(found["C3"], C3)
    np.testing.assert_allclose(found["Nz"], [0, 85, -38])
    assert coordsystem_of(tmp_path / "sub-01_space-T1w_electrodes.tsv").name.startswith("sub-01")
    other = bids(tmp_path, system | {"AnatomicalLandmarkCoordinateSystem": "CTF"})
    assert set(other) == {"C3"}, "fiducials in another system than the electrodes say nothing of them"


def test_bids_coordinates_that_are_relative_to_the_fiducials_are_refused(tmp_path):
    with pytest.raises(FemtmsError, match="EEGCoordinateSystem is CapTrak, whose axes go through the fiducials"):
        bids(tmp_path, {"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "mm"})
    with pytest.raises(FemtmsError, match="EEGCoordinateUnits must be m, cm or mm; got 'inch'"):
        bids(tmp_path, {"EEGCoordinateUnits": "inch"})
    with pytest.raises(FemtmsError, match="AnatomicalLandmarkCoordinates must be three finite numbers; NAS is"):
        bids(tmp_path, {"AnatomicalLandmarkCoordinates": {"NAS": [0, "n/a", 1]}})


@pytest.mark.parametrize(
    "text, message",
    [
        ("# none\n", "there must be rows with a name, x, y and z; there are none"),
        ("name,x,y,z\n", "at least one position; got none"),
        ("Nz,0,000,84,700,-38,000\n", "line 1: must have three numbers after the name; it has more: a decimal comma"),
        ("name,x,y\nC3,1,2\n", "line 1: must be a header with name, x, y and z, or name,x,y,z in mm; got 'name,x,y'"),
        ("name,x,y,z\nC3,1,2\n", "line 2: must have a name, x, y and z; it has too few cells"),
        ("name,x,y,z\nC3,1,two,3\n", "line 2: must be a name and x, y, z, three numbers; got 'C3,1,two,3'"),
        ("name,x,y,z\n,1,2,3\n", "line 2: must be a name and x, y, z, three numbers"),
        ("name,x,y,z\nC3,1,nan,3\n", "line 2: coordinates must be finite; got 'C3,1,nan,3'"),
        ("C3,1,2,3\nCz,1,2,3\nc3,4,5,6\n", "line 3: each name must be there once; 'c3' is in line 1"),
        ("Nz,1,2,3\nNAS,1,2,3\n", "line 2: each name must be there once; 'Nz' is in line 1"),
        ("Electrode,1,2,3,C3\nElektrode,1,2,3,C4\n", "line 2: must begin with Electrode, ReferenceElectrode"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(tmp_path, text, message):
    with pytest.raises(FemtmsError) as error:
        read(tmp_path, text)
    assert message in str(error.value)
    assert "positions.csv" in str(error.value)


def test_the_built_in_head_has_a_file_of_this_kind():
    found = read_electrodes(femtms.io.heads.heads_folder() / "colin27" / "fiducials.csv")
    assert set(found) == {"Nz", "Iz", "LPA", "RPA"}
