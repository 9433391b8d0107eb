"""Meshes survive files in every format; mm outside, m inside."""

from pathlib import Path

import meshio
import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, Simulator, mesh_head, read_mesh, write_mesh

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=20.0)


FORMATS = [
    ("a.msh", {"file_format": "gmsh22", "binary": True}),
    ("a.msh", {"file_format": "gmsh22", "binary": False, "float_fmt": ".16e"}),
    ("a.vtu", {"binary": True}),
    ("a.vtu", {"binary": False}),
    ("a.vtk", {"binary": True}),
    ("a.mesh", {}),
]


@pytest.mark.parametrize(
    "name,options", FORMATS, ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else v
)
def test_what_other_programs_write_is_read(mesh, tmp_path, name, options):
    tags = {"a.mesh": "medit:ref"}.get(name, "gmsh:physical" if name.endswith("msh") else "tissue")
    triangles = mesh.outer_faces
    data = {tags: [mesh.tags.astype(np.int32), np.full(len(triangles), 1005, np.int32)]}
    if name.endswith("msh"):
        data["gmsh:geometrical"] = data[tags]
    raw = meshio.Mesh(1e3 * mesh.nodes, [("tetra", mesh.tets), ("triangle", triangles)], cell_data=data)
    meshio.write(tmp_path / name, raw, **options)
    back = read_mesh(tmp_path / name)
    np.testing.assert_allclose(back.nodes, mesh.nodes, atol=1e-9)
    np.testing.assert_array_equal(back.tets, mesh.tets)
    np.testing.assert_array_equal(back.tags, mesh.tags)


@pytest.mark.parametrize("kind", ["ascii", "binary"])
def test_gmsh_41_is_read(kind):
    """A cube of 16 mm (tissue 2) in one of 40 mm (tissue 5), with triangles on their faces, as Gmsh 4 writes it."""
    mesh = read_mesh(DATA / f"boxes_41_{kind}.msh")
    volume = {int(tag): 1e9 * mesh.volumes[mesh.tags == tag].sum() for tag in mesh.tissues}
    assert volume == pytest.approx({2: 16**3, 5: 40**3 - 16**3})
    assert 1e3 * np.abs(mesh.centroids[mesh.tags == 2]).max() < 8


@pytest.mark.parametrize("name", ["out.msh", "out.vtu"])
def test_written_mesh_is_the_same_again(mesh, tmp_path, name):
    write_mesh(mesh, tmp_path / name)
    back = read_mesh(tmp_path / name)
    np.testing.assert_allclose(back.nodes, mesh.nodes, rtol=1e-12)
    np.testing.assert_array_equal(back.tets, mesh.tets)
    np.testing.assert_array_equal(back.tags, mesh.tags)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_saved_field_carries_the_usual_names(mesh, tmp_path, dipole_coil, vertex_pose):
    field = Simulator(mesh, device="cpu").solve(dipole_coil, vertex_pose, 1e6)
    field.save(tmp_path / "f.msh")
    field.save(tmp_path / "f.vtu")
    msh, vtu = meshio.read(tmp_path / "f.msh"), meshio.read(tmp_path / "f.vtu")
    np.testing.assert_allclose(msh.cell_data["E"][0], field.E)
    np.testing.assert_allclose(msh.cell_data["magnE"][0].ravel(), field.magnE)
    np.testing.assert_allclose(msh.point_data["v"].ravel(), field.potential)
    np.testing.assert_array_equal(msh.cell_data["gmsh:physical"][0], mesh.tags)
    np.testing.assert_allclose(vtu.cell_data["E"][0], field.E, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(vtu.point_data["potential"], field.potential, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(vtu.cell_data["tissue"][0], mesh.tags)
    assert b"$ElementData" in (tmp_path / "f.msh").read_bytes()
    np.testing.assert_allclose(msh.points, 1e3 * mesh.nodes)


def test_nothing_is_overwritten_unasked(mesh, tmp_path):
    path = tmp_path / "out.msh"
    path.write_text("precious")
    with pytest.raises(FemtmsError, match="exists already"):
        write_mesh(mesh, path)
    assert path.read_text() == "precious"
    write_mesh(mesh, path, overwrite=True)
    assert len(read_mesh(path).tets) == len(mesh.tets)


def test_unknown_suffix_is_refused(mesh, tmp_path):
    with pytest.raises(FemtmsError, match=r"\.msh or \.vtu; got '\.stl'"):
        write_mesh(mesh, tmp_path / "out.stl")


def test_unused_nodes_are_left_out(mesh, tmp_path):
    nodes = np.concatenate([[[500.0, 0, 0]], 1e3 * mesh.nodes])
    raw = meshio.Mesh(nodes, [("tetra", mesh.tets + 1)], cell_data={"tissue": [mesh.tags]})
    meshio.write(tmp_path / "a.vtu", raw)
    assert len(read_mesh(tmp_path / "a.vtu").nodes) == len(mesh.nodes)
