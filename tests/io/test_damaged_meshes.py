"""Mesh files that are damaged end in a sentence, soon, and without more memory than the file is worth."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import meshio
import numpy as np
import pytest

from femtms import FemtmsError, read_mesh

DATA = Path(__file__).parent / "data"
NODES = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20], [20, 20, 20.0]])
TETS = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])


def written(path, **options):
    """Two tetrahedra of tissues 1 and 2."""
    names = ["gmsh:physical", "gmsh:geometrical"] if path.suffix == ".msh" else ["tissue"]
    names = ["medit:ref"] if path.suffix.startswith(".mesh") else names
    raw = meshio.Mesh(NODES, [("tetra", TETS)], cell_data={name: [np.array([1, 2])] for name in names})
    meshio.write(path, raw, **options)
    return path


# --- which formats there are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nas", ".bdf", ".fem", ".node", ".ele", ".tec", ".dat", ".inp", ".xdmf", ".stl"])
def test_format_whose_reader_may_not_end_is_not_offered(suffix, tmp_path):
    (tmp_path / f"head{suffix}").write_bytes(b"GRID,1,,0.0\nBEGIN BULK\nCTETRA")
    with pytest.raises(FemtmsError, match=r"must be one of \.msh, \.vtu, \.vtk, \.mesh, \.meshb; got '\."):
        read_mesh(tmp_path / f"head{suffix}")


def test_regular_grid_in_a_vtk_file_is_refused_before_it_is_made(tmp_path):
    text = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 99999 99999 99999\n"
    (tmp_path / "g.vtk").write_text(text + "ORIGIN 0 0 0\nSPACING 1 1 1\n")
    with pytest.raises(FemtmsError, match=r"g\.vtk: must be an UNSTRUCTURED_GRID .*; it is STRUCTURED_POINTS"):
        read_mesh(tmp_path / "g.vtk")


OFFERED = {
    "22-ascii.msh": {"file_format": "gmsh22", "binary": False},
    "22-binary.msh": {"file_format": "gmsh22", "binary": True},
    "a.vtu": {"binary": False},
    "b.vtu": {"binary": True},
    "51.vtk": {"binary": False},
    "42.vtk": {"file_format": "vtk42", "binary": True},
    "a.mesh": {},
}


@pytest.mark.parametrize("name", OFFERED)
def test_mark_of_utf_8_is_no_part_of_a_mesh(name, tmp_path):
    path = written(tmp_path / name, **OFFERED[name])
    right = read_mesh(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_mesh(path).tags.tolist() == right.tags.tolist() == [1, 2]
    (tmp_path / f"cut{path.suffix}").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FemtmsError, match=re.escape(f"{tmp_path}/cut{path.suffix}: ")):
        read_mesh(tmp_path / f"cut{path.suffix}")


def test_mark_of_utf_8_is_no_part_of_a_mesh_41(tmp_path):
    for kind in ("ascii", "binary"):
        (tmp_path / "m.msh").write_bytes(b"\xef\xbb\xbf" + (DATA / f"boxes_41_{kind}.msh").read_bytes())
        np.testing.assert_array_equal(read_mesh(tmp_path / "m.msh").tags, read_mesh(DATA / f"boxes_41_{kind}.msh").tags)


# --- damage -----------------------------------------------------------------------------------------------------------

DAMAGE = """
import contextlib, random, re, resource, signal, sys
from pathlib import Path
import femtms.io.meshes
from femtms import FemtmsError, read_mesh

femtms.io.meshes.bounded_memory = lambda path: contextlib.nullcontext()  # as beside other threads, or with CUDA
R = random.Random(sys.argv[1])
content, path, words = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), [-1, 0, 1, 2**31 - 1, 2**28, 2**32 - 1, 2**62]
read_mesh(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
signal.alarm(60)  # a loop without an end ends the process
numbers = list(re.finditer(rb"\\d+", content))
for turn in range(400):
    damaged = bytearray(content)
    if turn % 4 == 0:
        damaged[R.randrange(len(content))] ^= 1 << R.randrange(8)
    elif turn % 4 == 1:
        at = R.randrange(len(content) - 8)
        damaged[at : at + 8] = R.choice(words).to_bytes(8, "little", signed=True)
    elif turn % 4 == 2:
        number = R.choice(numbers[:40])
        damaged[number.start() : number.end()] = str(R.choice(words)).encode()
    else:
        at = R.randrange(len(content))
        del damaged[at : at + R.choice([1, 4, 8, len(content)])]
    path.write_bytes(damaged)
    with contextlib.suppress(FemtmsError):
        read_mesh(path)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", [*OFFERED, "41-ascii.msh", "41-binary.msh"])
def test_damage_ends_soon_and_takes_no_memory(name, tmp_path):
    kind = name.split("-")[1].removesuffix(".msh") if name.startswith("41") else None
    path = DATA / f"boxes_41_{kind}.msh" if kind else written(tmp_path / name, **OFFERED[name])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAMAGE, str(path), str(tmp_path / f"damaged{path.suffix}")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.splitlines()[-1]) < 200, "MiB of memory that damage took"


def data_section(strings=1, reals=1, integers=3):
    lines = [str(strings), '"v"', str(reals), "0.0", str(integers), "0", "1", "2", "1 0.5", "2 0.5"]
    return "\n".join(["$ElementData", *lines, "$EndElementData", ""])


GMSH = textwrap.dedent("""\
    $MeshFormat
    2.2 0 8
    $EndMeshFormat
    $Nodes
    5
    1 0 0 0
    2 20 0 0
    3 0 20 0
    4 0 0 20
    5 20 20 20
    $EndNodes
    $Elements
    2
    1 4 2 1 1 1 2 3 4
    2 4 2 2 2 2 3 4 5
    $EndElements
    """)


def test_sound_text_is_read(tmp_path):
    (tmp_path / "m.msh").write_text(GMSH + data_section())
    assert read_mesh(tmp_path / "m.msh").tags.tolist() == [1, 2]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("2.2 0", "4.0 0", "version 2.2 or 4.1; it is '4.0'"),
        ("\n5\n1 ", "\n5000000000\n1 ", "Nodes announces 5,000,000,000 things"),
        ("\n5\n1 ", "\n4\n1 ", "Nodes has 4 numbers more than it announces"),
        ("\n5 20 20 20", "\n500000000 20 20 20", "without wide gaps; it has 1 to 500000000"),
        ("2 2 3 4 5\n", "2 2 3 4\n", "Elements announces 9 numbers; there are 8"),
        ("1 4 2 1 1 1 2 3 4", "1 4 2 1 1 1 2 3", "Elements"),
        ("2 3 4 5\n", "2 3 4 0\n", "nodes from 1; it refers to 0"),
        ("2 4 2 2 2", "2 77 2 2 2", "some of type 77"),
        ("$EndElements\n", "", "must end with $EndElements"),
        ("$EndElements\n", "$EndElements\n" + data_section(strings=9**12), "ElementData announces"),
        ("$EndElements\n", "$EndElements\n" + data_section(reals=9**12), "ElementData announces"),
        ("$EndElements\n", "$EndElements\n" + data_section(integers=9**12), "ElementData announces"),
    ],
)
def test_counts_of_a_text_must_fit(old, new, words, tmp_path):
    assert old in GMSH
    (tmp_path / "m.msh").write_text(GMSH.replace(old, new))
    with pytest.raises(FemtmsError, match=rf"m\.msh: \$.*{re.escape(words)}"):
        read_mesh(tmp_path / "m.msh")


# --- arrays of unequal lengths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", ["1", "1 2 3", "1 2 2 2 2 2"])
def test_element_data_of_another_length_are_refused(values, tmp_path):
    path = written(tmp_path / "m.vtu", binary=False)
    text = path.read_text()
    path.write_text(re.sub(r'(Name="tissue"[^>]*>)[^<]*', rf"\g<1>{values}", text))
    count = len(values.split())
    with pytest.raises(FemtmsError, match=rf"m\.vtu: element data .* each of the 2 elements; 'tissue' has {count}$"):
        read_mesh(path)
    vtk = written(tmp_path / "m.vtk", binary=False)
    text = vtk.read_text()
    vtk.write_text(re.sub(r"tissue 1 2 (\w+)\n1 2 ?", rf"tissue 1 {count} \g<1>\n{values}", text))
    assert vtk.read_text() != text
    with pytest.raises(FemtmsError, match=rf"m\.vtk: element data .*'tissue' has {count}$"):
        read_mesh(vtk)


@pytest.mark.parametrize("values", [4, 6])
def test_node_data_of_another_length_are_refused(values, tmp_path):
    path = written(tmp_path / "m.vtu", binary=False)
    data = f'<PointData><DataArray type="Float64" Name="v" format="ascii">{"1 " * values}</DataArray></PointData>'
    path.write_text(path.read_text().replace("<CellData>", f"{data}<CellData>"))
    with pytest.raises(FemtmsError, match=r"m\.vtu: .*v"):
        read_mesh(path)


def test_corners_must_be_as_many_as_their_offsets_say(tmp_path):
    path = written(tmp_path / "m.vtu", binary=False)
    path.write_text(re.sub(r'(Name="connectivity"[^>]*>)', r"\1 0 1 2 3", path.read_text()))
    with pytest.raises(FemtmsError, match=r"m\.vtu: the elements must have 8 corners.*have 12"):
        read_mesh(path)


def test_mesh_in_several_pieces_is_refused(tmp_path):
    path = written(tmp_path / "m.vtu", binary=False)
    text = path.read_text()
    piece = text[text.index("<Piece") : text.index("</Piece>") + 8]
    path.write_text(text.replace(piece, piece * 2))
    with pytest.raises(FemtmsError, match=r"m\.vtu: the mesh must be in one piece"):
        read_mesh(path)


def test_elements_of_other_kinds_may_come_last(tmp_path):
    path = written(tmp_path / "m.msh", file_format="gmsh22", binary=False)
    text = path.read_text()
    for last in ("3 15 2 1 1 1", "3 2 2 1 1 1 2 3"):
        head, _, rest = text.partition("$Elements\n2\n")
        path.write_text(f"{head}$Elements\n3\n{rest.replace('$EndElements', last + chr(10) + '$EndElements')}")
        assert read_mesh(path).tags.tolist() == [1, 2]
