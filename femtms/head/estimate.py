"""Where the fiducials of a head probably are, by the shape of its scalp: those of another head, carried over.

The scalp of a head whose fiducials are known is fitted to the other one by an affine map: nearest points by turns with
least squares of the distances along the normals (Chen & Medioni 1992, Image Vis Comput 10:145).  The points that fit
worst are left out (Chetverikov et al. 2005, Image Vis Comput 23:299): ears, cut faces, hair.  All lengths here are mm.
"""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from femtms.arrays import transformed
from femtms.errors import FemtmsError
from femtms.head.scalp import VolumeScalp

# How far off an estimate may be: docs/electrodes.md says how that was measured.
UNCERTAINTY_MM = {"Nz": 8.0, "Iz": 20.0, "LPA": 15.0, "RPA": 15.0, "others": 12.0}
_POINTS = 3000  # of the known scalp
_ROUNDS = (15, 25)  # with one scale for all directions, then with any affine map
_KEPT = 0.9  # of the points, those that fit best
_RIDGE = 1e-3  # against maps that the scalp says nothing of
_REACH_MM = 80.0  # makes turns and strains as large as shifts
_VAULT_MM = 100.0  # of the head from its top: what the first guess is made from
_LIKE = 0.8  # of the points of two heads that are alike
_LARGEST_RMS_MM = 1.2  # of their distances: 0.9 between two heads; 1.4 to a brain, 1.7 to an ellipsoid
_LARGEST_ANGLE = 30.0  # degrees that a head may be turned
_SCALES = (0.65, 1.5)


def estimated_fiducials(
    scalp: VolumeScalp, known: np.ndarray, fiducials: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Name -> (3,) mm on a scalp: the fiducials of a head with known scalp points (p,3), carried over.

    Raises FemtmsError for what has not the shape of a head, or is turned by more than 30°: x must point to the right,
    y forward and z upward, roughly.
    """
    points = known[:: max(1, len(known) // _POINTS)]
    to_other = _fit(scalp, points, _first_guess(scalp.points, known))
    left, scales, right = np.linalg.svd(to_other[:3, :3])
    angle = np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1)))
    distances = np.sort(scalp.nearest(transformed(points, to_other))[1])[: int(_LIKE * len(points))]
    rms = float(np.sqrt((distances**2).mean()))
    if rms > _LARGEST_RMS_MM or angle > _LARGEST_ANGLE or scales.min() < _SCALES[0] or scales.max() > _SCALES[1]:
        raise FemtmsError(
            f"electrodes can be estimated for a whole human head in RAS axes, upright within {_LARGEST_ANGLE:g}°; the "
            f"scalp of a known head fits this one only within {rms:.1f} mm, turned by {angle:.0f}° and scaled by "
            f"{scales.min():.2f} to {scales.max():.2f}: give measured positions (--fiducials)"
        )
    names = list(fiducials)
    feet, _ = scalp.nearest(transformed(np.array([fiducials[name] for name in names]), to_other))
    return dict(zip(names, feet))


def estimate_note(fiducials: Mapping[str, np.ndarray]) -> str:
    """What was found, and how far off it may be, as a sentence."""
    found = ", ".join(
        f"{name} ({x:.0f}, {y:.0f}, {z:.0f}) ± {UNCERTAINTY_MM[name]:g} mm" for name, (x, y, z) in fiducials.items()
    )
    return (
        f"electrode positions are estimated from the shape of the scalp: {found}, "
        f"the electrodes between them ± {UNCERTAINTY_MM['others']:g} mm"
    )


def _first_guess(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Upright, with the breadth, the length and the top of the other vault."""
    vault, its = (p[p[:, 2] > p[:, 2].max() - _VAULT_MM] for p in (points, known))
    low, high, its_low, its_high = (np.percentile(p, q, axis=0) for p in (vault, its) for q in (1, 99))
    scale = np.append(((high - low) / (its_high - its_low))[:2], 1.0)
    guess = np.diag(np.append(scale, 1.0))
    guess[:3, 3] = 0.5 * (high + low - scale * (its_high + its_low))
    guess[2, 3] = points[:, 2].max() - known[:, 2].max()
    return guess


def _fit(scalp: VolumeScalp, points: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """The affine map (4,4) that takes points (p,3) of a known scalp to another one."""
    to_other = guess
    for is_affine in [False] * _ROUNDS[0] + [True] * _ROUNDS[1]:
        moved = transformed(points, to_other)
        distances, index = scalp.tree.query(moved)
        fits = distances <= np.quantile(distances, _KEPT)
        moved, feet, normals = moved[fits], scalp.points[index[fits]], scalp.normals[index[fits]]
        to_other = _step(moved, normals, ((feet - moved) * normals).sum(axis=1), is_affine) @ to_other
    return to_other


def _step(points: np.ndarray, normals: np.ndarray, gaps: np.ndarray, is_affine: bool) -> np.ndarray:
    """The map (4,4) that closes the gaps (p,) along normals (p,3) at points (p,3), by linear least squares.

    It turns, scales and shifts, or is any affine map.
    """
    middle = points.mean(axis=0)
    r = (points - middle) / _REACH_MM
    if is_affine:
        columns = (normals[:, :, None] * r[:, None, :]).reshape(-1, 9)
    else:
        columns = np.column_stack([np.cross(r, normals), (r * normals).sum(axis=1)])
    columns = np.column_stack([columns, normals])
    normal_matrix = columns.T @ columns / len(points) + _RIDGE * np.eye(columns.shape[1])
    *moves, x, y, z = np.linalg.solve(normal_matrix, columns.T @ gaps / len(points))
    strain = np.array(moves) / _REACH_MM
    step = np.eye(4)
    if is_affine:
        step[:3, :3] += strain.reshape(3, 3)
    else:
        step[:3, :3] = (1 + strain[3]) * Rotation.from_rotvec(strain[:3]).as_matrix()
    step[:3, 3] = middle + (x, y, z) - step[:3, :3] @ middle
    return step
