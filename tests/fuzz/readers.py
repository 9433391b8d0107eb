"""What every reader of coil files must do with any bytes: read them or raise FemtmsError."""

import io
import json
import zlib
from base64 import b64encode

import nibabel
import numpy as np

from femtms import Coil, CoilModel, FemtmsError, load_coil, read_tcd
from femtms.io.casings import read_casing
from femtms.io.waveforms import read_waveform
from femtms.io.windings import read_polylines

POINTS = np.array([[0.001, 0.002, 0.02], [0.01, 0.01, 0.01]])  # m, where A is looked at

READERS = {
    ".ccd": load_coil,
    ".tcd": read_tcd,
    ".nii": load_coil,
    ".nii.gz": load_coil,
    ".stl": read_casing,
    ".tsv": read_waveform,
    ".toml": load_coil,
    ".csv": read_polylines,
}


def read(suffix, content, folder):
    """What the reader of a suffix makes of the bytes, or the sentence with which it refuses them.

    Any other exception than FemtmsError passes through: it is what the fuzzers look for.
    """
    path = folder / f"{suffix[1:]}-file{suffix}"  # each with its own stem: an .stl is a part of a .ccd of its name
    path.write_bytes(content)
    try:
        found = READERS[suffix](path)
    except FemtmsError as error:
        sentence = str(error)
        assert path.name in sentence, sentence
        return sentence
    coils = [found] if isinstance(found, Coil) else []
    if isinstance(found, CoilModel):
        coils = [found.coil(values) for values in ([r.low for r in found.ranges], [r.high for r in found.ranges])]
    for coil in coils:
        try:
            assert coil.vector_potential(POINTS).shape == POINTS.shape
        except FemtmsError as error:
            assert "must hold all of" in str(error)  # the points are outside the grid
    return found


def packed(array):
    """Numbers as .tcd files have them."""
    return b64encode(zlib.compress(np.ascontiguousarray(array).tobytes())).decode()


def model():
    """A small .tcd file of everything, as JSON."""
    points = [[1.0, 2.0, 3.0], [-4.0, 5.5, -6.0]]
    wave = {"name": "w", "time": [0, 1], "signal": [1, 2], "fit": [1, 1]}
    return {
        "name": "n",
        "brand": "b",
        "version": "1",
        "limits": [[-100, 100], [-100, 100], [0, 100]],
        "resolution": [10, 10, 10],
        "coilCasing": 0,
        "selfIntersectionTest": [[0, 0]],
        "coilElementList": [
            {"type": 1, "points": points, "values": [[0, 0, 1e-6]] * 2, "deformations": [0, 1], "elementCasing": 0},
            {"type": 2, "points": packed(np.array(points)), "values": packed(np.array(points)), "stimulator": 0},
            {"type": 3, "data": np.ones((4, 4, 4, 3)).tolist(), "affine": np.diag([10, 10, 10, 1]).tolist()},
            {"type": 3, "data": packed(np.ones(192)), "shape": [4, 4, 4, 3], "affine": np.diag([9, 9, 9, 1]).tolist()},
        ],
        "stimulatorList": [
            {
                "name": "S",
                "maxdIdt": 1e8,
                "waveformList": [wave],
            }
        ],
        "deformList": [
            {"type": "x", "deformRange": 0},
            {"type": "rot2p", "deformRange": 1, "point1": [0, 0, 0], "point2": [0, 0, 9]},
        ],
        "deformRangeList": [{"initial": 0, "range": [-5, 5]}, {"initial": 1, "range": [-25, 25]}],
        "coilModels": [
            {"points": packed(np.eye(3)), "faces": packed(np.array([[0, 1, 2]])), "minDistancePoints": points}
        ],
    }


WINDINGS = b"""name = "two"
max_didt_A_per_us = 100
accurate_from_mm = 5
accuracy = 0.05
[[part]]
matrix_mm = [[1, 0, 0, -40], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
channel = 1
[part.winding]
shape = "figure-8"
outer_diameter_mm = 60
inner_diameter_mm = 30
turns = 4
layers = 2
spiral = true
angle_deg = 100
separation_mm = 50
wire_mm = [2, 5]
[[part]]
matrix_mm = [[1, 0, 0, 40], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
[part.winding]
shape = "solenoid"
diameter_mm = 20
length_mm = 30
turns = 6
wire_mm = [2, 5]
"""


def valid_files():
    """Suffix -> bytes of small files that are read."""
    files = {
        ".ccd": b"# c version 1.0 number of elements; dIdtmax=100.5;x=-300,300;y=-200,200;z=-200,200;resolution=3;"
        b"stimulator=S;brand=none;coilname=c;\n2\n# words\n1e-2 0 -1e-3 0 0 1e-6\n-1e-2 0 0 0 1e-6 0\n",
        ".tcd": json.dumps(model()).encode(),
        ".tsv": b"time\tsignal\tfit\n0.0\t1.0\t1.0\n1e-06\t0.5\t0.4\n",
        ".stl": b"solid c\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
        b"endloop\nendfacet\nendsolid c\n",
        ".toml": WINDINGS,
        ".csv": b"wire,x_mm,y_mm,z_mm\na,0,0,-3\na,20,0,-3\na,20,20,-3\nb,0,0,-9\nb,10,0,-9\nb,0,10,-9\n",
    }
    image = nibabel.Nifti1Image(np.ones((4, 4, 5, 3), np.float32), np.diag([10.0, 10, 10, 1]))
    image.header["descrip"] = b"dIdtmax=100.0;coilname=c;resolution=3"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"brand=b;stimulator=S"))
    raw = io.BytesIO()
    image.to_file_map({"header": nibabel.FileHolder(fileobj=raw), "image": nibabel.FileHolder(fileobj=raw)})
    files[".nii"] = raw.getvalue()
    machine = zlib.compressobj(wbits=31)
    files[".nii.gz"] = machine.compress(files[".nii"]) + machine.flush()
    return files
