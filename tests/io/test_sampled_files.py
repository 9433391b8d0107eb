"""Fields at points, on surfaces and on grids as files."""

import csv
import dataclasses

import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, Simulator, mesh_head, read_surface, write_nifti, write_surface_field
from femtms.field.places import Places, in_tissue
from femtms.io.points import read_points, write_points


@pytest.fixture(scope="module")
def field(dipole_coil, vertex_pose):
    mesh = mesh_head(LayeredSphere((70, 92), (2, 5)), 20.0)
    return Simulator(mesh, device="cpu").solve(dipole_coil, vertex_pose)


@pytest.fixture(scope="module")
def on_surface(field):
    surface = field.mesh.surface("gm")
    shifted = dataclasses.replace(
        surface, nodes=0.9 * surface.nodes + [0.01, 0, 0], tissue="lh", structure="CortexLeft"
    )
    found = field.on_surface(shifted)
    assert 0 < found.places.outside.sum() < len(surface.nodes)
    return found


# --- surfaces ---------------------------------------------------------------------------------------------------------

QUANTITIES = {"magnE": "magnE", "E_normal": "normal", "E_tangential": "tangential", "angle": "angle"}


def test_gifti_has_the_surface_and_a_named_array_for_each_quantity(on_surface, tmp_path):
    path = tmp_path / "surface-lh.gii"
    write_surface_field(on_surface, path)
    image = nibabel.load(path)
    np.testing.assert_allclose(image.agg_data("pointset"), 1e3 * on_surface.surface.nodes, atol=1e-5)
    np.testing.assert_array_equal(image.agg_data("triangle"), on_surface.surface.triangles)
    shapes = image.get_arrays_from_intent("NIFTI_INTENT_SHAPE")
    assert [array.meta["Name"] for array in shapes] == list(QUANTITIES)
    for array in shapes:
        expected = getattr(on_surface, QUANTITIES[array.meta["Name"]])
        assert array.data.dtype == np.float32
        np.testing.assert_allclose(array.data, expected, rtol=1e-6)
    assert image.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    again = read_surface(path)
    assert again.structure == "CortexLeft"
    np.testing.assert_array_equal(again.triangles, on_surface.surface.triangles)


@pytest.mark.parametrize("suffix", [".func.gii", ".shape.gii"])
def test_data_alone_have_no_surface(suffix, on_surface, tmp_path):
    write_surface_field(on_surface, tmp_path / f"lh{suffix}")
    image = nibabel.load(tmp_path / f"lh{suffix}")
    assert len(image.darrays) == 4 and image.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    np.testing.assert_allclose(image.agg_data("shape")[0], on_surface.magnE, rtol=1e-6)


def test_vtp_has_the_vectors_too(on_surface, tmp_path):
    import base64
    import xml.etree.ElementTree as ElementTree

    write_surface_field(on_surface, tmp_path / "lh.vtp")
    found = {}
    for array in ElementTree.parse(tmp_path / "lh.vtp").getroot().iter("DataArray"):
        raw = base64.b64decode(array.text)
        assert np.frombuffer(raw[:8], "<u8")[0] == len(raw) - 8
        found[array.get("Name")] = raw[8:], int(array.get("NumberOfComponents"))
    assert set(found) == {"E", *QUANTITIES, "Points", "connectivity", "offsets"}
    raw, components = found["E"]
    np.testing.assert_allclose(np.frombuffer(raw, "<f4").reshape(-1, components), on_surface.E, rtol=1e-6)
    np.testing.assert_array_equal(read_surface(tmp_path / "lh.vtp").triangles, on_surface.surface.triangles)


def test_a_field_on_a_surface_is_not_written_as_anything_else_nor_over_a_file(on_surface, tmp_path):
    with pytest.raises(FemtmsError, match=r"as \.gii or \.vtp; got '\.stl'"):
        write_surface_field(on_surface, tmp_path / "lh.stl")
    write_surface_field(on_surface, tmp_path / "lh.gii")
    with pytest.raises(FemtmsError, match="exists already"):
        write_surface_field(on_surface, tmp_path / "lh.gii")
    write_surface_field(on_surface, tmp_path / "lh.gii", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["lh.gii"]


# --- grids ------------------------------------------------------------------------------------------------------------


def test_nifti_has_the_field_at_the_centres_of_voxels_and_0_in_air(field, tmp_path):
    affine = np.diag([-12.0, 12, 12, 1])
    affine[:3, 3] = [96, -96, -96]
    write_nifti(field, tmp_path / "magnE.nii.gz", (affine, (17, 17, 17)))
    write_nifti(field, tmp_path / "E.nii", (affine, (17, 17, 17)), "E")
    magnE, E = nibabel.load(tmp_path / "magnE.nii.gz"), nibabel.load(tmp_path / "E.nii")
    np.testing.assert_allclose(magnE.affine, affine)
    assert magnE.shape == (17, 17, 17) and E.shape == (17, 17, 17, 3)
    expected = field.on_grid(affine, (17, 17, 17))
    air = np.isnan(expected[..., 0])
    assert 0.2 < air.mean() < 0.8
    assert (magnE.get_fdata()[air] == 0).all() and (magnE.get_fdata()[~air] > 0).all()
    np.testing.assert_allclose(E.get_fdata(), np.nan_to_num(expected), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(E.get_fdata(), axis=-1), magnE.get_fdata(), rtol=1e-5, atol=1e-12)
    assert b"magnE, V/m, 1e+06 A/s; 0 in air" in bytes(magnE.header["descrip"])


def test_without_a_grid_voxels_of_1_mm_cover_the_head(field, tmp_path):
    write_nifti(field, tmp_path / "magnE.nii.gz")
    image = nibabel.load(tmp_path / "magnE.nii.gz")
    np.testing.assert_allclose(image.header.get_zooms(), 1)
    assert (image.get_fdata() > 0).sum() == pytest.approx(1e9 * field.mesh.volumes.sum(), rel=0.01)


def test_bad_grids_names_and_quantities_are_refused(field, tmp_path):
    for arguments, words in (
        (("magnE.mgz",), "as .nii or .nii.gz"),
        (("a.nii", None, "J"), "quantity must be 'magnE' or 'E'"),
        (("a.nii", (np.eye(4), (0, 1, 1))), "three whole numbers"),
    ):
        with pytest.raises(FemtmsError, match=words):
            write_nifti(field, tmp_path / arguments[0], *arguments[1:])
    (tmp_path / "a.nii").write_bytes(b"mine")
    with pytest.raises(FemtmsError, match="exists already"):
        write_nifti(field, tmp_path / "a.nii", (np.eye(4), (2, 2, 2)))
    assert (tmp_path / "a.nii").read_bytes() == b"mine"


# --- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n-4.5,5e1,6\n",
        "x,y,z\n1,2,3\n-4.5,50,6\n",
        "\ufeff# by hand\nx (mm)\ty (mm)\tz (mm)\n\n1\t2\t3\n-4.5\t50\t6 # the second\n",
        "1; 2; 3\r\n-4.5; 50; 6",
        " 1 2   3\n -4.5 50 6",
    ],
)
def test_points_are_read_with_any_separator_and_with_or_without_a_header(text, tmp_path):
    (tmp_path / "p.csv").write_text(text, encoding="utf-8", newline="")
    np.testing.assert_allclose(read_points(tmp_path / "p.csv"), [[1e-3, 2e-3, 3e-3], [-4.5e-3, 0.05, 6e-3]])


@pytest.mark.parametrize(
    "content,words",
    [
        (b"", "the file is empty"),
        (b"x,y,z\n", "at least one point; got none"),
        (b"# nothing\n\n", "at least one point; got none"),
        (b"x,y,z\na,b,c\n", "line 2: must be x, y, z in mm"),
        (b"1,2,3\n1,2\n", "line 2: must be x, y, z in mm, three numbers; got '1,2'"),
        (b"1,2,3,4\n", "line 1: must be"),
        (b"x,2,3\n", "line 1: must be"),
        (b"1,2,3\n1,nan,3\n", "points must be finite; point 1"),
        (b"1,2,inf\n", "points must be finite; point 0"),
        (b"\xff\xfe\x00", "points must be text"),
    ],
)
def test_files_that_are_no_points_are_refused(content, words, tmp_path):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(FemtmsError) as caught:
        read_points(tmp_path / "p.csv")
    assert words in str(caught.value) and "p.csv" in str(caught.value)


def test_points_come_back_with_their_field_and_tissue(field, tmp_path):
    points_mm = np.array([[0, 0, 60.1], [0.1, 0, 80], [300, 0, 0]])
    places = Places.of(field.mesh, 1e-3 * points_mm)
    E = field.E_in(places.tets, places.weights)
    write_points(tmp_path / "points.csv", places.points, E, in_tissue(field.mesh, places))
    with open(tmp_path / "points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["x", "y", "z", "Ex", "Ey", "Ez", "magnE", "tissue"]
    assert [row["tissue"] for row in rows] == ["gm", "scalp", ""]
    assert [row["magnE"] for row in rows][2] == "nan"
    numbers = np.array([[float(row[key]) for key in list(row)[:7]] for row in rows])
    np.testing.assert_allclose(numbers[:, :3], points_mm, rtol=1e-12)
    np.testing.assert_allclose(numbers[:, 3:6], E, rtol=1e-8)
    np.testing.assert_allclose(numbers[:, 6], np.linalg.norm(E, axis=1), rtol=1e-8)
    np.testing.assert_allclose(E[:2], field.at(points_mm[:2]), rtol=1e-6)
