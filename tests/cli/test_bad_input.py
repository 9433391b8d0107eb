"""Bad input ends in one sentence on stderr and exit code 2, and leaves no files behind."""

import errno
import gzip
import os
import signal
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from .small_files import Result, ball_labels, said_no, write_raw

COIL = ("--coil", "figure8-70mm")
PLACE = ("--at", "0,0,34", "--towards", "0,30,20")
SMALL = ("--size", "12")
HEADS = (".nii", ".nii.gz", ".mgz", "msh22-ascii", "msh22-binary", "msh41-ascii", "msh41-binary")
HEADS += ("vtu-ascii", "vtu-binary")
POSES = ("pose.txt", "pose.npy")


def simulate(head, out, *more, coil=COIL, place=PLACE):
    given = [word for option, value in zip(place[::2], place[1::2]) if option not in more for word in (option, value)]
    return ("simulate", head, *coil, *given, "-o", out, *SMALL, "--device", "cpu", *more)


def suffix_of(path):
    return "".join(path.suffixes)


@pytest.fixture
def out(tmp_path):
    """Where results would go; checked after each test to hold nothing that the test did not put there."""
    folder = tmp_path / "results" / "out"
    yield folder
    left = [str(p) for p in tmp_path.rglob(".femtms-*")]
    assert not left, "temporary folders are left behind"


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
@pytest.mark.parametrize("kind", HEADS)
def test_truncated_head_is_refused(kind, share, files, tmp_path, refused, out):
    content = files[kind].read_bytes()
    path = tmp_path / f"cut{suffix_of(files[kind])}"
    path.write_bytes(content[: int(share * len(content))])
    refused(*simulate(path, out), words=[str(path.name)])
    assert not out.parent.exists()


@pytest.mark.parametrize("kind", [*HEADS, ".ccd", *POSES])
def test_empty_file_is_refused(kind, files, tmp_path, refused):
    path = tmp_path / f"nothing{suffix_of(files[kind])}"
    path.touch()
    refused("info", path, words=["empty", path.name])


@pytest.mark.parametrize("length", [1, 100, 5000])
@pytest.mark.parametrize("kind", [*HEADS, ".ccd", *POSES])
def test_binary_garbage_is_refused(kind, length, files, tmp_path, refused):
    path = tmp_path / f"garbage{suffix_of(files[kind])}"
    path.write_bytes(np.random.default_rng(length).bytes(length))
    refused("info", path, words=[path.name])


@pytest.mark.parametrize("kind", [*HEADS, ".ccd", *POSES])
def test_missing_file_folder_and_renamed_text_are_refused(kind, files, tmp_path, refused):
    suffix = suffix_of(files[kind])
    refused("info", tmp_path / f"missing{suffix}", words=["no such file", f"missing{suffix}"])
    (tmp_path / f"folder{suffix}").mkdir()
    refused("info", tmp_path / f"folder{suffix}", words=["folder"])
    (tmp_path / f"text{suffix}").write_text("Dear colleague,\nthe head is attached.\n")
    refused("info", tmp_path / f"text{suffix}", words=[f"text{suffix}"])


def test_unknown_names_are_refused_with_those_that_there_are(refused, out):
    refused(*simulate("colin28", out), words=["colin27", "sphere", "colin28"])
    refused(*simulate("sphere", out, coil=("--coil", "figure9")), words=["figure8-70mm", "figure9"])


# --- meshes -------------------------------------------------------------------------------------------------


def a_tet():
    nodes = np.array([[0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50.0], [60, 60, 60]])
    return nodes, np.array([[0, 1, 2, 3], [1, 4, 2, 3]])


def _nan_nodes(nodes, tets):
    nodes[3, 1] = np.nan
    return nodes, [("tetra", tets)], [1, 2]


def _index_out_of_range(nodes, tets):
    tets[1, 1] = 77
    return nodes, [("tetra", tets)], [1, 2]


def _surface_only(nodes, tets):
    return nodes, [("triangle", tets[:, :3])], [1001, 1002]


def _second_order(nodes, tets):
    ten = np.concatenate([tets, np.zeros((2, 6), int)], axis=1)
    return nodes, [("tetra10", ten)], [1, 2]


def _in_metres(nodes, tets):
    return 1e-3 * nodes, [("tetra", tets)], [1, 2]


def _in_micrometres(nodes, tets):
    return 1e3 * nodes, [("tetra", tets)], [1, 2]


def _pushed_through(nodes, tets):
    nodes[4] = [5, 5, 5]  # on the near side of the face that both have
    return nodes, [("tetra", tets)], [1, 2]


def _two_tissues_in_one_place(nodes, tets):
    return nodes, [("tetra", tets[[0, 0]])], [1, 2]


def _three_at_a_face(nodes, tets):
    nodes = np.concatenate([nodes, [[70, 60, 60.0]]])
    return nodes, [("tetra", np.array([*tets, [1, 5, 2, 3]]))], [1, 2, 2]


def _flat(nodes, tets):
    nodes[4] = nodes[1] + nodes[2] - nodes[3]
    return nodes, [("tetra", tets)], [1, 2]


def _repeated_node(nodes, tets):
    tets[1, 1] = tets[1, 0]
    return nodes, [("tetra", tets)], [1, 2]


def _air_as_tissue(nodes, tets):
    return nodes, [("tetra", tets)], [0, 2]


def _negative_tag(nodes, tets):
    return nodes, [("tetra", tets)], [-3, 2]


def _huge_tag(nodes, tets):
    return nodes, [("tetra", tets)], [2_000_000_000, 2]


def _fractional_tag(nodes, tets):
    return nodes, [("tetra", tets)], [1.5, 2.0]


def _no_tags(nodes, tets):
    return nodes, [("tetra", tets)], None


BAD_MESHES = [
    (_nan_nodes, ["finite", "node 3"]),
    (_index_out_of_range, ["77", "nodes"]),
    (_surface_only, ["tetra", "triangle"]),
    (_second_order, ["linear tetrahedra", "tetra10"]),
    (_in_metres, ["mm", "is it in m?"]),
    (_in_micrometres, ["mm", "µm"]),
    (_pushed_through, ["overlap", "1 pair", "same side"]),
    (_two_tissues_in_one_place, ["overlap", "tissue 1", "tissue 2", "(12.5, 12.5, 12.5) mm"]),
    (_three_at_a_face, ["at most two tetrahedra", "1 belongs", "(16.7, 16.7, 16.7) mm"]),
    (_flat, ["positive volume", "flat", "tet 1"]),
    (_repeated_node, ["positive volume", "flat"]),
    (_air_as_tissue, ["tissue number", "tissue"]),
    (_negative_tag, ["tissue number"]),
    (_huge_tag, ["tissue number", "65,535"]),
    (_fractional_tag, ["tissue number"]),
    (_no_tags, ["tissue number", "none"]),
]


@pytest.mark.parametrize("bad, words", BAD_MESHES, ids=[bad.__name__.strip("_") for bad, _ in BAD_MESHES])
def test_bad_mesh_is_refused(bad, words, tmp_path, refused, out):
    nodes, cells, tags = bad(*a_tet())
    data = None if tags is None else {"tissue": [np.array(tags)]}
    write_raw(tmp_path / "bad.vtu", nodes, cells, data)
    refused(*simulate(tmp_path / "bad.vtu", out), words=["bad.vtu", *words])


def test_volume_elements_that_would_be_left_out_are_refused(tmp_path, refused):
    nodes, tets = a_tet()
    cells = [("tetra", tets[:1]), ("wedge", np.array([[0, 1, 2, 3, 4, 2]]))]
    write_raw(tmp_path / "mixed.vtu", nodes, cells, {"tissue": [np.array([1]), np.array([1])]})
    refused("info", tmp_path / "mixed.vtu", words=["wedge", "linear tetrahedra"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a reader is bounded on Linux only")
def test_node_number_that_asks_for_gigabytes_is_refused(files, tmp_path, refused):
    text = files["msh22-ascii"].read_text().splitlines()
    first = text.index("$Nodes") + 2
    text[first] = text[first].replace("1 ", "900000000 ", 1)
    (tmp_path / "huge.msh").write_text("\n".join(text))
    refused("info", tmp_path / "huge.msh", words=["huge.msh", "number its nodes", "900000000"])


def test_unknown_tag_asks_for_its_conductivity(tmp_path, refused, run, out):
    nodes, tets = a_tet()
    write_raw(tmp_path / "odd.vtu", nodes, [("tetra", tets)], {"tissue": [np.array([1, 77])]})
    place = ("--at", "25,25,0", "--towards", "50,0,0")
    refused(*simulate(tmp_path / "odd.vtu", out, place=place), words=["77", "--sigma 77="])
    assert run(*simulate(tmp_path / "odd.vtu", out, "--sigma", "77=0.3", place=place)).code == 0


# --- label volumes ------------------------------------------------------------------------------------------


def _changed(make):
    data, affine = ball_labels()
    return make(data.astype(np.float64)), affine


def _filled(value):
    def make(data):
        data[:] = value
        return data

    return make


def _one_voxel(value):
    def make(data):
        data[7, 8, 9] = value
        return data

    return make


BAD_LABELS = [
    ("all air", _filled(0), ["no tissue", "air"]),
    ("one label and no air", _filled(3), ["no air"]),
    ("fractions", _one_voxel(1.5), ["whole numbers", "(7, 8, 9)", "1.5"]),
    ("NaN", _one_voxel(np.nan), ["whole numbers", "NaN"]),
    ("negative", _one_voxel(-2), ["≥ 0", "-2"]),
    ("no tissue number", _one_voxel(1e6), ["65,536", "1,000,000", "--labels"]),
    ("no label", _one_voxel(1e9), ["16,777,215", "1e+09"]),
    (
        "a parcellation",
        lambda d: np.arange(d.size).reshape(d.shape) * (d > 0.0) * 1.0,
        ["at most 60 tissues", "parcellation"],
    ),
    ("probability maps", lambda d: np.stack([d] * 6, axis=-1), ["three dimensions", "(20, 20, 20, 6)", "6 volumes"]),
    ("vectors", lambda d: np.stack([d] * 3, axis=-1)[..., None, :], ["three dimensions", "3 volumes"]),
    ("two dimensions", lambda d: d[:, :, 9], ["three dimensions", "(20, 20)"]),
    ("one slice", lambda d: d[:, :, 9:10], ["two voxels", "(20, 20, 1)"]),
    ("complex", lambda d: d.astype(np.complex64), ["whole numbers", "complex64"]),
]


@pytest.mark.parametrize("make, words", [case[1:] for case in BAD_LABELS], ids=[case[0] for case in BAD_LABELS])
def test_bad_label_volume_is_refused(make, words, tmp_path, refused, out):
    nibabel.save(nibabel.Nifti1Image(*_changed(make)), tmp_path / "bad.nii.gz")
    refused(*simulate(tmp_path / "bad.nii.gz", out), words=["bad.nii.gz", *words])


AFFINES = [
    ("NaN", np.full((4, 4), np.nan), ["affine"]),
    ("singular", np.diag([4.0, 0.0, 4.0, 1.0]), ["affine", "invertible"]),
    ("metres", np.diag([0.004, 0.004, 0.004, 1.0]), ["mm", "is it in m?"]),
    ("micrometres", np.diag([4e3, 4e3, 4e3, 1.0]), ["mm", "µm"]),
]


@pytest.mark.parametrize("affine, words", [case[1:] for case in AFFINES], ids=[case[0] for case in AFFINES])
def test_bad_affine_is_refused(affine, words, ball, tmp_path, refused):
    image = nibabel.Nifti1Image(ball[0], np.eye(4))
    image.header.set_sform(affine, code=1)
    image.header["qform_code"] = 0
    content = bytearray(image.to_bytes())
    content[280:328] = np.asarray(affine[:3], np.float32).tobytes()  # sform rows: nibabel would tidy them
    (tmp_path / "bad.nii").write_bytes(content)
    refused("info", tmp_path / "bad.nii", words=["bad.nii", *words])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_header_that_announces_terabytes_is_refused(suffix, ball, tmp_path, refused):
    content = bytearray(nibabel.Nifti1Image(*ball).to_bytes())
    content[42:48] = np.array([30_000, 30_000, 30_000], "<i2").tobytes()
    path = tmp_path / f"huge{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    refused("info", path, words=["30000×30000×30000", "damaged"])


@pytest.mark.parametrize("kind", [".nii", ".nii.gz", ".mgz"])
def test_volume_that_memory_cannot_hold_is_refused_before_it_is_read(kind, files, refused, monkeypatch):
    monkeypatch.setattr("femtms.io.nifti.available_memory", lambda: 200_000)
    monkeypatch.setattr("nibabel.arrayproxy.ArrayProxy.__array__", lambda *a, **k: pytest.fail("it is being read"))
    refused("info", files[kind], words=["20×20×20", "GiB", "crop"])


def test_sparse_file_of_terabytes_is_refused(tmp_path, refused):
    header = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes()[:352]
    path = tmp_path / "huge.nii"
    with open(path, "wb") as file:
        file.write(header[:42] + np.array([9000, 9000, 9000], "<i2").tobytes() + header[48:])
        try:
            file.truncate(352 + 9000**3)
        except OSError:
            pytest.skip("the file system has no sparse files of this size")
    refused("info", path, words=["9000×9000×9000 voxels", "1.77e+04 GiB", "are there"])


def test_colours_are_no_labels(ball, tmp_path, refused):
    colours = np.zeros(ball[0].shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, ball[1]), tmp_path / "colours.nii")
    refused("info", tmp_path / "colours.nii", words=["colours.nii", "whole numbers", "'R'"])


def test_whole_numbers_are_labels_in_every_type(ball, tmp_path, run):
    for kind in (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64):
        nibabel.save(nibabel.Nifti1Image(ball[0].astype(kind), ball[1]), tmp_path / "head.nii")
        assert "wm, gm, csf, bone, scalp" in run("info", tmp_path / "head.nii").out, kind


def test_trailing_dimensions_of_one_are_no_dimensions(ball, tmp_path, run):
    nibabel.save(nibabel.Nifti1Image(ball[0][..., None, None], ball[1]), tmp_path / "five.nii.gz")
    assert "20×20×20" in run("info", tmp_path / "five.nii.gz").out


def test_mask_of_one_tissue_is_a_head_of_one_compartment_and_that_is_said(ball, tmp_path, run):
    nibabel.save(nibabel.Nifti1Image((ball[0] > 0).astype(np.uint8), ball[1]), tmp_path / "mask.nii.gz")
    result = run("mesh", tmp_path / "mask.nii.gz", "-o", tmp_path / "mask.msh", *SMALL)
    assert result.code == 0
    assert "only tissue" in result.err


# --- coils --------------------------------------------------------------------------------------------------

GOOD_ROW = "0.01 0 0 0 0 1e-4\n"
BAD_COILS = [
    ("no numbers", "# a coil\n", ["number of dipoles"]),
    ("count is a word", "# a coil\nmany\n" + GOOD_ROW, ["line 2", "many"]),
    ("count too high", "# a coil\n3\n" + GOOD_ROW, ["3 dipoles", "there are 1"]),
    ("count too low", "# a coil\n1\n" + 2 * GOOD_ROW, ["1 dipoles", "there are 2"]),
    ("no elements", "# a coil\n0\n", ["at least one", "got 0"]),
    ("negative count", "# a coil\n-1\n", ["at least one", "got -1"]),
    ("NaN", "# a coil\n1\n0.01 0 nan 0 0 1e-4\n", ["line 3", "finite"]),
    ("infinity", "# a coil\n1\n0.01 0 0 0 0 inf\n", ["line 3", "finite"]),
    ("five numbers", "# a coil\n1\n0.01 0 0 0 1e-4\n", ["line 3", "six"]),
    ("in mm", "# a coil\n1\n30 0 0 0 0 1e-4\n", ["must be in m", "mm"]),
    ("limit is NaN", "# a coil; dIdtmax=nan\n1\n" + GOOD_ROW, ["dIdtmax", "nan"]),
    ("limit is negative", "# a coil; dIdtmax=-5\n1\n" + GOOD_ROW, ["dIdtmax", "-5"]),
]


@pytest.mark.parametrize("text, words", [case[1:] for case in BAD_COILS], ids=[case[0] for case in BAD_COILS])
def test_bad_coil_is_refused(text, words, tmp_path, refused, out):
    (tmp_path / "bad.ccd").write_text(text)
    refused(*simulate("sphere", out, coil=("--coil", tmp_path / "bad.ccd")), words=["bad.ccd", *words])


def test_coil_that_is_not_utf8_or_another_format_is_refused(files, tmp_path, refused):
    (tmp_path / "latin.ccd").write_bytes("# Spule für Köpfe\n1\n".encode("latin-1") + GOOD_ROW.encode())
    refused("info", tmp_path / "latin.ccd", words=["text", "byte 9"])
    (tmp_path / "coil.stl").write_text("solid")
    refused(*simulate("sphere", tmp_path / "o", coil=("--coil", tmp_path / "coil.stl")), words=[".ccd", ".stl"])


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5, 0.99])
def test_truncated_coil_is_refused(share, files, tmp_path, refused):
    content = files[".ccd"].read_bytes()
    (tmp_path / "cut.ccd").write_bytes(content[: int(share * len(content))])
    refused("info", tmp_path / "cut.ccd", words=["cut.ccd"])


# --- poses --------------------------------------------------------------------------------------------------


def posed(*changes):
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[2, 3] = 42.0
    for row, column, value in changes:
        matrix[row, column] = value
    return matrix


LEAN = np.radians(2.0)
BAD_POSES = [
    ("3x3", np.eye(3), ["16 numbers", "got 9"]),
    ("NaN", posed((0, 3, np.nan)), ["finite"]),
    ("sheared", posed((0, 1, np.sin(LEAN)), (1, 1, -np.cos(LEAN))), ["sheared", "x and y", "88.00°"]),
    ("scaled", posed((1, 1, -1.05)), ["scaled", "y", "1.05"]),
    ("left-handed", posed((0, 0, -1.0)), ["left-handed"]),
    ("last row", posed((3, 0, 0.5)), ["last row"]),
    ("inside the head", posed((2, 3, 30.0)), ["inside the head", "mm below the surface"]),
]


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
@pytest.mark.parametrize("matrix, words", [case[1:] for case in BAD_POSES], ids=[case[0] for case in BAD_POSES])
def test_bad_pose_is_refused_with_which_rule_and_by_how_much(matrix, words, suffix, files, tmp_path, refused, out):
    path = tmp_path / f"pose{suffix}"
    np.savetxt(path, matrix) if suffix == ".txt" else np.save(path, matrix)
    refused(*simulate(files["msh22-binary"], out, place=("--matrix", path)), words=words)


def test_depth_inside_the_head_is_the_true_one(files, ball_mesh, tmp_path, refused, out):
    # a ring of 30 mm, 10 mm above the middle of a ball of 34 mm: 34 - sqrt(30² + 10²)
    np.savetxt(tmp_path / "pose.txt", posed((2, 3, 10.0)))
    command = simulate(
        files["msh22-binary"], out, coil=("--coil", files[".ccd"]), place=("--matrix", tmp_path / "pose.txt")
    )
    sentence = refused(*command, words=["24 of 24 elements"])
    deepest = float(sentence.split("the deepest ")[1].split(" mm")[0])
    assert deepest == pytest.approx(34 - np.hypot(30, 10), abs=4)  # tetrahedra of 8 mm


def test_arrays_that_are_no_numbers_are_refused_as_pose(tmp_path, refused):
    np.save(tmp_path / "object.npy", np.array([{}] * 16, dtype=object), allow_pickle=True)
    refused("info", tmp_path / "object.npy", words=["object.npy", "4×4"])
    np.save(tmp_path / "complex.npy", 1j * np.eye(4))
    refused("info", tmp_path / "complex.npy", words=["complex128"])
    np.savez(tmp_path / "archive.npz", np.eye(4))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    refused("info", tmp_path / "archive.npy", words=["archive"])
    (tmp_path / "words.txt").write_text("1 0 0 zero\n" * 4)
    refused("info", tmp_path / "words.txt", words=["zero", "4×4"])


def test_pose_file_that_announces_terabytes_is_refused(tmp_path, refused):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000000, 4000000), }"
    header += b" " * (117 - len(header)) + b"\n"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    refused("info", tmp_path / "huge.npy", words=["huge.npy", "4×4"])


# --- options ------------------------------------------------------------------------------------------------

BAD_OPTIONS = [
    (["--sigma", "bone=-1"], ["> 0", "-1", "bone"]),
    (["--sigma", "bone=0"], ["> 0", "bone"]),
    (["--sigma", "bone=abc"], ["TISSUE=S/m", "bone=abc"]),
    (["--sigma", "bone"], ["TISSUE=S/m"]),
    (["--sigma", "brian=1"], ["brian", "bone"]),
    (["--sigma", "bone=nan"], ["finite", "nan"]),
    (["--didt", "nan"], ["didt", "finite"]),
    (["--didt", "inf"], ["didt", "finite"]),
    (["--didt", "fast"], ["--didt", "valid"]),
    (["--rtol", "0"], ["rtol"]),
    (["--rtol", "nan"], ["rtol"]),
    (["--size", "0"], ["size_mm", "> 0"]),
    (["--size", "-1"], ["size_mm", "> 0"]),
    (["--size", "nan"], ["size_mm", "> 0"]),
    (["--size", "0.05"], ["size_mm=0.05", "100,000,000"]),
    (["--size", "gm="], ["--size", "gm="]),
    (["--size", "gmm=2"], ["gmm"]),
    (["--size", "gm=8,gm=9"], ["--size", "once"]),
    (["--size", "gm=0"], ["size_mm", "> 0"]),
    (["--size", "1e-9"], ["size_mm=1e-09", "100,000,000"]),
    (["--size", "1e-310"], ["100,000,000"]),
    (["--gap", "-1"], ["gap_mm", "-1"]),
    (["--gap", "nan"], ["gap_mm"]),
    (["--device", "foo"], ["'auto', 'cpu' or 'cuda'", "foo"]),
    (["--at", "XX"], ["electrode", "XX"]),
    (["--at", "1,2"], ["x,y,z", "1,2"]),
    (["--at", "a,b,c"], ["numbers", "a,b,c"]),
    (["--at", "nan,0,0"], ["finite"]),
    (["--at", "0,0,340"], ["within 30 mm", "mm away"]),
    (["--at", "0,30,20"], ["another place"]),
    (["--towards", "YY"], ["towards", "YY"]),
    (["--matrix", "pose.txt"], ["either", "matrix"]),
    (["--radii", "1,2"], ["--radii", "sphere"]),
    (["--labels", "fsl"], ["freesurfer, samseg, spm", "CSV", "fsl"]),
    (["--labels", "missing.csv"], ["missing.csv", "no such file"]),
    (["--labels", "freesurfer"], ["'freesurfer'", "label 1 ("]),
    (["--nonsense"], ["--nonsense"]),
]


@pytest.mark.parametrize("options, words", BAD_OPTIONS, ids=["=".join(case[0]) for case in BAD_OPTIONS])
def test_bad_option_is_refused(options, words, files, refused, out):
    refused(*simulate(files[".nii.gz"], out, *options), words=words)
    assert not out.parent.exists()


@pytest.mark.parametrize(
    "options, words",
    [
        (["--at", "C3"], ["'at'", "'towards'"]),
        (["--towards", "C3"], ["'at'", "'towards'"]),
        ([], ["'at'", "matrix"]),
        (["--at", "C3", "--towards", "C3"], ["another place", "C3"]),
        (["--at", "C33", "--towards", "CP3"], ["C33", "CP3"]),
        (["--at", "C3", "--towards", "CP3", "--size", "0.05"], ["100,000,000"]),
        (["--at", "C3", "--towards", "CP3", "--size", "1e-9"], ["100,000,000"]),
        (["--at", "C3", "--towards", "CP3", "--radii", "80,70"], ["ascend"]),
        (["--at", "C3", "--towards", "CP3", "--radii", "80,nan"], ["ascend"]),
        (["--at", "C3", "--towards", "CP3", "--radii", "a"], ["--radii", "numbers"]),
        (["--at", "C3", "--towards", "CP3", "--radii", "1,2,3,4,5"], ["1 to 4 layers", "got 5"]),
    ],
    ids=str,
)
def test_bad_place_or_sphere_is_refused(options, words, refused, out):
    refused("simulate", "sphere", *COIL, "-o", out, "--size", "20", "--device", "cpu", *options, words=words)


def test_missing_and_unknown_arguments_are_refused(refused):
    refused("simulate", words=["HEAD"])
    refused("simulate", "sphere", words=["--coil"])
    refused("simulation", words=["simulation"])
    refused("mesh", "sphere", "-o", "x.msh", "more", words=["more"])


def test_bad_options_are_found_before_the_head_is_meshed(files, refused, out, monkeypatch):
    monkeypatch.setattr("femtms.simulate.mesh_head", lambda *a: pytest.fail("meshing has started"))
    for options in (
        ["--didt", "nan"],
        ["--gap", "-1"],
        ["--at", "XX"],
        ["--towards", "YY"],
        ["--device", "foo"],
    ):
        refused(*simulate(files[".nii.gz"], out, *options))


def test_place_that_is_given_twice_for_one_coil_is_refused(files, refused, out):
    for option, first, second in (
        ("--at", "0,0,34", "0,34,0"),
        ("--towards", "0,30,20", "0,-30,20"),
        ("--gap", "4", "5"),
        ("--didt", "1e6", "2e6"),
        ("--matrix", "a.txt", "b.txt"),
    ):
        place = () if option == "--matrix" else PLACE
        refused(
            *simulate(files[".nii.gz"], out, option, first, option, second, place=place),
            words=[option, "once for one coil", "2 times"],
        )
    refused(*simulate(files[".nii.gz"], out, "--sigma", "bone=1", "--sigma", "bone=2"), words=["bone", "twice"])
    assert not out.parent.exists()


def test_device_cuda_without_a_gpu_is_refused(files, refused, out):
    from femtms.backend import _cuda_backend

    if _cuda_backend()[0] is not None:
        pytest.skip("there is a GPU")
    refused(*simulate(files[".nii.gz"], out, "--device", "cuda"), words=["cuda", "CuPy"])


@pytest.mark.parametrize(
    "options",
    [["--sigma", "bone=1e-300"], ["--sigma", "1=1e300"], ["--didt", "1e300"], ["--didt", "1e-300"]],
    ids=str,
)
def test_absurd_numbers_end_in_a_result_or_a_sentence(options, files, run, out):
    result = run(*simulate(files["msh22-binary"], out, *options))
    assert result.code == 0 or said_no(result)


# --- output -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result_files(files, tmp_path_factory):
    """name -> bytes of a complete result."""
    folder = tmp_path_factory.mktemp("result") / "out"
    command = [
        sys.executable,
        "-m",
        "femtms.cli.main",
        *map(str, simulate(files["msh22-binary"], folder, "-q")),
    ]
    subprocess.run(command, check=True, timeout=600)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def old_result(result_files, out):
    """A folder with a result and a file of the user's own."""
    out.mkdir(parents=True)
    for name, content in result_files.items():
        (out / name).write_bytes(content)
    (out / "notes.txt").write_text("mine")
    return out


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_result_is_complete_and_alone(result_files):
    assert sorted(result_files) == ["field.png", "field.vtu", "magnE.nii.gz", "summary.json"]


def test_existing_result_is_kept_without_overwrite(files, refused, old_result):
    before = content_of(old_result)
    refused(*simulate(files["msh22-binary"], old_result), words=["holds a result already", "--overwrite"])
    assert content_of(old_result) == before


def test_part_of_a_result_is_kept_too(files, refused, old_result):
    (old_result / "summary.json").unlink()
    before = content_of(old_result)
    refused(*simulate(files["msh22-binary"], old_result), words=["--overwrite"])
    assert content_of(old_result) == before


def test_overwrite_replaces_the_result_and_nothing_else(files, run, old_result):
    before = content_of(old_result)
    assert run(*simulate(files["msh22-binary"], old_result, "--overwrite", "--didt", "2e6")).code == 0
    after = content_of(old_result)
    assert after.keys() == before.keys()
    assert after["notes.txt"] == b"mine"
    assert after["field.vtu"] != before["field.vtu"]


def test_existing_mesh_is_kept_without_overwrite(files, refused, tmp_path):
    (tmp_path / "mine.msh").write_text("mine")
    refused("mesh", files[".nii"], "-o", tmp_path / "mine.msh", words=["exists already", "--overwrite"])
    assert (tmp_path / "mine.msh").read_text() == "mine"


def test_output_that_cannot_be_is_refused_before_the_work_starts(files, refused, tmp_path, monkeypatch):
    monkeypatch.setattr("femtms.simulate.load_head", lambda *a: pytest.fail("the work has started"))
    (tmp_path / "file").write_text("mine")
    refused(*simulate("sphere", tmp_path / "file"), words=["must be a folder", "file"])
    refused(*simulate("sphere", tmp_path / "file" / "below"), words=["must be a folder", "file"])
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(*simulate("sphere", tmp_path / "link"), words=["broken link"])
    (tmp_path / "taken" / "field.png").mkdir(parents=True)
    refused(*simulate("sphere", tmp_path / "taken", "--overwrite"), words=["field.png", "folder"])
    refused(*simulate("sphere", tmp_path / ("long" * 100)), words=["name too long"])
    if sys.platform.startswith("linux"):
        refused(*simulate("sphere", "/proc/femtms-test/out"), words=["writable"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_refused(refused, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(*simulate("sphere", tmp_path / "locked" / "out"), words=["writable"])


@pytest.mark.parametrize("name, words", [("x.stl", [".msh or .vtu"]), ("no/x.msh", ["folder"]), ("", ["folder"])])
def test_mesh_output_that_cannot_be_is_refused_before_the_work_starts(name, words, refused, tmp_path, monkeypatch):
    monkeypatch.setattr("femtms.load_head", lambda *a: pytest.fail("the work has started"))
    if not name:
        (tmp_path / "x.msh").mkdir()
    refused("mesh", "colin27", "-o", tmp_path / (name or "x.msh"), words=words)


def test_a_mesh_is_not_meshed(files, refused, tmp_path):
    refused("mesh", files["msh22-ascii"], "-o", tmp_path / "x.msh", words=["is a mesh already"])


def _disk_full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _interrupted(*arguments, **options):
    raise KeyboardInterrupt


def _out_of_memory(*arguments, **options):
    raise MemoryError("Unable to allocate 7 TiB")


WRITERS = ("save_field", "write_nifti", "draw_field_picture", "write_json")
FAILURES = [
    (_disk_full, 2, "no space left"),
    (_interrupted, 130, "interrupted"),
    (_out_of_memory, 2, "memory"),
]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("fail, code, word", FAILURES, ids=[case[2] for case in FAILURES])
def test_failure_half_way_leaves_nothing(fail, code, word, writer, files, run, out, monkeypatch):
    monkeypatch.setattr("femtms.simulate.draw_field_picture", lambda path, *a: path.write_text("picture"))
    monkeypatch.setattr(f"femtms.simulate.{writer}", fail)
    result = run(*simulate(files["msh22-binary"], out))
    assert (result.code, word in result.err.lower()) == (code, True), result
    assert str(out) in result.err or code == 130 or word == "memory"
    assert not out.parent.exists()


@pytest.mark.parametrize("fail, code, word", FAILURES, ids=[case[2] for case in FAILURES])
def test_failure_half_way_leaves_an_old_result_as_it_was(fail, code, word, files, run, old_result, monkeypatch):
    before = content_of(old_result)
    monkeypatch.setattr("femtms.simulate.write_nifti", fail)
    assert run(*simulate(files["msh22-binary"], old_result, "--overwrite")).code == code
    assert content_of(old_result) == before


@pytest.mark.parametrize("last", range(1, 8))
@pytest.mark.parametrize("fail, code, word", FAILURES[:2], ids=[case[2] for case in FAILURES[:2]])
def test_failure_among_the_final_moves_brings_the_old_result_back(last, fail, code, word, old_result, monkeypatch):
    from femtms.io.files import whole_folder
    from femtms.simulate import RESULTS

    before = content_of(old_result)
    moves = 0
    replace = os.replace

    def failing(source, target):
        nonlocal moves
        moves += 1
        fail() if moves == last else replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with (
        pytest.raises((OSError, KeyboardInterrupt)),
        whole_folder(old_result, RESULTS, overwrite=True) as folder,
    ):
        for name in RESULTS:
            (folder / name).write_text("new")
    assert content_of(old_result) == before


def test_mesh_that_fails_half_way_leaves_nothing(files, run, tmp_path, monkeypatch):
    def half_written(path, *arguments, **options):
        path.write_text("half")
        _disk_full()

    monkeypatch.setattr("meshio.write", half_written)
    result = run("mesh", files[".nii"], "-o", tmp_path / "x.msh", *SMALL)
    said_no(result, "no space left", str(tmp_path / "x.msh"))
    assert list(tmp_path.iterdir()) == []


# --- end to end ---------------------------------------------------------------------------------------------


def in_subprocess(*arguments, **options):
    command = [sys.executable, "-m", "femtms.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    return Result(done.returncode, done.stdout, done.stderr)


def test_process_ends_with_one_sentence(files, tmp_path):
    content = files["msh22-ascii"].read_text()
    (tmp_path / "cut.msh").write_text(content[: len(content) // 3])  # numpy warns here, which nobody wants to read
    result = in_subprocess("info", tmp_path / "cut.msh")
    said_no(result, "cut.msh")
    assert len(result.err.splitlines()) == 1


def test_debug_shows_the_traceback_and_then_the_sentence(tmp_path):
    result = in_subprocess("info", tmp_path / "missing.msh", "--debug")
    assert result.code == 2
    assert "Traceback" in result.err
    assert result.err.splitlines()[-1].startswith("femtms: error: ")


def test_unforeseen_error_is_one_sentence_too(refused, run, monkeypatch):
    def broken():
        raise KeyError("a bug")

    monkeypatch.setattr("femtms.io.heads.built_in_heads", broken)
    result = run("heads")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "unexpected KeyError" in result.err
    assert "--debug" in result.err


def test_full_device_on_stdout_is_said():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "femtms.cli.main", "heads"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hang_up_that_is_ignored_stays_ignored(files, out):
    code = (
        "import os, signal, femtms.simulate as s\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"  # as nohup does
        "s.draw_field_picture = lambda path, *a: (os.kill(os.getpid(), signal.SIGHUP), path.write_text('picture'))\n"
        "from femtms.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *map(str, simulate(files["msh22-binary"], out, "-q"))]
    assert subprocess.run(command, timeout=600).returncode == 0
    assert (out / "summary.json").exists()


def test_a_second_signal_does_not_interrupt_the_tidying(files, out):
    code = (
        "import os, shutil, signal, femtms.simulate as s\n"
        "rmtree = shutil.rmtree\n"
        "def twice(*a, **b):\n    os.kill(os.getpid(), signal.SIGHUP); rmtree(*a, **b)\n"
        "def first(*a):\n    shutil.rmtree = twice; os.kill(os.getpid(), signal.SIGTERM)\n"
        "s.draw_field_picture = first\n"
        "from femtms.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *map(str, simulate(files["msh22-binary"], out, "-q"))]
    assert subprocess.run(command, timeout=600, capture_output=True).returncode == 130
    assert not out.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_signal_while_writing_leaves_nothing(number, files, out):
    # the process stops where the picture would be drawn, says so, and waits for the signal
    code = (
        "import sys, time, femtms.simulate as s\n"
        "def wait(*a):\n    print('writing', flush=True)\n    time.sleep(600)\n"
        "s.draw_field_picture = wait\n"
        "from femtms.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *map(str, simulate(files["msh22-binary"], out))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "writing\n"
        assert list(out.parent.glob(".femtms-*"))
        process.send_signal(number)
        _, said = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not out.parent.exists()
