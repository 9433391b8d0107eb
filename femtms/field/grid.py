"""A field at the points of a regular grid."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from femtms.arrays import transformed
from femtms.errors import FemtmsError
from femtms.kernels.places import weights_in
from femtms.mesh.locate import rasterised
from femtms.mesh.tetmesh import TetMesh

if TYPE_CHECKING:
    from femtms.field.field import Field

_TOGETHER = 2**21  # points: bounds the memory


def E_on_grid(
    field: "Field", affine: np.ndarray, shape: tuple[int, int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points (h,) of a grid in the head, by their place in C order, and E (h,3) V/m there; in several parts.

    affine (4,4) from indices to mm in head coordinates and shape are as `check_grid` gives them.  Each point has the
    field of the tetrahedron that holds it, so of one side of an interface.
    """
    for points, tets, weights in _held(field.mesh, affine, shape):
        yield points, field.E_in(tets, weights)


def check_grid(affine: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """An affine (4,4) and a shape as they must be.  Raises FemtmsError."""
    try:
        matrix, counts = np.array(affine, np.float64), np.array(shape, np.float64)
    except (TypeError, ValueError) as error:
        raise FemtmsError(f"a grid must be a 4×4 matrix in mm and three whole numbers ({error!s:.60})") from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise FemtmsError(
            f"the affine of a grid must be a finite 4×4 matrix with the last row 0 0 0 1; got {affine!r:.80}"
        )
    if abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise FemtmsError("the affine of a grid must be invertible; its determinant is 0")
    if counts.shape != (3,) or not (counts >= 1).all() or not (counts == np.floor(counts)).all():
        raise FemtmsError(f"the shape of a grid must be three whole numbers, 1 or more; got {shape!r:.60}")
    return matrix, (int(counts[0]), int(counts[1]), int(counts[2]))


def _held(
    mesh: TetMesh, affine: np.ndarray, shape: tuple[int, int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points in the head by their place in C order, tetrahedra and barycentric coordinates there."""
    to_m = affine.copy()
    to_m[:3] *= 1e-3
    owner = rasterised(mesh.nodes, mesh.tets, to_m, shape).ravel()
    held = np.flatnonzero(owner >= 0)
    for begin in range(0, len(held), _TOGETHER):
        some = held[begin : begin + _TOGETHER]
        points = transformed(np.column_stack(np.unravel_index(some, shape)).astype(np.float64), to_m)
        tets = owner[some]
        yield some, tets, weights_in(mesh.nodes, mesh.tets, tets, points)
