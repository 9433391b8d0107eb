"""The body-centred-cubic lattice of tetrahedra from which every mesh starts.

Coordinates are whole numbers: lengths are exact, so that edges of equal length compare equal during refinement.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from femtms import core
from femtms.arrays import transformed
from femtms.mesh.label_field import LabelField

UNITS = 2**12  # per lattice constant: room for some ten bisections of every edge


class Lattice(NamedTuple):
    """Tetrahedra between lattice points.

    points  (n,3) int32, in units of `unit` mm from `origin`
    tets    (m,4) int32, positively oriented
    origin  (3,) mm
    unit    mm
    """

    points: np.ndarray
    tets: np.ndarray
    origin: np.ndarray
    unit: float

    @property
    def nodes(self) -> np.ndarray:
        """Nodes (n,3) in mm."""
        return self.origin + self.unit * self.points


def bcc_lattice(field: LabelField, size_mm: float) -> Lattice:
    """The tetrahedra of the lattice with constant size_mm in and around the cells that tissue reaches into.

    Edges are 1 and 0.87 size_mm long, dihedral angles 60° and 90°, and there are 12 tetrahedra in size_mm³.
    """
    low, high = bounds(field)
    cells = np.ceil((high - low) / size_mm).astype(np.int64) + 4
    origin = 0.5 * (low + high - cells * size_mm)  # centred: a symmetric head gets a symmetric lattice
    near = _near_tissue(field, origin, cells, size_mm)
    points, tets = _tets_between(near)
    return Lattice(points, tets, origin, size_mm / UNITS)


def bounds(field: LabelField) -> tuple[np.ndarray, np.ndarray]:
    """Two corners (3,) in mm of an upright box around all tissue."""
    if field.radii.size:
        return np.full(3, -field.radii[-1]), np.full(3, field.radii[-1])
    shape = np.array(field.indicators.shape[:3]) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * shape
    to_mm = np.linalg.inv(np.vstack([field.to_voxel, [0, 0, 0, 1]]))
    corners = transformed(corners, to_mm)
    return corners.min(axis=0), corners.max(axis=0)


def _near_tissue(field: LabelField, origin: np.ndarray, cells: np.ndarray, size_mm: float) -> np.ndarray:
    """Mask of the cells that tissue reaches into."""
    if field.radii.size:
        x, y, z = (origin[d] + size_mm * (np.arange(cells[d]) + 0.5) for d in range(3))
        r2 = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2
        mask: np.ndarray = r2 < (field.radii[-1] + size_mm) ** 2
        return mask
    tissue = field.indicators[..., 0] < 255
    reach = np.ceil(0.5 * size_mm * np.abs(field.to_voxel[:, :3]).sum(axis=1)).astype(int) + 1
    reach = np.minimum(reach, tissue.shape)
    near = ndimage.maximum_filter(tissue.view(np.uint8), size=2 * reach + 1, mode="constant")
    mask = np.empty(cells, bool)
    in_plane = np.stack(np.meshgrid(*[np.arange(c) + 0.5 for c in cells[1:]], indexing="ij"), -1).reshape(-1, 2)
    for i in range(cells[0]):  # plane by plane: the centres of all cells at once would be large
        centres = origin + size_mm * np.column_stack([np.full(len(in_plane), i + 0.5), in_plane])
        voxel = np.rint(transformed(centres, np.vstack([field.to_voxel, [0, 0, 0, 1]]))).astype(np.int64)
        voxel = np.clip(voxel, 0, np.array(near.shape) - 1)
        mask[i] = near[tuple(voxel.T)].reshape(cells[1:])
    return mask


def _tets_between(near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Around each face between two cells of which one is near: four tetrahedra of its edges and the two centres."""
    number = np.full(np.prod([2 * c + 1 for c in near.shape]), -1, np.int32)  # half cells: corners even, centres odd
    given = *near.shape, near, len(number), number
    counts = np.empty(2, np.int64)
    core.call("lattice_places", *given, counts)
    points, tets = np.empty((counts[0], 3), np.int32), np.empty((counts[1], 4), np.int32)
    core.call("lattice_tets", *given, points, tets)
    points *= UNITS // 2
    return points, tets
