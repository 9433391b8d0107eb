"""Surfaces and fields on them as files, in mm: .stl for printing, .gii for neuroimaging, .vtp for ParaView."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from femtms.arguments import checks_kinds
from femtms.errors import FemtmsError
from femtms.field.surface_field import SurfaceField
from femtms.io.files import whole_file
from femtms.io.stl import ROW
from femtms.mesh.surface import Surface
from femtms.tissue import PROPERTIES, name_of

_SCANNER = nibabel.nifti1.xform_codes["NIFTI_XFORM_SCANNER_ANAT"]
# Names that readers of GIFTI know; others carry the full name of the tissue.
_STRUCTURES = {"wm": "CortexRightAndLeft", "gm": "CortexRightAndLeft", "scalp": "Head"}
_SIDES = {"wm": "GrayWhite", "gm": "Pial"}


@checks_kinds
def write_surface(surface: Surface, path: str | Path, overwrite: bool = False) -> None:
    """Write a surface in mm: .stl (binary), .gii (GIFTI, scanner RAS) or .vtp (VTK PolyData).

    Coordinates are double precision in .vtp and single precision in the others, as these formats want it.  An .stl has
    corners and no nodes: programs join them by place, so parts that touch in a point are joined there.
    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    path = Path(path)
    check_surface_suffix(path)
    write = _WRITERS[path.suffix.lower()]
    with whole_file(path, overwrite) as temporary:
        write(surface, temporary)


@checks_kinds
def write_surface_field(field: SurfaceField, path: str | Path, overwrite: bool = False) -> None:
    """Write a field on a surface, with `magnE`, `E_normal`, `E_tangential` (V/m) and `angle` (degrees) at each node.

    .gii has the surface and these four arrays; .func.gii and .shape.gii have the arrays alone, as programs of this
    field read data that are to be shown on a surface, inflated perhaps; .vtp has `E` as well.  NaN where the surface is
    outside.  E_normal is positive where the field enters the surface.
    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith((".gii", ".vtp")):
        raise FemtmsError(f"{path}: a field on a surface must be written as .gii or .vtp; got '{path.suffix}'")
    data = {
        "magnE": field.magnE,
        "E_normal": field.normal,
        "E_tangential": field.tangential,
        "angle": field.angle,
    }
    with whole_file(path, overwrite) as temporary:
        if name.endswith(".vtp"):
            _write_vtp(field.surface, temporary, {"E": field.E} | data)
        elif name.endswith((".func.gii", ".shape.gii")):
            meta = nibabel.gifti.GiftiMetaData(_structure(field.surface))
            temporary.write_bytes(nibabel.gifti.GiftiImage(meta=meta, darrays=_shapes(data)).to_bytes())
        else:
            _write_gifti(field.surface, temporary, data)


def check_surface_suffix(path: Path) -> None:
    """Raise FemtmsError unless the name says one of the formats that are written."""
    if path.suffix.lower() not in _WRITERS:
        raise FemtmsError(f"{path}: a surface must be written as .stl, .gii or .vtp; got '{path.suffix}'")


def _write_stl(surface: Surface, path: Path) -> None:
    """80 bytes of text, the number of triangles, and for each its normal, three corners and two bytes."""
    rows = np.zeros(len(surface.triangles), ROW)
    rows["normal"] = surface.normals
    rows["corners"] = 1e3 * surface.nodes[surface.triangles]
    with open(path, "wb") as file:
        # it must not begin with "solid", which would announce text
        file.write(f"femtms {surface.tissue}, mm".encode("ascii", "replace").ljust(80)[:80])
        file.write(np.uint32(len(rows)).astype("<u4").tobytes())
        file.write(rows.tobytes())


def _write_gifti(surface: Surface, path: Path, data: Mapping[str, np.ndarray] | None = None) -> None:
    """Nodes, triangles, and numbers at the nodes."""
    gifti = nibabel.gifti
    meta = _structure(surface)
    if surface.tissue in _SIDES:
        meta["AnatomicalStructureSecondary"] = _SIDES[surface.tissue]
    meta |= {"GeometricType": "Anatomical", "TopologicalType": "Closed" if surface.is_watertight else "Open"}
    points = gifti.GiftiDataArray(
        (1e3 * surface.nodes).astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        datatype="NIFTI_TYPE_FLOAT32",
        coordsys=gifti.GiftiCoordSystem(_SCANNER, _SCANNER, np.eye(4)),
        meta=gifti.GiftiMetaData(meta),
    )
    triangles = gifti.GiftiDataArray(
        np.asarray(surface.triangles), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32"
    )
    image = gifti.GiftiImage(meta=gifti.GiftiMetaData(meta), darrays=[points, triangles, *_shapes(data or {})])
    path.write_bytes(image.to_bytes())


def _structure(surface: Surface) -> dict[str, str]:
    """What GIFTI says of the part of the body."""
    titles = {name_of(tag): tissue.title for tag, tissue in PROPERTIES.items()}
    structure = _STRUCTURES.get(surface.tissue, titles.get(surface.tissue, surface.tissue))
    return {"AnatomicalStructurePrimary": surface.structure or structure, "Name": surface.tissue}


def _shapes(data: Mapping[str, np.ndarray]) -> list[Any]:
    """Numbers at the nodes as arrays of GIFTI, by name."""
    return [
        nibabel.gifti.GiftiDataArray(
            values.astype(np.float32),
            intent="NIFTI_INTENT_SHAPE",
            datatype="NIFTI_TYPE_FLOAT32",
            meta=nibabel.gifti.GiftiMetaData({"Name": name}),
        )
        for name, values in data.items()
    ]


def _write_vtp(surface: Surface, path: Path, data: Mapping[str, np.ndarray] | None = None) -> None:
    arrays = [
        _data_array(name, "Float32", values.astype(np.float32), 3 if values.ndim == 2 else 1)
        for name, values in (data or {}).items()
    ]
    point_data = "\n".join(["<PointData>", *arrays, "</PointData>\n"]) if arrays else ""
    offsets = 3 * np.arange(1, len(surface.triangles) + 1, dtype=np.int64)
    text = f"""<?xml version="1.0"?>
<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<PolyData>
<Piece NumberOfPoints="{len(surface.nodes)}" NumberOfPolys="{len(surface.triangles)}">
{point_data}<Points>
{_data_array("Points", "Float64", 1e3 * surface.nodes, 3)}
</Points>
<Polys>
{_data_array("connectivity", "Int64", surface.triangles.astype(np.int64))}
{_data_array("offsets", "Int64", offsets)}
</Polys>
</Piece>
</PolyData>
</VTKFile>
"""
    path.write_text(text, encoding="ascii")


def _data_array(name: str, kind: str, values: np.ndarray, components: int = 1) -> str:
    """VTK's inline binary: the number of bytes and the bytes, in base64."""
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    data = base64.b64encode(np.uint64(len(raw)).astype("<u8").tobytes() + raw).decode()
    return (
        f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{components}" format="binary">{data}</DataArray>'
    )


_WRITERS = {".stl": _write_stl, ".gii": _write_gifti, ".vtp": _write_vtp}
