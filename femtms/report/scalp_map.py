"""Positions of a coil around a head on a flat map, as they are seen from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from femtms.report.picture import letters

_SMALLEST, _LARGEST = 0.04, 0.2  # m, radii of curvature of a scalp
_STEP = 1e-4  # m, over which directions are projected
_EDGE, _NEAR_EDGE = np.pi / 2, np.radians(35)  # of the seen half of a ball, and what still stands on it
# outwards and across, in radians
_NOSE = np.array([[-0.01, 0.2], [0.22, 0.0], [-0.01, -0.2]])
_EAR = np.array([[0.13 * np.sin(t) - 0.02, 0.24 * np.cos(t)] for t in np.linspace(0, np.pi, 13)])


@dataclass(frozen=True, eq=False)
class ScalpMap:
    """Where the places are.

    xy      (n,2) mm; NaN where a position is not known
    y, x    (n,2) of length 1: where y and x of a coil point at angle 0
    axes    what the two axes are
    is_mirrored  whether the first axis must grow to the left for a view from outside
    outline  lines (p,2) mm of a head with nose and ears around them; none where the map knows nothing of the head
    """

    xy: np.ndarray
    y: np.ndarray
    x: np.ndarray
    axes: tuple[str, str]
    is_mirrored: bool = False
    outline: list[np.ndarray] = field(default_factory=list)


def offset_map(offsets_mm: Sequence[tuple[float, float]]) -> ScalpMap:
    """A grid along the scalp, by its own offsets (u, v): u, along the coil's y at angle 0, is up.

    z of the coil points away from who looks from outside, and so x = y × z to the left.
    """
    u, v = np.asarray(offsets_mm, dtype=float).reshape(-1, 2).T
    up, along = (np.broadcast_to(np.array(d, dtype=float), (len(u), 2)) for d in ((0, 1), (1, 0)))
    return ScalpMap(np.stack([v, u], axis=1), up, along, ("v along the scalp (mm)", "u along the scalp (mm)"), True)


def azimuthal_map(frames: np.ndarray) -> ScalpMap:
    """Equidistant azimuthal projection of coils about their mean direction, on the sphere that fits them best.

    frames  (n,4,3): x, y, z of the coil, of length 1, and its centre in m; rows of NaN where they are not known
    Arcs from the middle of the map have their true length on that sphere.
    """
    known = np.isfinite(frames).all(axis=(1, 2))
    xy, y, x = (np.full((len(frames), 2), np.nan) for _ in range(3))
    if not known.any():
        return ScalpMap(xy, y, x, ("mm", "mm"))
    out, centres = -frames[known, 2], frames[known, 3]
    normal = _unit(out.sum(axis=0), np.array([0.0, 0.0, 1.0]))
    up = np.array([0.0, 1.0, 0.0]) if abs(normal[2]) > 0.8 else np.array([0.0, 0.0, 1.0])
    up = _unit(up - (up @ normal) * normal, up)
    right = np.cross(up, normal)
    middle = centres.mean(axis=0)
    spread = out - out.mean(axis=0)
    total = float((spread**2).sum())
    # centre = middle of the sphere + radius · direction, by least squares
    fit = float(((centres - middle) * spread).sum()) / total if total > 1e-12 else _LARGEST
    radius = float(np.clip(fit, _SMALLEST, _LARGEST))
    origin = middle - radius * out.mean(axis=0)

    def flat(points: np.ndarray) -> np.ndarray:
        """(n,2) mm."""
        ray = points - origin
        side = np.stack([ray @ right, ray @ up], axis=1)
        length = np.linalg.norm(side, axis=1, keepdims=True)
        angle = np.arctan2(length, (ray @ normal)[:, None])
        return 1e3 * radius * angle * side / np.maximum(length, 1e-12)

    xy[known] = flat(centres)
    for plane, axis in ((x, 0), (y, 1)):
        step = flat(centres + _STEP * frames[known, axis]) - xy[known]
        plane[known] = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    names = (f"towards {letters(right)} (mm)", f"towards {letters(up)} (mm)")
    lines = [1e3 * radius * line for line in head_outline(right, up, normal)]
    return ScalpMap(xy, y, x, names, outline=lines)


def seen_from_above(frames: np.ndarray) -> np.ndarray:
    """Where coils are on the `head_outline` from above (n,2), R to the right and A up: arcs from the vertex, radians.

    frames  (n,4,3) as in `azimuthal_map`; the scalp's direction is that against z of the coil
    """
    out = -frames[:, 2]
    side = np.linalg.norm(out[:, :2], axis=1, keepdims=True)
    arc = np.arctan2(side, out[:, 2:])
    return np.asarray(arc * out[:, :2] / np.maximum(side, 1e-12))


def head_outline(right: np.ndarray, up: np.ndarray, normal: np.ndarray) -> list[np.ndarray]:
    """Lines (p,2), in radians of arc, of a head that is a ball, on the equidistant map around its point `normal`.

    The circle is where the ball ends for who looks at that point from outside.  Nose and ears stand on it as far as
    they are near it; what is well in front of it is drawn where it is, and what is behind it not at all.
    right, up  directions (3,) of the axes of the map, with x to R, y to A and z to S
    """
    turn = np.linspace(0, 2 * np.pi, 73)
    lines = [_EDGE * np.column_stack([np.cos(turn), np.sin(turn)])]
    for direction, shape in (((0, 1, 0), _NOSE), ((-1, 0, 0), _EAR), ((1, 0, 0), _EAR)):
        towards = np.array([right, up, normal]) @ np.array(direction, dtype=float)
        arc = float(np.arccos(np.clip(towards[2], -1, 1)))
        if arc > _EDGE + _NEAR_EDGE:
            continue
        outwards = _unit(towards[:2], np.array([0.0, 1.0]))
        across = np.array([-outwards[1], outwards[0]])
        from_middle = _EDGE if arc > _EDGE - _NEAR_EDGE else arc
        lines.append((from_middle + shape[:, :1]) * outwards + shape[:, 1:] * across)
    return lines


def _unit(vector: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else otherwise
