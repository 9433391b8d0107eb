"""Surfaces as files: read back by others, they are the same, closed and outward."""

import base64
import xml.etree.ElementTree as ElementTree

import meshio
import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, Surface, mesh_head, write_surface
from femtms.io import surfaces


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((20, 30), (2, 5)), 10.0)


@pytest.fixture(scope="module")
def surface(mesh):
    return mesh.surface("gm")


def read_vtp(path):
    """Points and triangles of VTK PolyData with inline binary arrays."""
    root = ElementTree.parse(path).getroot()
    assert (root.get("type"), root.get("byte_order"), root.get("header_type")) == (
        "PolyData",
        "LittleEndian",
        "UInt64",
    )
    kinds = {"Float64": "<f8", "Int64": "<i8"}
    arrays = {}
    for array in root.iter("DataArray"):
        raw = base64.b64decode(array.text)
        assert np.frombuffer(raw[:8], "<u8")[0] == len(raw) - 8
        arrays[array.get("Name")] = np.frombuffer(raw[8:], kinds[array.get("type")])
    piece = root.find("PolyData/Piece")
    points = arrays["Points"].reshape(int(piece.get("NumberOfPoints")), 3)
    triangles = arrays["connectivity"].reshape(int(piece.get("NumberOfPolys")), 3)
    np.testing.assert_array_equal(arrays["offsets"], 3 * np.arange(1, len(triangles) + 1))
    return points, triangles


def read_gifti(path):
    image = nibabel.load(path)
    return image.agg_data("pointset"), image.agg_data("triangle")


def read_stl(path):
    read = meshio.read(path)
    return read.points, read.cells_dict["triangle"]


@pytest.mark.parametrize("suffix,read,digits", [(".vtp", read_vtp, 1e-13), (".gii", read_gifti, 1e-6)])
def test_nodes_and_triangles_come_back_as_they_were(suffix, read, digits, surface, tmp_path):
    write_surface(surface, tmp_path / f"gm{suffix}")
    points, triangles = read(tmp_path / f"gm{suffix}")
    np.testing.assert_allclose(points, 1e3 * surface.nodes, rtol=0, atol=100 * digits)
    np.testing.assert_array_equal(triangles, surface.triangles)


@pytest.mark.parametrize("suffix,read", [(".vtp", read_vtp), (".gii", read_gifti), (".stl", read_stl)])
def test_what_comes_back_is_closed_outward_and_as_large_as_the_tetrahedra(suffix, read, mesh, surface, tmp_path):
    path = tmp_path / f"gm{suffix.upper()}"
    write_surface(surface, str(path))
    if suffix == ".stl":  # meshio knows it by its lower-case suffix only
        path = path.rename(tmp_path / "gm.stl")
    if suffix == ".gii":
        path = path.rename(tmp_path / "gm.gii")
    points, triangles = read(path)
    again = Surface(1e-3 * points, triangles, "gm")
    assert len(again.triangles) == len(surface.triangles)
    assert again.is_watertight
    assert again.volume == pytest.approx(mesh.volumes[mesh.tags == 2].sum(), rel=1e-5)
    corners = 1e-3 * points[triangles]
    order = (
        np.lexsort(corners.mean(axis=1).round(7).T),
        np.lexsort(surface.nodes[surface.triangles].mean(axis=1).round(7).T),
    )
    np.testing.assert_allclose(again.normals[order[0]], surface.normals[order[1]], atol=1e-4)


def test_stl_is_binary_with_outward_normals(surface, tmp_path):
    write_surface(surface, tmp_path / "gm.stl")
    raw = (tmp_path / "gm.stl").read_bytes()
    assert not raw.startswith(b"solid") and b"mm" in raw[:80]
    assert len(raw) == 84 + 50 * len(surface.triangles)
    rows = np.frombuffer(raw[84:], [("n", "<f4", 3), ("x", "<f4", (3, 3)), ("a", "<u2")])
    np.testing.assert_allclose(rows["n"], surface.normals, atol=1e-6)
    np.testing.assert_allclose(rows["x"], 1e3 * surface.nodes[surface.triangles], atol=1e-4)


def test_gifti_says_what_it_is_and_in_which_space(surface, tmp_path):
    write_surface(surface, tmp_path / "gm.gii")
    image = nibabel.load(tmp_path / "gm.gii")
    points, triangles = image.darrays
    assert [nibabel.nifti1.intent_codes.niistring[a.intent] for a in image.darrays] == [
        "NIFTI_INTENT_POINTSET",
        "NIFTI_INTENT_TRIANGLE",
    ]
    assert points.coordsys.dataspace == points.coordsys.xformspace == 1  # scanner anatomical
    np.testing.assert_array_equal(points.coordsys.xform, np.eye(4))
    assert points.meta["AnatomicalStructurePrimary"] == "CortexRightAndLeft"
    assert image.meta["Name"] == "gm"
    assert (points.data.dtype, triangles.data.dtype) == (np.float32, np.int32)
    write_surface(Surface(surface.nodes, surface.triangles, "bone"), tmp_path / "bone.gii")
    assert nibabel.load(tmp_path / "bone.gii").meta["AnatomicalStructurePrimary"] == "bone"
    write_surface(Surface(surface.nodes, surface.triangles, "tissue 77"), tmp_path / "other.gii")
    assert nibabel.load(tmp_path / "other.gii").meta["AnatomicalStructurePrimary"] == "tissue 77"


def test_existing_file_is_kept_and_another_format_is_refused(surface, tmp_path):
    (tmp_path / "gm.stl").write_text("mine")
    with pytest.raises(FemtmsError, match="exists already"):
        write_surface(surface, tmp_path / "gm.stl")
    assert (tmp_path / "gm.stl").read_text() == "mine"
    write_surface(surface, tmp_path / "gm.stl", overwrite=True)
    assert len((tmp_path / "gm.stl").read_bytes()) > 84
    for name in ("gm.ply", "gm"):
        with pytest.raises(FemtmsError, match=r"\.stl, \.gii or \.vtp"):
            write_surface(surface, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["gm.stl"]


@pytest.mark.parametrize("suffix", [".stl", ".gii", ".vtp"])
def test_a_surface_that_fails_half_way_leaves_nothing(suffix, surface, tmp_path, monkeypatch):
    def half_written(surface, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(surfaces._WRITERS, suffix, half_written)
    with pytest.raises(OSError, match="No space left") as caught:
        write_surface(surface, tmp_path / f"x{suffix}")
    assert caught.value.filename == str(tmp_path / f"x{suffix}")
    assert list(tmp_path.iterdir()) == []
