"""How far the casing of a posed coil is from the scalp, or how deep it cuts, and the pose at a given distance."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from femtms.arguments import checks_kinds
from femtms.arrays import sealed
from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import GAP

_DEPTH_TOLERANCE = 5e-5  # m
_MOST_PIECES = 200_000  # of triangles that are looked at together for the deepest point: bounds the memory
_TOUCH = 1e-6  # m: a coil so far from its gap is there
_MOST_STEPS = 500


@dataclass(frozen=True, eq=False, repr=False)
class Clearance:
    """Where a coil comes nearest to the head.

    distance  m; least distance of the casing from the scalp or, where it cuts the scalp, minus the depth of the cut
    at        (3,) m in head coordinates, the point of the scalp that is nearest or, in a cut, the deepest of the casing
    """

    distance: float
    at: np.ndarray = field(default_factory=lambda: np.zeros(3))

    @property
    def is_cut(self) -> bool:
        """Whether the casing cuts the scalp or is below it."""
        return self.distance < 0

    @property
    def mm(self) -> float:
        """The distance in mm."""
        return 1e3 * self.distance

    def __repr__(self) -> str:
        x, y, z = 1e3 * self.at
        what = f"cut, {-self.mm:.1f} mm deep" if self.is_cut else f"{self.mm:.1f} mm"
        return f"Clearance({what} at ({x:.1f}, {y:.1f}, {z:.1f}) mm)"


def check_gap(gap_mm: float) -> None:
    """Raise FemtmsError unless a distance from the scalp is finite and ≥ 0, and is one in mm; warn of an odd one."""
    is_number = isinstance(gap_mm, int | float | np.number) and not isinstance(gap_mm, bool)
    if not (is_number and np.isfinite(gap_mm) and gap_mm >= 0):
        raise FemtmsError(f"gap_mm must be finite and ≥ 0; got {gap_mm}")
    if gap_mm > 0:  # at 0 the coil touches the scalp
        GAP.checked(gap_mm)


def hull(coil: Coil) -> np.ndarray:
    """What of a coil must keep clear of the head, as triangles (f,3,3) m in its frame; f = 0 where nothing is known.

    The casing; for a coil without one the edges of its wires where these are known, or its outlines, as triangles
    without width, and the places of its elements.
    """
    if coil.casing is not None:
        triangles: np.ndarray = coil.casing.nodes[coil.casing.triangles]
        return triangles
    lines = [line for winding in coil.windings for line in winding.face] or coil.outlines
    segments = [np.stack([line[:-1], line[1:], line[1:]], axis=1) for line in lines if len(line) > 1]
    points = np.repeat(coil.positions[:, None], 3, axis=1)
    return np.concatenate([np.empty((0, 3, 3)), *segments, points])


def has_extent(coil: Coil) -> bool:
    """Whether anything is known of a coil that must keep clear of the head: not so for a sampled A alone."""
    return len(hull(coil)) > 0


@checks_kinds
def clearance(mesh: TetMesh, coil: Coil, pose: Pose) -> Clearance:
    """The least distance of a posed coil's casing from the scalp, or the depth to which it cuts.

    Of a coil without a casing its outlines and elements are taken.  The distance is exact for the triangles of both;
    the depth, from the deepest point of the casing to the nearest point of the scalp, is good to 0.1 mm.  Cavities of
    the head that are closed count as head.
    Raises FemtmsError for a coil of which nothing but a sampled A is known.
    """
    triangles = _posed_hull(coil, pose)
    distance, at = mesh.skin.distance(triangles)
    if distance > 0 and not _is_below(mesh, coil, triangles):
        return Clearance(distance, sealed(at))
    return _deepest(mesh, triangles)


def is_apart(mesh: TetMesh, coil: Coil, pose: Pose) -> bool:
    """Whether a posed coil is nowhere in touch with the head: faster than how far it is.  Errors as of `clearance`."""
    triangles = _posed_hull(coil, pose)
    return mesh.skin.distance(triangles, within=_TOUCH)[0] >= _TOUCH and not _is_below(mesh, coil, triangles)


@checks_kinds
def raised(mesh: TetMesh, coil: Coil, pose: Pose, gap_mm: float) -> Pose:
    """The pose moved along its z until the casing is gap_mm (mm) from the scalp, outward or inward as needed.

    It is the first such place on the way in from outside, so the coil that was asked for in the head comes out of it.
    Raises FemtmsError for a gap that is not finite and ≥ 0, a coil that passes the head on its way, and those of
    `clearance`.
    """
    check_gap(gap_mm)
    gap, outward = 1e-3 * gap_mm, -pose.rotation[:, 2]
    triangles = _posed_hull(coil, pose)
    head, casing = mesh.skin.triangles @ outward, triangles @ outward
    beside = float(head.max() - casing.min()) + gap + _TOUCH  # of each other, wherever they are
    passed = float(head.min() - casing.max()) - gap
    shift = lowered(lambda s: mesh.skin.distance(triangles + s * outward)[0], gap, beside, passed, _TOUCH)
    if shift is None:
        raise FemtmsError(
            f"moved along its z, coil '{coil.name}' must come within {gap_mm:g} mm of the scalp; it does not: z of the "
            f"pose must point into the head"
        )
    matrix = pose.matrix.copy()
    matrix[:3, 3] += 1e3 * shift * outward
    return Pose(matrix)


def at_gap(mesh: TetMesh, coil: Coil, pose: Pose, gap_mm: float, free: bool = False) -> Pose:
    """The pose of a coil whose origin is gap_mm from the scalp, moved along its z until the coil's nearest point is.

    free  leave it where it is, even if the casing then cuts the scalp; so is a coil of which only A is known
    """
    return pose if free or not has_extent(coil) else raised(mesh, coil, pose, gap_mm)


def centre_distance(mesh: TetMesh, pose: Pose) -> float:
    """Distance in m of a coil's origin from the scalp; negative where a ring lets it be below."""
    distance = float(mesh.skin.nearest(pose.centre[None])[1][0])
    return -distance if mesh.cells.hold(pose.centre[None])[0] else distance


def lowered(
    distance_at: Callable[[float], float], gap: float, start: float, end: float, tolerance: float
) -> float | None:
    """The first height (m) on the way from `start` down to `end` at which something is `gap` (m) away; None without.

    distance_at  height -> distance in m, which changes no faster than the height

    A step as long as what is left cannot pass the place.  The distance is the gap within the tolerance (m).
    """
    height = start
    for _ in range(_MOST_STEPS):
        left = distance_at(height) - gap
        if left <= tolerance:
            return height
        height -= left
        if height < end:
            break
    return None


def _is_below(mesh: TetMesh, coil: Coil, triangles: np.ndarray) -> bool:
    """Whether a part of the posed hull (f,3,3) m that does not meet the scalp is below it: one point tells."""
    rows = slice(None) if coil.casing is None else coil.casing.one_of_each_piece
    return bool(mesh.cells.hold(triangles[rows, 0]).any())


def _posed_hull(coil: Coil, pose: Pose) -> np.ndarray:
    """`hull` in head coordinates, not empty."""
    triangles = hull(coil)
    if len(triangles) == 0:
        raise FemtmsError(
            f"coil '{coil.name}' must have a casing, outlines or elements to tell how far it is from the scalp; all "
            f"that is known of it is a sampled A"
        )
    return pose.in_head(triangles.reshape(-1, 3)).reshape(-1, 3, 3)


def _deepest(mesh: TetMesh, triangles: np.ndarray) -> Clearance:
    """The deepest point below the scalp of triangles (f,3,3) m in head coordinates.

    Depth changes no faster than place.  So a piece whose middle is less deep than the deepest point so far by more than
    the piece reaches from its middle is done with; all others are quartered, until they reach no farther than the
    tolerance.
    """
    deepest, at = 0.0, triangles[0, 0]
    is_inside = np.zeros(len(triangles), bool)  # where the depth of a larger piece told so
    while len(triangles):
        middles = triangles.mean(axis=1)
        distance = mesh.skin.nearest(middles)[1]
        reach = np.linalg.norm(triangles - middles[:, None], axis=2).max(axis=1)
        is_inside[~is_inside] = mesh.cells.hold(middles[~is_inside])
        depth = np.where(is_inside, distance, -distance)
        if depth.max() > deepest:
            deepest, at = float(depth.max()), middles[depth.argmax()]
        is_open = (depth + reach > deepest + _DEPTH_TOLERANCE) & (reach > _DEPTH_TOLERANCE)
        if np.count_nonzero(is_open) > _MOST_PIECES // 4:
            break  # as on a plane in a box: all is as deep, within what is left of the reach
        triangles = _quartered(triangles[is_open])
        is_inside = np.tile((depth > reach)[is_open], 4)
    return Clearance(-deepest, sealed(np.array(at)))


def _quartered(triangles: np.ndarray) -> np.ndarray:
    """Four triangles (4f,3,3) for each (f,3,3), cut at the middles of its edges."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    return np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
