"""How large a coil is, in its own frame."""

import numpy as np

from femtms.arrays import transformed
from femtms.coil.coil import Coil
from femtms.coil.sampled import SampledField


def wires(coil: Coil) -> np.ndarray:
    """Where (n,3) in m the elements and outlines of a coil are; n = 0 for one that is a sampled A alone."""
    return np.concatenate([coil.positions, *coil.outlines])


def bounds(coil: Coil) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (3,) m of elements, outlines and casing, or of the grid of a sampled A alone."""
    points = wires(coil)
    if coil.casing is not None:
        points = np.concatenate([points, coil.casing.nodes[coil.casing.triangles].reshape(-1, 3)])
    if len(points) == 0:
        points = np.concatenate([corners(field) for field in coil.sampled])
    return points.min(axis=0), points.max(axis=0)


def corners(field: SampledField) -> np.ndarray:
    """Corners (8,3) in m of the grid of a sampled A."""
    ends = np.meshgrid(*[(0, n - 1) for n in field.values.shape[:3]], indexing="ij")
    index = np.stack(ends, axis=-1).reshape(-1, 3)
    return field.pose.in_head(transformed(index, field.affine))
