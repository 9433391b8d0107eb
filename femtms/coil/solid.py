"""Where a coil is solid, as far as is known: whether two posed coils go through each other."""

import numpy as np
from scipy.spatial import ConvexHull

from femtms.coil.coil import Coil
from femtms.coil.path import Path
from femtms.coil.pose import Pose
from femtms.mesh.triangle_tree import TriangleTree

_TOUCH = 1e-6  # m
_SLACK = 1e-4  # m: coils that lie on each other touch
_FLAT = 0.3  # of the width: what is thicker is no flat coil, and what it encloses may be free


def coils_meet(first: tuple[Coil, Pose], second: tuple[Coil, Pose]) -> np.ndarray | None:
    """Where (3,) m in head coordinates two posed coils meet; None where they do not, or nothing is known of one.

    A coil is its casing or, without one, the plates that its flat windings span, with their height, or the hull of its
    dipoles where these lie flat.  One coil inside another one counts, too.
    """
    one, other = (_posed(_solid(coil), pose) for coil, pose in (first, second))
    if not len(one) or not len(other):
        return None
    distance, at = TriangleTree.build(one).distance(other, within=_TOUCH)
    if distance < _TOUCH:
        return np.array(at)
    for outer, inner, (coil, _) in ((one, other, second), (other, one, first)):
        for point in inner[[0] if coil.casing is None else coil.casing.one_of_each_piece, 0]:
            if _encloses(outer, point):
                return np.array(point)
    return None


def _solid(coil: Coil) -> np.ndarray:
    """Triangles (f,3,3) m in the coil's frame; f = 0 where nothing is known."""
    if coil.casing is not None:
        return coil.casing.nodes[coil.casing.triangles]
    if coil.windings:
        slabs = [_slab(path, winding.wire_height) for winding in coil.windings for path in winding.paths]
        return np.concatenate(slabs)
    if coil.outlines:
        return np.concatenate([_plate(line) for line in coil.outlines])
    return _hull(coil.positions)


def _slab(path: Path, height: float) -> np.ndarray:
    """The closed surface of what a flat path spans, with the height (m) of its wire, less what touching coils share.

    All triangles go round alike as seen from outside.
    """
    half = max(height / 2 - _SLACK, 0.0)
    low, high = (path.shifted(0.0, side * half).outline() for side in (-1, 1))
    plates = [_plate(low), _plate(high)]
    if not len(plates[0]) or half == 0.0:
        return plates[0]
    a, b = low, np.roll(low, -1, axis=0)
    c, d = high, np.roll(high, -1, axis=0)
    plates[0] = plates[0][:, ::-1]
    return np.concatenate([*plates, np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])


def _plate(line: np.ndarray) -> np.ndarray:
    """Triangles (f,3,3) from the middle of a flat line (p,3) to its pieces, closed; none for one that is not flat."""
    if not _is_flat(line):
        return np.empty((0, 3, 3))
    closed = np.concatenate([line, line[:1]])
    return np.stack([np.broadcast_to(line.mean(axis=0), line.shape), closed[:-1], closed[1:]], axis=1)


def _hull(points: np.ndarray) -> np.ndarray:
    """Triangles (f,3,3) around flat points (p,3); none around others: what they enclose may be free."""
    if len(points) < 4 or not _is_flat(points):
        return np.empty((0, 3, 3))
    centre = points.mean(axis=0)
    axes = np.linalg.svd(points - centre, full_matrices=False)[2]
    inner = (points - centre) @ axes.T
    thickness = np.ptp(inner[:, 2])
    if thickness > _SLACK:
        hull = ConvexHull(points)
        triangles: np.ndarray = points[hull.simplices]
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        inward = np.einsum("fd,fd->f", normals, hull.equations[:, :3]) < 0
        triangles[inward] = triangles[inward][:, ::-1]
        return triangles
    if np.linalg.matrix_rank(inner[:, :2], tol=1e-6) < 2:
        return np.empty((0, 3, 3))
    return _plate(points[ConvexHull(inner[:, :2]).vertices])


def _is_flat(points: np.ndarray) -> bool:
    """Whether points (p,3) lie in a plate that is thin for its width."""
    centred = points - points.mean(axis=0)
    extents = np.ptp(centred @ np.linalg.svd(centred, full_matrices=False)[2].T, axis=0)
    return bool(extents[2] <= _FLAT * extents[1])


def _posed(triangles: np.ndarray, pose: Pose) -> np.ndarray:
    return pose.in_head(triangles.reshape(-1, 3)).reshape(-1, 3, 3)


def _encloses(triangles: np.ndarray, point: np.ndarray) -> bool:
    """Whether closed surfaces (f,3,3) hold a point (3,): the solid angle that they fill around it, of ±4π.

    van Oosterom & Strackee 1983, IEEE Trans Biomed Eng 30:125, eq. 8.
    """
    r = triangles - point
    a, b, c = np.moveaxis(np.linalg.norm(r, axis=2), 1, 0)
    ab, bc, ca = ((r[:, i] * r[:, j]).sum(axis=1) for i, j in ((0, 1), (1, 2), (2, 0)))
    volume = np.einsum("fd,fd->f", r[:, 0], np.cross(r[:, 1], r[:, 2]))
    angle = 2 * np.arctan2(volume, a * b * c + ab * c + bc * a + ca * b).sum()
    return bool(abs(angle) > 2 * np.pi)
