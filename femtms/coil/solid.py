"""Where a coil is solid, as far as is known: whether two posed coils go through each other."""

import numpy as np
from scipy.spatial import ConvexHull

from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.mesh.triangle_tree import TriangleTree

_TOUCH = 1e-6  # m
_SLACK = 1e-4  # m: coils that lie on each other touch
_FLAT = 0.1  # of the width: what is thicker is no flat coil, and what it encloses may be free


def coils_meet(first: tuple[Coil, Pose], second: tuple[Coil, Pose]) -> np.ndarray | None:
    """Where (3,) m in head coordinates two posed coils meet; None where they do not, or nothing is known of one.

    A coil is its casing or, without one, the plates that its flat windings span, or that its dipoles lie in.  A casing
    inside another one counts, too.
    """
    (one, half), (other, other_half) = _solid(first[0]), _solid(second[0])
    if not len(one) or not len(other):
        return None
    one, other = _posed(one, first[1]), _posed(other, second[1])
    within = max(half + other_half - _SLACK, _TOUCH)
    distance, at = TriangleTree.build(one).distance(other, within=within)
    if distance < within:
        return np.array(at)
    for outer, (coil, pose) in ((one, second), (other, first)):
        if coil.casing is None:
            continue
        for point in _posed(coil.casing.nodes[coil.casing.triangles], pose)[coil.casing.one_of_each_piece, 0]:
            if _encloses(outer, point):
                return np.array(point)
    return None


def _solid(coil: Coil) -> tuple[np.ndarray, float]:
    """Triangles (f,3,3) m in the coil's frame, and half the thickness in m of what they stand for."""
    if coil.casing is not None:
        return coil.casing.nodes[coil.casing.triangles], 0.0
    lines = [path.outline() for winding in coil.windings for path in winding.paths] or list(coil.outlines)
    thickness = min((min(w.wire_width, w.wire_height) for w in coil.windings), default=0.0)
    plates = [_plate(line) for line in lines if len(line) > 2] if lines else [_plate_around(coil.positions)]
    return np.concatenate([np.empty((0, 3, 3)), *plates]), thickness / 2


def _plate(line: np.ndarray) -> np.ndarray:
    """Triangles (f,3,3) from the middle of a flat line (p,3) to its pieces, closed; none for one that is not flat."""
    if not _is_flat(line):
        return np.empty((0, 3, 3))
    closed = np.concatenate([line, line[:1]])
    return np.stack([np.broadcast_to(line.mean(axis=0), line.shape), closed[:-1], closed[1:]], axis=1)


def _plate_around(points: np.ndarray) -> np.ndarray:
    """The plate around flat points (p,3); none around others."""
    if len(points) < 4 or not _is_flat(points):
        return np.empty((0, 3, 3))
    centre = points.mean(axis=0)
    plane = np.linalg.svd(points - centre, full_matrices=False)[2][:2]
    in_plane = (points - centre) @ plane.T
    if np.linalg.matrix_rank(in_plane, tol=1e-6) < 2:
        return np.empty((0, 3, 3))
    rim = in_plane[ConvexHull(in_plane).vertices]
    return _plate(centre + rim @ plane)


def _is_flat(points: np.ndarray) -> bool:
    """Whether points (p,3) lie in a plate that is thin for its width."""
    extents = np.ptp((points - points.mean(axis=0)) @ np.linalg.svd(points - points.mean(axis=0))[2].T, axis=0)
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
