"""The exact vector potential of a straight piece of wire: the truth for polylines."""

import numpy as np

_MU0_OVER_4PI = 1e-7  # T·m/A


def segment_potential(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """A (n,3) in T·m at points (n,3) of 1 A from start (3,) to end (3,), all in m.

    Only a closed sum of segments is the A of a current that charge is conserved in.
    Hanson & Hirshman 2002, Phys Plasmas 9:4410, eq. 8.
    """
    points, start, end = (np.asarray(v, dtype=np.float64) for v in (points, start, end))
    length = np.linalg.norm(end - start)
    around = np.linalg.norm(points - start, axis=1) + np.linalg.norm(points - end, axis=1)
    # ln((around + length)/(around - length)), without cancellation far away
    potential: np.ndarray = 2 * _MU0_OVER_4PI * np.arctanh(length / around)[:, None] * (end - start) / length
    return potential
