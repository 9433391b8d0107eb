"""From a place on the scalp to a pose, and whether a posed coil keeps clear of the head."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree

from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.kernels import cpu
from femtms.mesh.surface import triangle_normals
from femtms.mesh.tetmesh import TetMesh

DEFAULT_GAP_MM = 4.0
# A coil lies on a patch of scalp of about this radius; it also averages the facets of a coarse mesh.
_PATCH_MM = 15.0
# Farther than this, coordinates were meant for another head or another unit.
_FARTHEST_MM = 30.0


def place(
    mesh: TetMesh,
    at: str | Sequence[float],
    towards: str | Sequence[float],
    gap_mm: float = DEFAULT_GAP_MM,
) -> Pose:
    """The pose of a coil that touches the scalp at one place and points to another.

    at, towards  name of a landmark of the mesh ("C3"), or x, y, z in mm in head coordinates; both are projected to
                 the scalp, and y of the coil is the direction from one to the other
    gap_mm       distance in mm from the coil's origin to the nearest point of the scalp, along the normal

    The normal is the mean over the scalp within 15 mm.  Raises FemtmsError for an unknown name, a place away from the
    scalp, or a direction that is along the normal.
    """
    check_gap(gap_mm)
    faces = mesh.surface
    area = triangle_normals(mesh.nodes, faces)
    centres = mesh.nodes[faces].mean(axis=1)
    tree = cKDTree(centres)

    target = _position(mesh, at, "at")
    distance, nearest = tree.query(target)
    if distance > 1e-3 * _FARTHEST_MM:
        raise FemtmsError(
            f"'at' must be on the scalp, within {_FARTHEST_MM:g} mm; {_shown(at)} is {1e3 * distance:.0f} mm away from it"
        )
    patch = tree.query_ball_point(centres[nearest], 1e-3 * _PATCH_MM)
    outward = area[patch].sum(axis=0)
    # cavities that open to the outside have walls whose normals cancel; they must not decide
    if np.linalg.norm(outward) < 0.1 * np.linalg.norm(area[patch], axis=1).sum():
        raise FemtmsError(f"the surface around {_shown(at)} has no clear normal; choose a place on the scalp")
    outward /= np.linalg.norm(outward)

    along = _position(mesh, towards, "towards") - target
    along -= (along @ outward) * outward
    if np.linalg.norm(along) < 1e-4:
        raise FemtmsError(f"'towards' must be another place than 'at'; {_shown(towards)} gives no direction from {_shown(at)}")
    z = -outward
    y = along / np.linalg.norm(along)
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.cross(y, z), y, z])
    matrix[:3, 3] = 1e3 * _lifted(centres[nearest], outward, 1e-3 * gap_mm, mesh.nodes, faces, tree)
    return Pose(matrix)


def check_gap(gap_mm: float) -> None:
    """Raise FemtmsError unless a distance from the scalp is finite and ≥ 0."""
    if not (np.isfinite(gap_mm) and gap_mm >= 0):
        raise FemtmsError(f"gap_mm must be finite and ≥ 0; got {gap_mm}")


def _lifted(
    start: np.ndarray, outward: np.ndarray, gap: float, nodes: np.ndarray, faces: np.ndarray, tree: cKDTree
) -> np.ndarray:
    """The point (3,) on the ray from start along outward whose nearest surface point is `gap` away; lengths in m."""
    # from well outside inwards: the distance bounds how far a step can go without passing the surface
    height = gap + 2e-3 * _PATCH_MM
    for _ in range(200):
        excess = _distance(start + height * outward, nodes, faces, tree) - gap
        height -= excess
        if excess < 1e-7:
            break
    lifted: np.ndarray = start + height * outward
    return lifted


def _distance(point: np.ndarray, nodes: np.ndarray, faces: np.ndarray, tree: cKDTree) -> float:
    """Distance in m from a point to the nearest of the triangles."""
    to_centre, _ = tree.query(point)
    longest = np.linalg.norm(nodes[faces[:, 0]] - nodes[faces[:, 1]], axis=1).max()
    near = faces[tree.query_ball_point(point, to_centre + longest)]
    return float(np.sqrt(_squared_distances(point, nodes[near]).min()))


def _squared_distances(point: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Squared distances (f,) from a point to triangles (f,3,3): to the plane if the foot is inside, else to the edges."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = np.cross(b - a, c - a)
    area2 = np.einsum("fd,fd->f", normal, normal)
    height = np.einsum("fd,fd->f", point - a, normal)
    foot = point - (height / area2)[:, None] * normal
    inside = np.ones(len(a), bool)
    nearest = np.full(len(a), np.inf)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("fd,fd->f", np.cross(q - p, foot - p), normal) >= 0
        along = np.clip(np.einsum("fd,fd->f", point - p, q - p) / np.einsum("fd,fd->f", q - p, q - p), 0, 1)
        gap = point - p - along[:, None] * (q - p)
        nearest = np.minimum(nearest, np.einsum("fd,fd->f", gap, gap))
    return np.where(inside, height**2 / area2, nearest)


def _position(mesh: TetMesh, place: str | Sequence[float], what: str) -> np.ndarray:
    """Head coordinates (3,) in m of a landmark's name or of x, y, z in mm."""
    check_place(place, mesh.landmarks, what)
    if isinstance(place, str):
        return np.array({name.lower(): position for name, position in mesh.landmarks.items()}[place.lower()])
    return 1e-3 * np.asarray(place, dtype=np.float64)


def check_place(place: str | Sequence[float], landmarks: Mapping[str, np.ndarray], what: str) -> None:
    """Raise FemtmsError unless a place is three numbers or the name of a landmark; names are all that is looked at."""
    if isinstance(place, str):
        if not landmarks:
            raise FemtmsError(
                f"'{what}' names the electrode '{place}', but this head has no electrode positions: give x,y,z in mm"
            )
        if place.lower() not in {name.lower() for name in landmarks}:
            raise FemtmsError(f"'{what}' must be one of {', '.join(landmarks)}, or x,y,z in mm; got '{place}'")
        return
    position = np.asarray(place, dtype=np.float64)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise FemtmsError(f"'{what}' must be an electrode name or three finite numbers in mm; got {place}")


def _shown(place: str | Sequence[float]) -> str:
    return place if isinstance(place, str) else "(" + ", ".join(f"{c:.1f}" for c in place) + ") mm"


def check_clear(mesh: TetMesh, coil: Coil, pose: Pose) -> None:
    """Raise FemtmsError, with how deep and where, when any element of the coil is inside the head."""
    points = coil.moved(pose).positions
    inside = cpu.locate_points(points, mesh.nodes, mesh.tets) >= 0
    if not inside.any():
        return
    surface = mesh.nodes[np.unique(mesh.surface)]
    depths = cKDTree(surface).query(points[inside])[0]
    x, y, z = 1e3 * points[inside][depths.argmax()]
    raise FemtmsError(
        f"the pose puts the coil inside the head: {inside.sum():,} of {len(points):,} elements of '{coil.name}', the "
        f"deepest {1e3 * depths.max():.1f} mm below the surface at ({x:.1f}, {y:.1f}, {z:.1f}) mm; "
        f"move it outward or increase the gap"
    )
