"""Self-inductance of wires: Neumann's integral, with the thickness of the wire."""

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np

from femtms.coil.path import Path
from femtms.core import call
from femtms.kernels.sources import MU0_OVER_4PI

log = logging.getLogger("femtms")

_ACCURACY = 1e-3
_REACH = 3.0  # wire sizes up to which the mean distance is tabulated; beyond, a series is exact to 1e-3
_STEPS = 64  # of the table in each direction, at squares of equal steps: finer where turns lie side by side
_MOST_ELEMENTS = 12_000  # twice what the usual coils take; the work grows with the square
_POINTS = 48  # of a quadrature in each direction


def neumann_inductance(paths: Sequence[Path], wire_width: float, wire_height: float) -> float | None:
    """L in H of paths in series: (μ0/4π) ∮∮ dl·dl' / √(|s - s'|² + e²), theory.md (29).

    None, and a warning, where the wire is so long and thin that the sum over all pairs of elements would take minutes.

    Each pair of wires is two lines at the geometric mean distance of the points of their cross-sections, which are
    rectangles of wire_width by wire_height m: e² is the square of this distance less that of the middles.
    Grover 1946, Inductance Calculations, ch. 3.
    """
    nearest = 0.2235 * (wire_width + wire_height)  # of a wire from itself: as smooth as the integrand is
    number = sum(path.number(nearest, _ACCURACY) for path in paths)
    if number > _MOST_ELEMENTS:
        log.warning(
            "the inductance of %s elements of wire is not computed: at most %s", f"{number:,}", f"{_MOST_ELEMENTS:,}"
        )
        return None
    parts = [path.currents(nearest, _ACCURACY) for path in paths]
    positions, vectors = (np.concatenate([getattr(part, name) for part in parts]) for name in ("positions", "vectors"))
    table = _mean_distances(wire_width, wire_height)
    axes = np.repeat(np.stack([path.axis for path in paths]), [len(part) for part in parts], axis=0)
    sums = _double_sum(positions, vectors, axes, wire_width, wire_height, _REACH * max(wire_width, wire_height), table)
    return float(MU0_OVER_4PI * sums.sum())


@cache
def _mean_distances(width: float, height: float) -> np.ndarray:
    """e² (s,s) in m² for middles that are apart by u = 0…reach along the width (rows) and v along the height (columns).

    The difference of two points of a rectangle has a triangular density along each side, so that
    ln GMD = ∫∫ ln √((u + x)² + (v + z)²) (1 - |x|/w)(1 - |z|/h) dx dz / (w h).
    """
    t, weight = np.polynomial.legendre.leggauss(_POINTS)
    # substituted so that points are dense at 0, where the logarithm is: x = w s³
    x, weight = t**3, weight * 3 * t**2 * (1 - np.abs(t**3))
    apart = _REACH * max(width, height) * np.linspace(0, 1, _STEPS) ** 2
    dx, dz = apart[:, None] + width * x, apart[:, None] + height * x
    mean_log = np.empty((_STEPS, _STEPS))
    for row, u in enumerate(dx):
        squares = u[None, :, None] ** 2 + dz[:, None, :] ** 2
        mean_log[row] = 0.5 * np.einsum("vxz,x,z->v", np.log(np.maximum(squares, 1e-300)), weight, weight)
    table: np.ndarray = np.exp(2 * mean_log) - apart[:, None] ** 2 - apart[None, :] ** 2
    return table


def _double_sum(
    positions: np.ndarray,
    vectors: np.ndarray,
    axes: np.ndarray,
    width: float,
    height: float,
    reach: float,
    table: np.ndarray,
) -> np.ndarray:
    """Sums (d,) over all elements of dl·dl' / √(r² + e²)."""
    sums = np.empty(len(positions))
    elements = len(positions), positions, vectors, axes
    call("neumann_sums", *elements, width, height, reach, len(table), table, sums)
    return sums
