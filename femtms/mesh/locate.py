"""Which tetrahedron holds which point: of a regular grid, or anywhere."""

import numpy as np

from femtms.arrays import transformed
from femtms.errors import FemtmsError
from femtms.kernels import cpu
from femtms.kernels.places import ALL, held_by, nearest_to, weights_in

# What rounding to single precision in files makes of points on the scalp; and how far a cortical surface, which does
# not follow the faces of tetrahedra, pokes out of grey matter.
ROUNDING_REACH, TISSUE_REACH = 1e-7, 1e-3  # m


def rasterised(nodes: np.ndarray, tets: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Index of the tetrahedron at every grid point, (nx,ny,nz) int32, -1 outside the mesh.

    nodes (n,3) and affine (4,4) must be in the same unit; affine maps grid indices to head coordinates.
    A point on a shared face goes to the tetrahedron with the lowest index, so the result is unique.
    """
    to_grid = np.linalg.inv(affine)
    x = transformed(nodes, to_grid)
    return cpu.rasterise_tets(x, tets, np.array(shape))


def located(
    nodes: np.ndarray, tets: np.ndarray, tags: np.ndarray, points: np.ndarray, tag: int | None, reach: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """The tetrahedron (p,) int32 at each of points (p,3) m, -1 for none, and barycentric coordinates (p,4).

    See TetMesh.locate; tag is None for all tissues.
    """
    points = checked_points(points)
    nodes = np.ascontiguousarray(nodes, np.float64)  # files have other types, too
    tets, tags = (np.ascontiguousarray(x, np.int32) for x in (tets, tags))
    if reach is None:
        reach = ROUNDING_REACH if tag is None else TISSUE_REACH
    if not 0 <= reach < np.inf:
        raise FemtmsError(f"reach must be a finite distance, 0 or more; got {reach} m")
    wanted = ALL if tag is None else tag
    low, high = nodes.min(axis=0) - reach, nodes.max(axis=0) + reach
    owner = np.full(len(points), -1, np.int32)
    left = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))  # NaN is not
    left, grid = _in_cells(points, left)
    owner[left] = held_by(nodes, tets, tags, wanted, points[left], grid)
    if reach > 0:
        left, grid = _in_cells(points, left[owner[left] < 0])
        owner[left] = nearest_to(nodes, tets, tags, wanted, points[left], grid, float(reach))
    return owner, weights_in(nodes, tets, owner, points)


def checked_points(points: np.ndarray, unit: str = "m") -> np.ndarray:
    """Points as (p,3) float64.  Raises FemtmsError for another shape, or for what is no number."""
    try:
        numbers = np.ascontiguousarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FemtmsError(f"points must be (p,3) numbers in {unit}; got {points!r:.60}") from error
    if numbers.ndim != 2 or numbers.shape[1] != 3:
        raise FemtmsError(f"points must be (p,3) in {unit}, one row for each; got shape {numbers.shape}")
    return numbers


def _in_cells(points: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, tuple]:
    """The rows of points in the order of the cells of a grid around them, about one for each, and that grid."""
    if len(rows) == 0:
        return rows, (np.zeros(2, np.int64), np.zeros(3), np.zeros(3), 1.0, np.ones(3, np.int64))
    low, high = points[rows].min(axis=0), points[rows].max(axis=0)
    extent = high - low
    size = max(float(extent.max()), 1e-9)
    shape = np.ones(3, np.int64)
    # also for points on a plane or on a line
    while np.prod(shape, dtype=np.float64) < len(rows) and size > 1e-9:
        size *= 0.8
        shape = (extent / size).astype(np.int64) + 1
    i, j, k = np.minimum((points[rows] - low) / size, shape - 1).astype(np.int64).T
    cells = (i * shape[1] + j) * shape[2] + k
    starts, order = cpu.incidence(cells[:, None], int(shape.prod()))
    return rows[order], (starts, low, high, size, shape)
