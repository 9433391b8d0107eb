"""How far a mesh is from the labels that it is made of.

The yardstick is the smooth interface between two labels a and b: where f_a = f_b, with f the indicator of a label
(1 in its voxels, 0 elsewhere) after a Gaussian of SMOOTHING_MM.
"""

import numpy as np
from scipy import ndimage

from femtms.arrays import transformed
from femtms.head.labels import LabelVolume
from femtms.kernels import cpu

SMOOTHING_MM = 0.5
_PAD = 3  # voxels of air around the volume
_STEPS = 12
_LONGEST_STEP = 0.7  # of the shortest voxel edge
_CLOSE = 1e-3  # of an indicator's range: about 1e-3 mm


def distance_to_interface(
    points_mm: np.ndarray, low: np.ndarray, high: np.ndarray, labels: LabelVolume
) -> tuple[np.ndarray, np.ndarray]:
    """Distance (p,) in mm from points (p,3) to the smooth interface of their labels low and high (p,), by Newton.

    Also says where (p,) it was found; elsewhere the distance is how far the search went.
    """
    distance, found = np.empty(len(points_mm)), np.empty(len(points_mm), bool)
    data = np.pad(labels.data, _PAD)
    x = transformed(points_mm, np.linalg.inv(labels.affine)) + _PAD
    order = np.lexsort((high, low))
    ends = np.flatnonzero(np.diff(low[order], append=-1).astype(bool) | np.diff(high[order], append=-1).astype(bool))
    begin = 0
    for end in (ends + 1).tolist():
        own = order[begin:end]
        indicator = (data == high[own[0]]).astype(np.float32) - (data == low[own[0]])
        difference = ndimage.gaussian_filter(indicator, SMOOTHING_MM / labels.voxel_mm, mode="nearest", truncate=4)
        distance[own], found[own] = _newton(x[own], difference, labels.affine[:3, :3])
        begin = end
    return distance, found


def _newton(start: np.ndarray, values: np.ndarray, axes_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (p,) mm from start (p,3), in voxels, to values = 0 along the gradient, and where that was found."""
    to_voxel = np.linalg.inv(axes_mm)
    longest = _LONGEST_STEP * np.linalg.norm(axes_mm, axis=0).min()
    x, found = start.copy(), np.zeros(len(start), bool)
    going = np.arange(len(start))
    for _ in range(_STEPS):
        value = _sampled(values, x[going])
        close = np.abs(value) < _CLOSE
        found[going[close]] = True
        going, value = going[~close], value[~close]
        around = x[going] + np.concatenate([0.5 * np.eye(3), -0.5 * np.eye(3)])[:, None]  # (6,k,3)
        ahead, behind = _sampled(values, around.reshape(-1, 3)).reshape(2, 3, -1)
        slope = (ahead - behind).T  # per voxel
        steep = np.einsum("kd,kd->k", slope, slope) > 1e-8
        going, value, slope = going[steep], value[steep], slope[steep] @ to_voxel  # per mm from here
        steepness = np.linalg.norm(slope, axis=1)
        length = np.clip(value / steepness, -longest, longest)
        x[going] -= ((length / steepness)[:, None] * slope) @ to_voxel.T
    return np.linalg.norm((x - start) @ axes_mm.T, axis=1), found


def _sampled(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values (p,) float64 at x (p,3) in voxels, trilinear; beyond the border those at the border."""
    inside = np.clip(x, 0, np.array(values.shape) - 1.001)
    result: np.ndarray = cpu.trilinear(inside, values, np.float32(np.nan)).astype(np.float64)
    return result


def voxel_contacts(labels: LabelVolume) -> dict[tuple[int, int], float]:
    """Area in mm² of the voxel faces between each two labels (lower, higher); air is 0, and is around the volume.

    Voxel faces are stairs: slanted by all three axes, an interface of 1 cm² has up to 1.73 cm² of them, on average 1.5.
    """
    data = np.pad(labels.data, 1).astype(np.int64)
    axes = labels.affine[:3, :3]
    contacts: dict[tuple[int, int], float] = {}
    for axis in range(3):
        area = float(np.linalg.norm(np.cross(axes[:, axis - 2], axes[:, axis - 1])))
        here, there = np.moveaxis(data, axis, 0)[:-1], np.moveaxis(data, axis, 0)[1:]
        differ = here != there
        here, there = here[differ], there[differ]
        pairs, counts = np.unique(np.minimum(here, there) << 32 | np.maximum(here, there), return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist()):
            key = (pair >> 32, pair & 0xFFFFFFFF)
            contacts[key] = contacts.get(key, 0.0) + count * area
    return contacts
