"""Text files are the same with the mark of UTF-8, line ends of Windows and no end of the last line; UTF-16 is named."""

import numpy as np
import pytest

from femtms import FemtmsError, load_coil, read_label_map, read_tcd
from femtms.io.points import read_points
from femtms.io.poses import read_pose, read_poses
from femtms.io.waveforms import read_waveform
from femtms.io.windings import read_polylines
from femtms.study.document import read_document

RING = 'name = "r"\nshape = "circular"\nouter_diameter_mm = 60\ninner_diameter_mm = 30\nturns = 6\nwire_mm = [2, 5]\n'
TCD = '{"name": "n",\n"coilElementList": [{"type": 1, "points": [[1, 2, 3]], "values": [[0, 0, 1e-6]]}]}\n'
POSE = "1 0 0 5\n0 1 0 6\n0 0 1 7\n0 0 0 1\n"
READERS = {
    "c.ccd": (lambda path: load_coil(path).positions, "# c; coilname=c;\n1\n# rows\n0 0 -1e-3 0 0 1e-6\n"),
    "c.tcd": (lambda path: read_tcd(path).coil().positions, TCD),
    "c.toml": (lambda path: load_coil(path).positions, RING),
    "lines.csv": (lambda path: read_polylines(path)[0], "x_mm,y_mm,z_mm\n0,0,-3\n20,0,-3\n20,20,-3\n"),
    "pulse.tsv": (lambda path: read_waveform(path).signal, "time\tsignal\n0\t1\n1e-6\t2\n"),
    "pose.txt": (lambda path: read_pose(path).matrix, POSE),
    "poses.csv": (lambda path: read_poses(path)[0].matrix, POSE.replace("\n", " ") + "\n"),
    "points.csv": (read_points, "x,y,z\n1,2,3\n4,5,6\n"),
    "map.csv": (lambda path: np.array(sorted(read_label_map(path).tissues.items())), "label,tissue\n1,gm\n2,wm\n"),
    "study.yaml": (lambda path: np.array(sorted(read_document(path).values)), "version: 1\nname: x\n"),
}


@pytest.mark.parametrize("name", READERS)
def test_forms_of_text_are_the_same(name, tmp_path):
    read, text = READERS[name]
    (tmp_path / name).write_bytes(text.encode())
    right = read(tmp_path / name)
    assert len(right)
    for form in ("\ufeff" + text, text.replace("\n", "\r\n"), text.removesuffix("\n"), "\ufeff" + text.strip()):
        (tmp_path / name).write_bytes(form.encode())
        np.testing.assert_array_equal(read(tmp_path / name), right)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", READERS)
def test_utf_16_is_refused_by_its_name(name, encoding, tmp_path):
    read, text = READERS[name]
    (tmp_path / name).write_bytes(("\ufeff" + text).encode(encoding))
    with pytest.raises(FemtmsError, match=r"in UTF-8") as raised:
        read(tmp_path / name)
    assert name in str(raised.value) and "\n" not in str(raised.value)
