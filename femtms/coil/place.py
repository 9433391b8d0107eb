"""From a place on the scalp to a pose, and whether a posed coil keeps clear of the head."""

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from femtms.arguments import checks_kinds
from femtms.coil.clearance import at_gap, check_gap, clearance, is_apart
from femtms.coil.coil import Coil
from femtms.coil.direction import y_at_45_degrees
from femtms.coil.pose import Pose
from femtms.coil.scalp import Scalp, Seat
from femtms.coil.solid import coils_meet
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import DISTANCE, FARTHEST_MM, check_mm
from femtms.spelling import meant

log = logging.getLogger("femtms")

DEFAULT_GAP_MM = 4.0
# What rounding in files and the facets of a coarse scalp make of a coil that touches it.
_TOUCHING_MM = 0.1
_LARGEST_ANGLE = 60.0  # degrees between z and the direction to the scalp: bent coils and tilted ones have half of it
_NEAR_ANGLE = 45.0  # of an axis that may have been meant
_AT_THE_SCALP = 1e-4  # m: where a direction to it means nothing
_FAR_MM = 5.0  # worth a note: electrodes lie on the scalp, but so coarse are meshes and coordinates from other heads


@checks_kinds
def place(
    mesh: TetMesh,
    at: str | Sequence[float],
    towards: str | Sequence[float],
    gap_mm: float = DEFAULT_GAP_MM,
    coil: Coil | None = None,
) -> Pose:
    """The pose of a coil that touches the scalp at one place and points to another.

    at, towards  name of a landmark of the mesh ("C3"), or x, y, z in mm in head coordinates; `at` is projected to the
                 nearest point of the scalp, and y of the coil is the tangential direction from it towards the other
    gap_mm       distance in mm of the coil from the nearest point of the scalp
    coil         moved along the normal until the nearest point of its casing or, without one, of its wires has that
                 distance, as in `simulate` and `compare`; None, and a coil of which only A is known: its origin has it

    The normal is the mean over the scalp within 15 mm.  Raises FemtmsError for an unknown name, a place away from the
    scalp, or a direction that is along the normal.
    """
    check_gap(gap_mm)
    scalp = Scalp.of(mesh)
    pose = scalp.pose(seat_at(scalp, mesh, at, towards), gap_mm)
    return pose if coil is None else at_gap(mesh, coil, pose, gap_mm)


def seat_at(scalp: Scalp, mesh: TetMesh, at: str | Sequence[float], towards: str | Sequence[float] | None) -> Seat:
    """Where a coil touches the scalp of a mesh, and its y there; at and towards, and errors, are those of `place`.

    towards  None for 45° to the sagittal plane, see `towards_the_midline`
    """
    target = position_of(mesh, at, "at")
    feet, distances = scalp.tree.nearest(target[None])
    foot, distance = feet[0], float(distances[0])
    if distance > 1e-3 * FARTHEST_MM:
        raise FemtmsError(
            f"'at' must be on the scalp, within {FARTHEST_MM:g} mm; {_shown(at)} is {1e3 * distance:.0f} mm away"
        )
    if distance > 1e-3 * _FAR_MM:
        log.warning("'at' %s is %.0f mm from the scalp; the nearest point is taken", _shown(at), 1e3 * distance)
    outward = scalp.outward(foot, _shown(at))
    if towards is None:
        return Seat(foot, outward, y_at_45_degrees(foot, outward))

    along = position_of(mesh, towards, "towards") - target
    along -= (along @ outward) * outward
    if np.linalg.norm(along) < 1e-4:
        raise FemtmsError(
            f"'towards' must be another place than 'at'; {_shown(towards)} gives no direction from {_shown(at)}"
        )
    return Seat(foot, outward, along / np.linalg.norm(along))


def position_of(mesh: TetMesh, place: str | Sequence[float], what: str) -> np.ndarray:
    """Head coordinates (3,) in m of a landmark's name or of x, y, z in mm; `what` is the argument that errors name.

    Raises FemtmsError for an unknown name and for other than three finite numbers.
    """
    check_place(place, mesh.landmarks, what)
    if isinstance(place, str):
        return np.array({name.lower(): position for name, position in mesh.landmarks.items()}[place.lower()])
    position = 1e-3 * np.asarray(place, dtype=np.float64)
    check_mm(position, mesh.extent, f"'{what}'")
    return position


def check_place(place: str | Sequence[float], landmarks: Mapping[str, np.ndarray], what: str) -> None:
    """Raise FemtmsError unless a place is three numbers or the name of a landmark; names are all that is looked at."""
    if isinstance(place, str):
        if not landmarks:
            raise FemtmsError(
                f"'{what}' names the electrode '{place}', but this head has no electrode positions: give x,y,z in mm, "
                f"measured positions (--fiducials), or have them estimated (--electrodes estimate)"
            )
        if place.lower() not in {name.lower() for name in landmarks}:
            raise FemtmsError(
                f"'{what}' must be one of {', '.join(landmarks)}, or x,y,z in mm; got '{place}'"
                f"{meant(place, landmarks)}"
            )
        return
    try:
        position = np.asarray(place, dtype=np.float64)
    except (TypeError, ValueError):
        position = np.empty(0)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise FemtmsError(f"'{what}' must be an electrode name or three finite numbers in mm; got {place!r:.60}")


def _shown(place: str | Sequence[float]) -> str:
    return place if isinstance(place, str) else "(" + ", ".join(f"{c:.1f}" for c in place) + ") mm"


def check_clear(
    mesh: TetMesh,
    coil: Coil,
    pose: Pose,
    allow_intersection: bool = False,
    remedy: str = "place it with its nearest point at the gap (femtms.place with coil=)",
) -> None:
    """Raise FemtmsError when the coil's casing cuts the scalp, and how deep, unless allow_intersection.

    An element of the coil inside the head, where A is infinite, and some of the head outside a sampled A are never
    allowed.  `remedy` is what the message advises for the first of these, beside more distance.
    """
    for field in coil.sampled:
        field.moved(pose).check_covers(mesh.outer_nodes, "the head")
    check_mm(pose.centre, mesh.extent, "the centre of a pose")
    DISTANCE.check(1e3 * float(mesh.skin.nearest(_middle(coil, pose))[1][0]), f"coil '{coil.name}'")
    points = pose.in_head(coil.positions)
    inside = mesh.cells.hold(points)
    axes = axes_doubt(mesh, pose) if inside.any() else None
    if inside.any():
        depths = mesh.skin.nearest(points[inside])[1]
        raise FemtmsError(
            f"the pose puts the coil inside the head: {inside.sum():,} of {len(points):,} elements of '{coil.name}', "
            f"the deepest {1e3 * depths.max():.1f} mm below the surface at {_mm(points[inside][depths.argmax()])}; "
            + (axes or f"move it outward, increase the gap, or {remedy}")
        )
    if coil.casing is None or allow_intersection or is_apart(mesh, coil, pose):
        return
    found = clearance(mesh, coil, pose)
    if found.mm < -_TOUCHING_MM:
        raise FemtmsError(
            f"the casing of a coil must not cut the scalp; that of '{coil.name}' is up to {-found.mm:.1f} mm below it, "
            f"at {_mm(found.at)}: move it outward, increase the gap, or let it cut with --allow-intersection "
            f"(allow_intersection=True){_and(axes_doubt(mesh, pose))}"
        )


def _and(doubt: str | None) -> str:
    return "" if doubt is None else f"; {doubt}"


def _middle(coil: Coil, pose: Pose) -> np.ndarray:
    """Where (1,3) m a posed coil is: the mean of its elements, or its origin where all that is known is a sampled A."""
    return pose.in_head(coil.positions).mean(axis=0)[None] if len(coil.positions) else pose.centre[None]


def distance_doubt(mesh: TetMesh, coil: Coil, pose: Pose) -> str | None:
    """That a coil is far from the head, as a sentence; None where it is not."""
    odd = DISTANCE.doubt(1e3 * float(mesh.skin.nearest(_middle(coil, pose))[1][0]))
    return None if odd is None else f"coil '{coil.name}': {odd} (is the pose in mm, and in the frame of the head?)"


def axes_doubt(mesh: TetMesh, pose: Pose) -> str | None:
    """That z of a pose does not point to the scalp, and whose axes may have been meant; None where it does."""
    foot, distance = (found[0] for found in mesh.skin.nearest(pose.centre[None]))
    if distance < _AT_THE_SCALP:
        return None
    into = (foot - pose.centre) / distance
    if mesh.cells.hold(pose.centre[None])[0]:
        into = -into
    angle = float(np.degrees(np.arccos(np.clip(into @ pose.rotation[:, 2], -1, 1))))
    if angle <= _LARGEST_ANGLE:
        return None
    return (
        f"z of a coil must point into the head; that of the coil at {_mm(pose.centre)} makes {angle:.0f}° with the "
        f"direction to the nearest scalp{_other_axes(pose.rotation, into)}"
    )


def _other_axes(rotation: np.ndarray, into: np.ndarray) -> str:
    """Whose axes may have been meant, where another one than z points into the head."""
    conventions = {
        "in the axes of Brainsight, whose z points away from the head": -rotation[:, 2],
        "in the axes of Localite, whose x points into the head": rotation[:, 0],
        "transposed": rotation[2],
    }
    fitting = [name for name, axis in conventions.items() if axis @ into > np.cos(np.radians(_NEAR_ANGLE))]
    return f" (is it {', or '.join(fitting)}?)" if fitting else ""


def check_apart(coils: Sequence[tuple[Coil, Pose]]) -> None:
    """Raise FemtmsError when two posed coils go through each other, and where: casings or, without, windings."""
    for (i, first), (j, second) in combinations(enumerate(coils, 1), 2):
        at = coils_meet(first, second)
        if at is not None:
            what = "windings" if first[0].casing is None and second[0].casing is None else "casings"
            raise FemtmsError(
                f"the {what} of coils must not cut each other; those of coils {i} ('{first[0].name}') and {j} "
                f"('{second[0].name}') meet at {_mm(at)}: move one, or let them with --allow-intersection "
                f"(allow_intersection=True)"
            )


def _mm(point: np.ndarray) -> str:
    x, y, z = 1e3 * point
    return f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
