"""How a coil without outlines is drawn: wires along current elements; of dipoles the rim, and dots for stacks."""

import numpy as np
from scipy.spatial import ConvexHull, QhullError

_GAP = 1.5  # elements whose middles are farther apart than this, in their lengths, are not of one wire
_STACK = 1e-3  # m: dipoles closer than this in x and y lie over each other


def dipole_marks(positions: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (c,3) in m in the coil's frame and the strength (c,) of each, 0 to 1.

    Dipole models sample the magnetisation of the coil in several layers.  Layers hide each other in a picture, so
    the moments (d,3) of each stack are added up, and drawn in the layer that is nearest to the head.
    """
    stacks, member = np.unique(np.round(positions[:, :2] / _STACK), axis=0, return_inverse=True)
    total = np.zeros((len(stacks), 3))
    np.add.at(total, member.ravel(), moments)
    strength = np.linalg.norm(total, axis=1)
    points = np.column_stack([_STACK * stacks, np.full(len(stacks), positions[:, 2].max())])
    return points, strength / max(strength.max(), 1e-300)


def rim(points: np.ndarray) -> np.ndarray:
    """The convex outline (p,3) of points (c,3) that lie in a plane z = const, closed; empty if they lie on a line."""
    try:
        corners = ConvexHull(points[:, :2]).vertices
    except (QhullError, ValueError):
        return np.empty((0, 3))
    return points[[*corners, corners[0]]]


def wires(positions: np.ndarray, vectors: np.ndarray) -> list[np.ndarray]:
    """Polylines (p,3) in m through current elements with middles (d,3) and lengths (d,3) m that follow each other."""
    length = np.linalg.norm(vectors, axis=1)
    step = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    gaps = np.flatnonzero(step > _GAP * (length[:-1] + length[1:]) / 2) + 1
    lines = zip(np.split(positions, gaps), np.split(vectors, gaps))
    return [np.concatenate([[middle[0] - dl[0] / 2], middle, [middle[-1] + dl[-1] / 2]]) for middle, dl in lines]
