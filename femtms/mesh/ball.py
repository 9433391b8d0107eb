"""Concentric spheres as tetrahedra whose faces lie on the spheres: a cube lattice blown up to a ball.

Points of the cubic lattice at the same largest coordinate ("level") form a cube surface, and go to one sphere.  Each
cell has a node in its middle, so no tetrahedron has two faces on a sphere: the edges of the cube would flatten it.
"""

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.sphere import LayeredSphere
from femtms.mesh.lattice import MAX_TETS

# The six faces of a cell: its corners are numbered 4i + 2j + k, each face goes around.
_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])

_LARGEST_SAG = 0.2  # of the thickness of a layer's cells; 0.3 was seen to turn tetrahedra inside out


def ball_tets(head: LayeredSphere, size_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (n,3) in mm, tets (m,4) and tags (m,); radial edges are size_mm long, or a layer thick if that is less.

    Raises FemtmsError when the size is out of range.
    """
    if not (np.isfinite(size_mm) and size_mm > 0):
        raise FemtmsError(f"size_mm must be > 0; got {size_mm}")
    most = int((MAX_TETS / 12) ** (1 / 3) / 2)  # levels; 12 tetrahedra in each of (2 levels)³ cells
    wanted = head.radii_mm[-1] / size_mm
    if wanted <= most:
        radii, layer_of_level = _levels(head, size_mm)
        levels = wanted = len(radii) - 1
    if wanted > most:
        raise FemtmsError(
            f"size_mm={size_mm:g} would need {wanted:,.4g} layers of tetrahedra from the centre of the sphere outward; "
            f"at most {most} ({MAX_TETS:,} tetrahedra) are supported: use a larger size"
        )

    grid = np.stack(np.meshgrid(*[np.arange(-levels, levels + 1)] * 3, indexing="ij"), axis=-1)
    corners = _on_spheres(grid.reshape(-1, 3), radii)
    corner_id = np.arange(len(corners)).reshape(grid.shape[:3])

    lower = np.stack(np.meshgrid(*[np.arange(2 * levels)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    cell = np.stack([corner_id[tuple((lower + o).T)] for o in offsets], axis=1)  # (cells, 8)
    centre_id = len(corners) + np.arange(len(cell))
    outer_level = np.abs(lower[:, None] - levels + offsets).max(axis=(1, 2))
    nodes = np.concatenate([corners, _on_spheres(lower - levels + 0.5, radii)])

    # Both cells at a face must cut it along the same diagonal.  Where the edges of the cube were, three corners of a
    # face lie on one circle, and only the diagonal through the fourth, the innermost, leaves two proper triangles.
    rank = np.argsort(np.argsort(np.abs(grid).max(axis=-1).ravel(), kind="stable"))
    tets = []
    for face in _FACES:
        quad = cell[:, face]
        turn = np.where(np.isin(rank[quad].argmin(axis=1), (0, 2)), 0, 1)[:, None]
        quad = np.take_along_axis(quad, (np.arange(4) + turn) % 4, axis=1)
        for triangle in ((0, 1, 2), (0, 2, 3)):
            tets.append(np.column_stack([centre_id, quad[:, triangle]]))
    tags = np.tile(np.array(head.tags)[layer_of_level[outer_level]], 12)
    return nodes, np.concatenate(tets), tags


def _levels(head: LayeredSphere, size_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Radius (mm) of each level from 0 at the centre, and the layer that lies just inside each level."""
    outer = np.array(head.radii_mm)
    thickness = np.diff(outer, prepend=0.0)
    steps = np.maximum(1, np.round(thickness / size_mm)).astype(int)
    # A flat facet of a sphere must stay above the middle of the layer below it.  Facets at level L span π/(4L) and sag
    # by r/4 of that squared; the innermost layer gets as many levels as the thinnest of the others needs.
    needed = np.ceil(np.pi / 4 * np.sqrt(outer / (4 * _LARGEST_SAG * thickness / steps))).astype(int)
    steps[0] += max(0, (needed - np.cumsum(steps))[1:].max(initial=0))
    radii = [np.array([0.0])]
    for inside, outside, count in zip(outer - thickness, outer, steps):
        radii.append(np.linspace(inside, outside, count + 1)[1:])
    return np.concatenate(radii), np.concatenate([[0], np.repeat(np.arange(len(steps)), steps)])


def _on_spheres(index: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Lattice coordinates (n,3) -> points (n,3): the level gives the radius, tan() spaces the directions evenly."""
    level = np.abs(index).max(axis=1)
    direction = np.tan(0.25 * np.pi * index / np.maximum(level, 0.5)[:, None])
    direction /= np.maximum(np.linalg.norm(direction, axis=1), 1e-300)[:, None]
    points: np.ndarray = np.interp(level, np.arange(len(radii)), radii)[:, None] * direction
    return points
