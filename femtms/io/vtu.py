"""VTK XML files (.vtu) of tetrahedra with data, packed by zlib on all cores; meshio packs small blocks on one.

Format: "VTK XML Formats", https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from femtms import core

_BLOCK = 2**20  # bytes that are packed at a time
_TETRA = 10  # VTK's number
_TYPES = {"f4": "Float32", "f8": "Float64", "i4": "Int32", "i8": "Int64", "u1": "UInt8"}


def write_vtu(
    path: Path,
    points: np.ndarray,
    tets: np.ndarray,
    cell_data: dict[str, np.ndarray],
    point_data: dict[str, np.ndarray],
) -> None:
    """Write points (n,3), tetrahedra (m,4), and data of these (m,…) and of the points (n,…) as they are."""
    ends = np.arange(4, 4 * len(tets) + 1, 4, dtype=np.int64 if 4 * len(tets) > np.iinfo(np.int32).max else np.int32)
    types = np.full(len(tets), _TETRA, np.uint8)
    sections: dict[str, dict[str, np.ndarray]] = {
        "Points": {"Points": points},
        "Cells": {"connectivity": tets.astype(np.int32, copy=False), "offsets": ends, "types": types},
        "PointData": point_data,
        "CellData": cell_data,
    }
    tags: list[str] = []
    packed: list[bytes] = []
    offset = 0
    with ThreadPoolExecutor(core.threads()) as pool:
        for section, arrays in sections.items():
            tags.append(f"<{section}>")
            for name, array in arrays.items():
                components = (
                    f' NumberOfComponents="{array.shape[1]}"' if array.ndim == 2 and name != "connectivity" else ""
                )
                kind = _TYPES[array.dtype.str[1:]]
                tags.append(f'<DataArray type="{kind}" Name="{name}"{components} format="appended" offset="{offset}"/>')
                packed += _packed(array, pool)
                offset += sum(len(part) for part in packed[-2:])
            tags.append(f"</{section}>")
    with open(path, "wb") as file:
        file.write(
            '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" '
            'header_type="UInt64" compressor="vtkZLibDataCompressor">\n<UnstructuredGrid>'
            f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{len(tets)}">\n'.encode()
        )
        file.write("\n".join(tags).encode())
        file.write(b'\n</Piece></UnstructuredGrid>\n<AppendedData encoding="raw">\n_')
        file.writelines(packed)
        file.write(b"\n</AppendedData>\n</VTKFile>\n")


def _packed(array: np.ndarray, pool: ThreadPoolExecutor) -> tuple[bytes, bytes]:
    """An array as VTK has it: the number of blocks, their size, that of the last if it is smaller, and those packed."""
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    # digits of fields have no pattern; to look for one takes three times as long and finds nothing
    strategy = zlib.Z_RLE if array.dtype.kind == "f" else zlib.Z_DEFAULT_STRATEGY

    def pack(start: int) -> bytes:
        packer = zlib.compressobj(1, strategy=strategy)
        return packer.compress(values[start : start + _BLOCK]) + packer.flush()

    blocks = list(pool.map(pack, range(0, len(values), _BLOCK)))
    sizes = [len(blocks), _BLOCK, len(values) % _BLOCK, *map(len, blocks)]
    return np.array(sizes, "<u8").tobytes(), b"".join(blocks)
