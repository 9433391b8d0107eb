"""Tetrahedral meshes through meshio: mm in files, m inside; the conversion happens here."""

import codecs
import contextlib
import io
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import meshio
import numpy as np

from femtms.errors import FemtmsError
from femtms.io.files import bounded_memory, check_size, existing_file, whole_file
from femtms.io.msh_counts import check_msh
from femtms.io.vtk_lengths import check_grid_of_cells, equal_lengths
from femtms.mesh.pieces import check_pieces
from femtms.mesh.repair import repaired
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import MAX_TAG

log = logging.getLogger("femtms")

# Suffix -> how meshio calls the format.  Its other readers have no tissues, need more libraries, or do not end on some
# damaged files.
FORMATS = {".msh": "gmsh", ".vtu": "vtu", ".vtk": "vtk", ".mesh": "medit", ".meshb": "medit"}

# Names under which programs of this field store the tissue of an element, in the order in which they are looked for.
TAG_NAMES = (
    "gmsh:physical",
    "tissue",
    "tag",
    "tags",
    "label",
    "labels",
    "medit:ref",
    "cell_tags",
    "material",
    "region",
    "subdomain",
    "gmsh:geometrical",
)


def read_mesh(path: str | Path) -> TetMesh:
    """A head mesh in mm: Gmsh .msh (2.2 and 4.1, ASCII and binary), .vtu, .vtk, or Medit .mesh and .meshb.

    Only tetrahedra and their tissue numbers are used; surface triangles are ignored.  What is repaired
    (see `femtms.mesh.repair`), and small pieces that hang on nothing, are logged and kept in `mesh.notes`; nodes are
    renumbered where some are dropped.
    Raises FemtmsError when the file is missing or damaged, has no tetrahedra or no tissue numbers, or the mesh is bad:
    also for several heads, overlapping copies, and tissues that share no nodes.
    """
    path = existing_file(path)
    raw = _read(path)
    blocks = [i for i, block in enumerate(raw.cells) if block.type == "tetra"]
    if not blocks:
        found = ", ".join(sorted({block.type for block in raw.cells})) or "none"
        raise FemtmsError(f"{path}: a head mesh must have linear tetrahedra ('tetra'); its elements are: {found}")
    others = {block.type: len(block) for block in raw.cells if block.dim == 3 and block.type != "tetra"}
    if others:
        found = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
        raise FemtmsError(f"{path}: all volume elements must be linear tetrahedra ('tetra'); there are {found} besides")
    tets = np.concatenate([raw.cells[i].data for i in blocks])
    tags = _tags(raw, blocks, path)
    nodes_mm = np.asarray(raw.points, dtype=np.float64)
    if nodes_mm.ndim != 2 or nodes_mm.shape[1] != 3:
        raise FemtmsError(f"{path}: nodes must have three coordinates; got shape {nodes_mm.shape}")
    _check_nodes(nodes_mm, path)
    if len(tets) and (tets.min() < 0 or tets.max() >= len(nodes_mm)):
        raise FemtmsError(
            f"{path}: elements refer to nodes {tets.min()} to {tets.max()}, but there are {len(nodes_mm):,}"
        )
    try:
        nodes_mm, tets, tags, notes = repaired(nodes_mm, tets, tags)
        notes += check_pieces(nodes_mm, tets, tags)
        mesh = TetMesh(1e-3 * nodes_mm, tets, tags, notes=notes)
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error
    for note in notes:
        log.warning("%s: %s", path.name, note)
    return mesh


def _read(path: Path) -> Any:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise FemtmsError(f"{path}: a mesh must be one of {', '.join(FORMATS)}; got '{path.suffix or path.name}'")
    said = io.StringIO()
    try:
        # meshio prints its complaints and leaves by sys.exit
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(),
            bounded_memory(path),
        ):
            # numpy warns, and goes on, where text stops being numbers
            warnings.filterwarnings("error", "string or file could not be read")
            with _without_mark(path) as plain:
                if kind == "gmsh":
                    check_msh(plain, path)
                if kind == "vtk":
                    check_grid_of_cells(plain, path)
                with equal_lengths(path):
                    return meshio.read(plain, file_format=kind)
    except FemtmsError:
        raise
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, Exception) and str(error) else said.getvalue()
        reason = " ".join(reason.replace("Error:", " ").split()) or type(error).__name__
        raise FemtmsError(
            f"{path}: cannot be read as a mesh: it is cut off, damaged or of another format ({reason[:300]})"
        ) from error


@contextlib.contextmanager
def _without_mark(path: Path) -> Iterator[Path]:
    """The file, or a copy of it without the mark of UTF-8 at its beginning, which meshio does not know."""
    with open(path, "rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            with open(copy, "wb") as into:
                shutil.copyfileobj(file, into)
            yield copy


def _tags(raw: Any, blocks: list[int], path: Path) -> np.ndarray:
    """Tissue numbers (m,) of the tetrahedra."""
    candidates = [name for name in TAG_NAMES if name in raw.cell_data]
    candidates += [name for name in raw.cell_data if name not in TAG_NAMES]
    for name in candidates:
        values = np.concatenate([np.asarray(raw.cell_data[name][i]) for i in blocks])
        numbers = values.ndim == 1 and values.dtype.kind in "iuf" and np.isfinite(values).all()
        whole = numbers and (values == np.rint(values)).all() and (values <= MAX_TAG).all()
        # files without physical groups carry zeros in their place
        if whole and (values > 0).all() and (name in TAG_NAMES or values.dtype.kind in "iu"):
            return values.astype(np.int32)
    have = ", ".join(raw.cell_data) or "none"
    raise FemtmsError(
        f"{path}: every tetrahedron must have a tissue number from 1 to {MAX_TAG:,}, as whole numbers under "
        f"one of {', '.join(TAG_NAMES)}; the file's element data: {have}"
    )


def _check_nodes(nodes_mm: np.ndarray, path: Path) -> None:
    if not np.isfinite(nodes_mm).all():
        bad = np.flatnonzero(~np.isfinite(nodes_mm).all(axis=1))
        raise FemtmsError(f"{path}: node coordinates must be finite; {len(bad):,} are not, the first is node {bad[0]}")
    check_size(float(np.ptp(nodes_mm, axis=0).max()) if len(nodes_mm) else 0.0, path)


def write_mesh(mesh: TetMesh, path: str | Path, overwrite: bool = False) -> None:
    """Write a mesh in mm with its tissue numbers: .msh (Gmsh 2.2 binary) or .vtu.

    Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
    """
    write_with_data(mesh, Path(path), {}, {}, overwrite)


def check_mesh_suffix(path: Path) -> None:
    """Raise FemtmsError unless the name says one of the formats that are written."""
    if path.suffix.lower() not in (".msh", ".vtu"):
        raise FemtmsError(f"{path}: a mesh must be written as .msh or .vtu; got '{path.suffix}'")


def write_with_data(
    mesh: TetMesh, path: Path, cell_data: dict[str, np.ndarray], point_data: dict[str, np.ndarray], overwrite: bool
) -> None:
    """Write mesh, element data (m,…) and node data (n,…) as .msh or .vtu."""
    check_mesh_suffix(path)
    nodes_mm = 1e3 * mesh.nodes
    cells = [("tetra", np.asarray(mesh.tets))]
    with whole_file(path, overwrite) as temporary:
        if path.suffix.lower() == ".msh":
            # Gmsh carries tissue as the physical group; double precision is the only one it has
            data = {"gmsh:physical": mesh.tags, "gmsh:geometrical": mesh.tags, **cell_data}
            raw = meshio.Mesh(nodes_mm, cells, point_data, {k: [np.asarray(v)] for k, v in data.items()})
            meshio.write(temporary, raw, file_format="gmsh22", binary=True)
            return
        # single precision carries all digits a field has, in half the space
        data = {"tissue": mesh.tags} | {k: v.astype(np.float32) for k, v in cell_data.items()}
        point_data = {k: v.astype(np.float32) for k, v in point_data.items()}
        raw = meshio.Mesh(nodes_mm, cells, point_data, {k: [np.asarray(v)] for k, v in data.items()})
        meshio.write(temporary, raw, file_format="vtu", binary=True, compression=None)
