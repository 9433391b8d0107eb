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

from femtms.arguments import checks_kinds
from femtms.errors import FemtmsError
from femtms.head.anatomy import Contacts, Trust, check_anatomy
from femtms.io.files import bounded_memory, check_size, existing_file, whole_file
from femtms.io.label_maps import Labels, label_map_of
from femtms.io.mesh_tissues import check_groups, map_of_names, mapped, without_air
from femtms.io.mesh_tissues import tissue_array as tissue_numbers
from femtms.io.msh_counts import GmshGroups, checked_msh
from femtms.io.vtk_lengths import check_grid_of_cells, equal_lengths
from femtms.io.vtu import write_vtu
from femtms.kernels.faces import face_neighbours
from femtms.mesh.interfaces import interfaces_of
from femtms.mesh.pieces import check_pieces
from femtms.mesh.repair import repaired
from femtms.mesh.surface import triangle_normals
from femtms.mesh.tetmesh import TetMesh

log = logging.getLogger("femtms")

# Suffix -> how meshio calls the format.  Its other readers have no tissues, need more libraries, or do not end on some
# damaged files.
FORMATS = {".msh": "gmsh", ".vtu": "vtu", ".vtk": "vtk", ".mesh": "medit", ".meshb": "medit"}

_FEWEST = 10  # tetrahedra of what may be a head; fewer have no order of tissues


def is_mesh_file(path: str | Path) -> bool:
    """Whether the name has the suffix of a mesh."""
    return Path(path).suffix.lower() in FORMATS


def read_mesh(
    path: str | Path, labels: Labels | None = None, tissue_array: str | None = None, as_numbered: bool = False
) -> TetMesh:
    """A head mesh in mm: Gmsh .msh (2.2 and 4.1, ASCII and binary), .vtu, .vtk, or Medit .mesh and .meshb.

    labels        which tissue each number is, see `read_labels`; tetrahedra of air are left out.  None: the names of
                  the file's physical groups say it or, where these say nothing, the numbers are tissue numbers
    tissue_array  the array of element data that has the numbers; None for the one under a usual name
    as_numbered   take the numbers as tissue numbers whatever the names of groups and the order of tissues say

    Only tetrahedra and their tissue numbers are used; surface triangles are ignored.  What is repaired
    (see `femtms.mesh.repair`), and small pieces that hang on nothing, are logged and kept in `mesh.notes`; nodes are
    renumbered where some are dropped.
    Raises FemtmsError when the file is missing or damaged, has no tetrahedra or no tissue numbers, or the mesh is bad:
    also for several heads, overlapping copies, tissues that share no nodes, and tissues that lie where no head has them
    (see `femtms.head.anatomy`).
    """
    label_map = None if labels is None else label_map_of(labels)
    path = existing_file(path)
    raw, groups = _read(path)
    blocks = [i for i, block in enumerate(raw.cells) if block.type == "tetra"]
    if not blocks:
        found = ", ".join(sorted({block.type for block in raw.cells})) or "none"
        raise FemtmsError(f"{path}: a head mesh must have linear tetrahedra ('tetra'); its elements are: {found}")
    others = {block.type: len(block) for block in raw.cells if block.dim == 3 and block.type != "tetra"}
    if others:
        found = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
        raise FemtmsError(f"{path}: all volume elements must be linear tetrahedra ('tetra'); there are {found} besides")
    tets = np.concatenate([raw.cells[i].data for i in blocks])
    array, numbers = tissue_numbers(raw, blocks, path, tissue_array, label_map is not None)
    check_groups(groups, array, path)
    if label_map is None and not as_numbered:
        label_map = map_of_names(np.unique(numbers), groups.names, array, path)
    tags = numbers if label_map is None else mapped(numbers, label_map, path)
    tets, tags, left_out = without_air(tets, tags)
    if not len(tets):
        raise FemtmsError(f"{path}: a head must have tissue; all of its tetrahedra are air")
    nodes_mm = np.asarray(raw.points, dtype=np.float64)
    if nodes_mm.ndim != 2 or nodes_mm.shape[1] != 3:
        raise FemtmsError(f"{path}: nodes must have three coordinates; got shape {nodes_mm.shape}")
    _check_nodes(nodes_mm, path)
    if len(tets) and (tets.min() < 0 or tets.max() >= len(nodes_mm)):
        raise FemtmsError(
            f"{path}: elements refer to nodes {tets.min()} to {tets.max()}, but there are {len(nodes_mm):,}"
        )
    try:
        nodes_mm, tets, tags, repairs = repaired(nodes_mm, tets, tags)
        neighbour, _ = face_neighbours(tets, len(nodes_mm))
        repairs += check_pieces(nodes_mm, tets, tags, neighbour)
        doubts: tuple[str, ...] = ()
        if len(tets) >= _FEWEST:
            trust = Trust.of(labels, as_numbered, is_named=label_map is not None)
            doubts = check_anatomy(_contacts(nodes_mm, tets, tags, neighbour), trust)
        mesh = TetMesh(1e-3 * nodes_mm, tets, tags, notes=left_out + repairs + doubts, tissue_array=array)
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error
    for note in mesh.notes:
        log.warning("%s: %s", path.name, note)
    return mesh


def _contacts(nodes_mm: np.ndarray, tets: np.ndarray, tags: np.ndarray, neighbour: np.ndarray) -> Contacts:
    """On how much area the tissues of a mesh touch each other and air."""
    interfaces = interfaces_of(tets, tags, neighbour)
    areas = np.linalg.norm(triangle_normals(nodes_mm, interfaces.triangles), axis=1)
    return Contacts.of_pairs(interfaces.low, interfaces.high, areas)


def _read(path: Path) -> tuple[Any, GmshGroups]:
    """What meshio makes of a file, and its physical groups."""
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
                groups = checked_msh(plain, path) if kind == "gmsh" else GmshGroups()
                if kind == "vtk":
                    check_grid_of_cells(plain, path)
                with equal_lengths(path):
                    return meshio.read(plain, file_format=kind), groups
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


def _check_nodes(nodes_mm: np.ndarray, path: Path) -> None:
    if not np.isfinite(nodes_mm).all():
        bad = np.flatnonzero(~np.isfinite(nodes_mm).all(axis=1))
        raise FemtmsError(f"{path}: node coordinates must be finite; {len(bad):,} are not, the first is node {bad[0]}")
    if len(nodes_mm):
        check_size(nodes_mm.min(axis=0), nodes_mm.max(axis=0), path)


@checks_kinds
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
    with whole_file(path, overwrite) as temporary:
        if path.suffix.lower() == ".msh":
            # Gmsh carries tissue as the physical group; double precision is the only one it has
            data = {"gmsh:physical": mesh.tags, "gmsh:geometrical": mesh.tags, **cell_data}
            cells = [("tetra", np.asarray(mesh.tets))]
            raw = meshio.Mesh(nodes_mm, cells, point_data, {k: [np.asarray(v)] for k, v in data.items()})
            meshio.write(temporary, raw, file_format="gmsh22", binary=True)
            return
        # single precision carries all digits a field has, in half the space
        data = {"tissue": mesh.tags} | {k: v.astype(np.float32) for k, v in cell_data.items()}
        point_data = {k: v.astype(np.float32) for k, v in point_data.items()}
        write_vtu(temporary, nodes_mm, np.asarray(mesh.tets), data, point_data)
