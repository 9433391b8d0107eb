"""VTK files (.vtu, .vtk) whose arrays do not fit each other: meshio cuts them to length and says nothing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import meshio
from meshio._vtk_common import vtk_to_meshio_type

from femtms.errors import FemtmsError

# Where meshio makes cells of arrays: the last two arguments are the types of the cells, and name -> data.
_MAKERS = (
    (meshio.vtu._vtu, "vtk_cells_from_data"),
    (meshio.vtk._vtk_51, "vtk_cells_from_data"),
    (meshio.vtk._vtk_42, "translate_cells"),
)
_patching = Lock()
_HEAD = 4096  # bytes of a .vtk file that have its kind of grid


@contextmanager
def equal_lengths(path: Path) -> Iterator[None]:
    """Inside the block meshio raises FemtmsError for data of elements that are not as many as these, and for pieces."""
    pieces: list[int] = []

    def checked(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arrays: Any) -> Any:
            types, data = arrays[-2:]
            pieces.append(len(types))
            if len(pieces) > 1:  # meshio keeps the last one
                raise FemtmsError(f"{path}: the mesh must be in one piece; it is in several: join them first")
            unknown = set(map(int, types)) - set(vtk_to_meshio_type)
            if unknown:  # meshio leaves them out
                raise FemtmsError(f"{path}: types of elements must be those of VTK; got {min(unknown)}")
            for name, values in data.items():
                if len(values) != len(types):
                    raise FemtmsError(
                        f"{path}: element data must have a value for each of the {len(types):,} elements; "
                        f"'{name}' has {len(values):,}"
                    )
            if len(arrays) == 4 and len(types) and len(arrays[0]) != arrays[1].max():
                raise FemtmsError(
                    f"{path}: the elements must have {arrays[1].max():,} corners, as their offsets say; they have "
                    f"{len(arrays[0]):,}"
                )
            return make(*arrays)

        return made

    with _patching:
        makers = [(module, name, getattr(module, name)) for module, name in _MAKERS]
        try:
            for module, name, make in makers:
                setattr(module, name, checked(make))
            yield
        finally:
            for module, name, make in makers:
                setattr(module, name, make)


def check_grid_of_cells(path: Path, name: Path) -> None:
    """Raise FemtmsError for a .vtk file with a regular grid: its axes, and not its bytes, say how many cells there are.

    name  what messages call the file
    """
    with open(path, "rb") as file:
        kind = re.search(rb"^\s*DATASET\s+(\w+)", file.read(_HEAD), re.MULTILINE | re.IGNORECASE)
    if kind is not None and kind[1].upper() != b"UNSTRUCTURED_GRID":
        raise FemtmsError(f"{name}: must be an UNSTRUCTURED_GRID of tetrahedra; it is {kind[1].decode()}")
