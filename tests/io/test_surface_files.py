"""Surfaces from files: what was written comes back, in the head's coordinates and facing outward."""

import base64
import logging
import zlib

import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, Surface, mesh_head, read_surface, write_surface
from femtms.io.surface_files import surface_name
from femtms.io.vtp import _Arrays

GIFTI = nibabel.gifti


@pytest.fixture(scope="module")
def surface():
    return mesh_head(LayeredSphere((20, 30), (2, 5)), 10.0).surface("gm")


def gifti(path, nodes_mm, triangles, dataspace=1, space=1, matrix=None, meta=(), **options):
    """A .gii file as other programs write it."""
    system = GIFTI.GiftiCoordSystem(dataspace, space, np.eye(4) if matrix is None else matrix)
    points = GIFTI.GiftiDataArray(
        np.asarray(nodes_mm, np.float32),
        intent="NIFTI_INTENT_POINTSET",
        datatype="NIFTI_TYPE_FLOAT32",
        coordsys=system,
        meta=GIFTI.GiftiMetaData(dict(meta)),
        **options,
    )
    corners = GIFTI.GiftiDataArray(
        np.asarray(triangles, np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32", **options
    )
    nibabel.save(GIFTI.GiftiImage(darrays=[points, corners]), path)
    return path


@pytest.mark.parametrize("suffix", [".gii", ".vtp"])
def test_what_was_written_comes_back(suffix, surface, tmp_path):
    write_surface(surface, tmp_path / f"lh{suffix}")
    again = read_surface(tmp_path / f"lh{suffix}")
    np.testing.assert_array_equal(again.triangles, surface.triangles)
    np.testing.assert_allclose(again.nodes, surface.nodes, atol=1e-8)
    assert again.tissue == "lh" and again.is_watertight


def test_stl_comes_back_with_the_same_shape(surface, tmp_path):
    write_surface(surface, tmp_path / "lh.stl")
    again = read_surface(tmp_path / "lh.stl")
    assert again.is_watertight and len(again.nodes) == len(surface.nodes)
    assert again.volume == pytest.approx(surface.volume, rel=1e-6)


@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_encoding_of_gifti_is_read(encoding, order, surface, tmp_path):
    codes = {"encoding": f"GIFTI_ENCODING_{encoding}", "ordering": order}
    path = gifti(tmp_path / "lh.gii", 1e3 * surface.nodes, surface.triangles, **codes)
    again = read_surface(path)
    np.testing.assert_array_equal(again.triangles, surface.triangles)
    np.testing.assert_allclose(again.nodes, surface.nodes, atol=1e-8)


TURN = np.array([[0.0, -1, 0, 7], [1, 0, 0, -3], [0, 0, 1, 11], [0, 0, 0, 1]])
MIRROR = np.diag([-1.0, 1, 1, 1])


@pytest.mark.parametrize(
    "dataspace,space,matrix,applied",
    [
        (0, 1, TURN, TURN),  # unknown -> scanner
        (0, 2, TURN, TURN),  # unknown -> aligned with the scanner
        (0, 1, MIRROR, MIRROR),
        (1, 1, np.eye(4), np.eye(4)),
        (1, 3, TURN, np.eye(4)),  # it is in the scanner's space already
        (0, 3, TURN, np.eye(4)),  # to Talairach space, where the head is not
        (0, 0, np.eye(4), np.eye(4)),
    ],
)
def test_a_matrix_to_the_scanner_is_applied_and_no_other(dataspace, space, matrix, applied, surface, tmp_path, caplog):
    path = gifti(tmp_path / "lh.gii", 1e3 * surface.nodes, surface.triangles, dataspace, space, matrix)
    with caplog.at_level(logging.WARNING, logger="femtms"):
        again = read_surface(path)
    expected = 1e3 * surface.nodes @ applied[:3, :3].T + applied[:3, 3]
    np.testing.assert_allclose(1e3 * again.nodes, expected, atol=1e-5)
    assert again.volume == pytest.approx(surface.volume, rel=1e-5)  # > 0: mirrored triangles go round the other way
    assert ("is not applied" in caplog.text) == (dataspace == 0 and space == 3)


def volume_geometry(axes, centre):
    names = [f"VolGeom{axis}_{side}" for axis in "XYZC" for side in "RAS"]
    return dict(zip(names, (f"{x:.6f}" for x in [*np.ravel(axes), *centre])))


def test_freesurfers_own_coordinates_are_taken_to_the_scanner(surface, tmp_path, caplog):
    """An upright volume: a shift by its centre."""
    conformed = [[-1, 0, 0], [0, 0, -1], [0, 1, 0]]
    meta = volume_geometry(conformed, [1.5, -20.25, 6]) | {"AnatomicalStructurePrimary": "CortexLeft"}
    talairach = np.diag([1.1, 1.1, 1.1, 1.0])
    path = gifti(tmp_path / "lh.gii", 1e3 * surface.nodes, surface.triangles, 0, 3, talairach, meta)
    with caplog.at_level(logging.WARNING, logger="femtms"):
        again = read_surface(path)
    np.testing.assert_allclose(1e3 * again.nodes, 1e3 * surface.nodes + [1.5, -20.25, 6], atol=1e-5)
    assert "moved by (1.50, -20.25, 6.00) mm" in caplog.text
    assert again.structure == "CortexLeft"
    to_scanner = gifti(tmp_path / "rh.gii", 1e3 * surface.nodes, surface.triangles, 1, 1, None, meta)
    np.testing.assert_allclose(read_surface(to_scanner).nodes, surface.nodes, atol=1e-8)


def test_freesurfers_oblique_volumes_turn_the_surface(surface, tmp_path):
    """vox2ras · inverse of vox2ras-tkr, both written out."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    centre, half = np.array([3.0, -4, 5]), 128.0
    vox2ras, tkr = np.eye(4), np.eye(4)
    vox2ras[:3, :3], vox2ras[:3, 3] = axes, centre - axes @ np.full(3, half)
    tkr[:3, :3] = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]])
    tkr[:3, 3] = -tkr[:3, :3] @ np.full(3, half)
    matrix = vox2ras @ np.linalg.inv(tkr)
    path = gifti(
        tmp_path / "lh.gii", 1e3 * surface.nodes, surface.triangles, 0, 0, None, volume_geometry(axes.T, centre)
    )
    again = read_surface(path)
    np.testing.assert_allclose(1e3 * again.nodes, 1e3 * surface.nodes @ matrix[:3, :3].T + matrix[:3, 3], atol=1e-4)


def test_a_closed_surface_that_is_inside_out_is_turned(surface, tmp_path, caplog):
    path = gifti(tmp_path / "lh.gii", 1e3 * surface.nodes, surface.triangles[:, ::-1])
    with caplog.at_level(logging.WARNING, logger="femtms"):
        assert read_surface(path).volume == pytest.approx(surface.volume, rel=1e-6)
    assert "they are turned" in caplog.text


def test_an_open_surface_is_believed(surface, tmp_path):
    half = surface.triangles[surface.nodes[surface.triangles].mean(axis=1)[:, 0] > 0][:, ::-1]
    again = read_surface(gifti(tmp_path / "half.gii", 1e3 * surface.nodes, half))
    np.testing.assert_array_equal(again.triangles, half)


def test_names_of_surfaces_are_those_of_files():
    assert surface_name("a/lh.midthickness.surf.gii") == "lh.midthickness"
    assert surface_name("rh.central.GII") == "rh.central"
    assert surface_name("brain.stl") == "brain"


# --- .vtp of other programs -------------------------------------------------------------------------------------------

POINTS = np.array([[0.0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]])
CORNERS = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
ARRAYS = {"Points": POINTS.astype("<f4"), "connectivity": CORNERS.ravel(), "offsets": 3 * np.arange(1, 5)}


def block(values, packed, split=False):
    """Bytes of an array with its header of UInt32 numbers, as parts that are encoded one by one."""
    raw = values.tobytes()
    if not packed:
        header = np.uint32(len(raw)).tobytes()
        return [header, raw] if split else [header + raw]
    halves = [zlib.compress(raw[:24]), zlib.compress(raw[24:])]
    header = np.array([2, 24, len(raw) - 24, *map(len, halves)], "<u4").tobytes()
    return [header, b"".join(halves)]


def vtp(path, mode, packed=False, arrays=ARRAYS, piece="<Piece>"):
    kinds = {"f": "Float32", "i": "Int64"}
    elements, appended = {}, b""
    for name, values in arrays.items():
        head = f'<DataArray type="{kinds[values.dtype.kind]}" Name="{name}" NumberOfComponents="3"'
        if mode == "ascii":
            elements[name] = f'{head} format="ascii">{" ".join(map(str, values.ravel()))}</DataArray>'
            continue
        parts = block(values, packed, split=mode == "split")
        text = b"".join(map(base64.b64encode, parts))
        if mode in ("binary", "split"):
            elements[name] = f'{head} format="binary">\n{text.decode()}\n</DataArray>'
            continue
        elements[name] = f'{head} format="appended" offset="{len(appended)}"/>'
        appended += b"".join(parts) if mode == "raw" else text
    compressor = ' compressor="vtkZLibDataCompressor"' if packed else ""
    polys = "".join(elements[name] for name in ("connectivity", "offsets"))
    content = (
        f'<?xml version="1.0"?><VTKFile type="PolyData" byte_order="LittleEndian"{compressor}><PolyData>'
        f"{piece}<Points>{elements['Points']}</Points><Polys>{polys}</Polys></Piece></PolyData>"
    ).encode()
    if appended:
        content += f'<AppendedData encoding="{mode}">_'.encode() + appended + b"</AppendedData>"
    path.write_bytes(content + b"</VTKFile>")
    return path


@pytest.mark.parametrize("mode", ["ascii", "binary", "split", "raw", "base64"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_vtp_is_read(mode, packed, tmp_path):
    found = read_surface(vtp(tmp_path / "s.vtp", mode, packed))
    np.testing.assert_allclose(1e3 * found.nodes, POINTS)
    np.testing.assert_array_equal(found.triangles, CORNERS)


class _Watched(bytes):
    """Bytes that count how many of them were copied."""

    copied = 0

    def __getitem__(self, key):
        part = super().__getitem__(key)
        _Watched.copied += len(part) if isinstance(key, slice) else 1
        return part


def test_a_file_of_many_packed_blocks_is_copied_once(tmp_path, monkeypatch):
    blocks = [bytes([i % 256]) * 8 for i in range(500)]
    packed = [zlib.compress(one) for one in blocks]
    raw = np.array([500, 8, 8, *map(len, packed)], "<u4").tobytes() + b"".join(packed)
    arrays = _Arrays(b'<VTKFile type="PolyData" compressor="vtkZLibDataCompressor"/>')
    monkeypatch.setattr(_Watched, "copied", 0)
    assert arrays._block(_Watched(raw)) == b"".join(blocks)
    assert 0 < _Watched.copied <= len(raw)


# --- what is no surface -----------------------------------------------------------------------------------------------


def refused(path, *words):
    with pytest.raises(FemtmsError) as caught:
        read_surface(path)
    sentence = str(caught.value)
    assert sentence.count(path.name) == 1, sentence
    for word in words:
        assert word in sentence, sentence


def test_files_that_are_no_surfaces_are_refused(surface, tmp_path):
    nodes, triangles = 1e3 * surface.nodes, surface.triangles
    refused(tmp_path / "none.gii", "there is no such file")
    (tmp_path / "empty.gii").write_bytes(b"")
    refused(tmp_path / "empty.gii", "the file is empty")
    (tmp_path / "lh.pial").write_bytes(b"\xff\xff\xfe created by")
    refused(tmp_path / "lh.pial", ".gii, .stl or .vtp", "mris_convert FILE FILE.gii")  # --to-scanner: may move twice
    for suffix, words in (
        (".gii", "cannot be read as GIFTI"),
        (".vtp", "cannot be read as VTK"),
        (".stl", "a surface"),
    ):
        (tmp_path / f"noise{suffix}").write_bytes(b"this is no surface at all")
        refused(tmp_path / f"noise{suffix}", words)
    whole = gifti(tmp_path / "whole.gii", nodes, triangles).read_bytes()
    (tmp_path / "cut.gii").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.gii", "cannot be read as GIFTI")

    data = GIFTI.GiftiDataArray(np.zeros(5, np.float32), intent="NIFTI_INTENT_SHAPE", datatype="NIFTI_TYPE_FLOAT32")
    nibabel.save(GIFTI.GiftiImage(darrays=[data]), tmp_path / "lh.curv.gii")
    refused(tmp_path / "lh.curv.gii", "it has 0 of NIFTI_INTENT_POINTSET: NIFTI_INTENT_SHAPE")
    points = nibabel.load(tmp_path / "whole.gii").darrays[0]
    nibabel.save(GIFTI.GiftiImage(darrays=[points]), tmp_path / "cloud.gii")
    refused(tmp_path / "cloud.gii", "it has 0 of NIFTI_INTENT_TRIANGLE")
    nibabel.save(GIFTI.GiftiImage(darrays=[]), tmp_path / "nothing.gii")
    refused(tmp_path / "nothing.gii", "nothing")


def test_surfaces_with_bad_numbers_are_refused(surface, tmp_path):
    nodes, triangles = 1e3 * surface.nodes, surface.triangles
    refused(gifti(tmp_path / "index.gii", nodes, triangles + 5), "triangles must index")
    refused(gifti(tmp_path / "none.gii", nodes, np.zeros((0, 3))), "at least one triangle")
    refused(gifti(tmp_path / "quads.gii", nodes, np.zeros((4, 4))), "triangles (f,3)")
    holed = nodes.copy()
    holed[7, 1] = np.nan
    refused(gifti(tmp_path / "nan.gii", holed, triangles), "nodes must be finite; node 7")
    refused(gifti(tmp_path / "m.gii", 1e-3 * nodes, triangles), "must be in mm", "is it in m?")
    refused(gifti(tmp_path / "flat.gii", nodes, triangles, 0, 1, np.diag([1.0, 1, 0, 1])), "invertible")
    geometry = volume_geometry(np.ones((3, 3)), np.zeros(3))
    refused(gifti(tmp_path / "vol.gii", nodes, triangles, 0, 0, None, geometry), "VolGeom")
    geometry["VolGeomC_R"] = "here"
    refused(gifti(tmp_path / "vols.gii", nodes, triangles, 0, 0, None, geometry), "VolGeom")
    refused(vtp(tmp_path / "quad.vtp", "ascii", arrays=ARRAYS | {"offsets": np.array([4, 8, 12])}), "must be triangles")
    refused(vtp(tmp_path / "i.vtp", "ascii", arrays=ARRAYS | {"connectivity": CORNERS.ravel() + 1}), "must index the 4")
    refused(vtp(tmp_path / "o.vtp", "ascii", arrays=ARRAYS | {"offsets": np.zeros(0, int)}), "at least one triangle")
    for counts, words in (("4", "4 strips"), ("many", "cannot be read as VTK")):
        piece = f'<Piece NumberOfPolys="4" NumberOfStrips="{counts}">'
        refused(vtp(tmp_path / "strips.vtp", "ascii", piece=piece), words)


def test_lines_and_vertices_beside_the_triangles_are_left_out(tmp_path):
    piece = '<Piece NumberOfVerts="1" NumberOfLines="2" NumberOfStrips="0" NumberOfPolys="4">'
    found = read_surface(vtp(tmp_path / "s.vtp", "ascii", piece=piece))
    np.testing.assert_array_equal(found.triangles, CORNERS)


def test_any_damage_is_read_or_refused_in_words(surface, tmp_path):
    """Whatever is broken in a file, either a surface or a FemtmsError comes of it."""
    rng = np.random.default_rng(0)
    few = Surface(surface.nodes, surface.triangles[:20], "few")
    write_surface(few, tmp_path / "a.gii")
    write_surface(few, tmp_path / "a.vtp")
    samples = [(".gii", (tmp_path / "a.gii").read_bytes()), (".vtp", (tmp_path / "a.vtp").read_bytes())]
    for mode in ("ascii", "binary", "raw", "base64"):
        samples.append((".vtp", vtp(tmp_path / "b.vtp", mode, packed=True).read_bytes()))
    read = 0
    for suffix, content in samples:
        for _ in range(150):
            bad = bytearray(content)
            for at in rng.integers(0, len(bad), rng.integers(1, 4)):
                bad[at] = rng.integers(32, 127)
            path = tmp_path / f"bad{suffix}"
            path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.2 else bad)
            try:
                read_surface(path)
                read += 1
            except FemtmsError as error:
                assert path.name in str(error)
    assert 0 < read < 150 * len(samples)
