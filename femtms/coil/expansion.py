"""A of a coil at all points of a head: series of solid harmonics in boxes away from the coil, direct sums near it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from femtms.backend import Backend, to_host
from femtms.coil.coil import Coil
from femtms.mesh.order import codes_and_order

# The three numbers below were found by trial with 2,304 elements and 3.9 million points: with fewer terms there are
# more boxes to sample, with more terms each point costs more.
DEGREE = 8
_SAMPLES = 2 * (DEGREE + 1) ** 2  # on the sphere of a box: twice as many as unknowns, for the residual to tell
# Largest R/D that is tried, of the radius of a ball and the distance of the nearest element from its centre: the terms
# of a series fall like (R/D)^l.
_NEAR = 0.4
_SERIES_COST = 40  # what a point costs to evaluate, in coil elements summed directly; measured on a CPU
# Of the median of |A|, on the surfaces of boxes.  E loses far less: tests/physics/test_direct_sums.py.
_TOLERANCE = 3e-4
_PROBES = 1000  # points that the median is taken of


@dataclass(frozen=True, eq=False)
class HarmonicBoxes:
    """The points of a head in a tree of boxes; made once, for A of any coil in any pose.

    points (n,3) m and order (n,), the rows of points box by box, live on the device of `backend`, as do some of the
    points as probes (q,3).  Box b has the rows order[starts[b]:ends[b]], which lie within radii[b] m of centres[b] m;
    its two halves are the boxes halves[b] and halves[b] + 1, or it is a leaf and halves[b] is -1.
    """

    backend: Backend
    points: Any
    order: Any
    probes: Any
    starts: np.ndarray
    ends: np.ndarray
    halves: np.ndarray
    centres: np.ndarray
    radii: np.ndarray

    @classmethod
    def build(cls, points: Any, backend: Backend) -> "HarmonicBoxes":
        """The tree for points (n,3) in m on the host or the device, n > 0 and all of them finite."""
        xp = backend.xp
        points = xp.ascontiguousarray(xp.asarray(points))
        codes, order = codes_and_order(points, backend)
        levels = _levels(codes, xp)
        starts, ends, halves = (np.concatenate(parts) for parts in zip(*levels))
        low, high = _corners(points, order, starts, halves, [len(level[0]) for level in levels], backend)
        some = np.linspace(0, len(points) - 1, min(_PROBES, len(points))).astype(np.int64)
        return cls(
            backend=backend,
            points=points,
            order=order,
            probes=points[order[xp.asarray(some)]],
            starts=starts,
            ends=ends,
            halves=halves,
            centres=(low + high) / 2,
            # a box whose points are all in one place needs a scale, too
            radii=np.maximum(np.linalg.norm(high - low, axis=1) / 2, np.finfo(np.float64).tiny),
        )

    def vector_potential(self, coil: Coil, tolerance: float = _TOLERANCE) -> Any:
        """A (n,3) in T·m for a current of 1 A at the points, on the device; the coil is in the frame of the points.

        What `coil.vector_potential(points)` sums directly, but with an error of at most `tolerance` times the median
        of |A| over the points, measured as theory.md (21) says.  Boxes with so few points that a series does not pay,
        or with an element of the coil in or near them, are summed directly.
        """
        kernels, xp = self.backend.kernels, self.backend.xp
        d = len(coil.positions)
        # summing directly against sampling once and evaluating everywhere, in pairs of a point and an element
        pays = (self.ends - self.starts) * d > _SAMPLES * d + (self.ends - self.starts) * _SERIES_COST
        largest_error = tolerance * self._median(coil) if pays[0] else np.inf
        if np.isinf(largest_error):
            return coil.vector_potential(self.points, kernels)
        boxes, coefficients, near = self._series(coil, pays, largest_error)
        if coefficients is None:
            return coil.vector_potential(self.points, kernels)

        ranges = np.concatenate([boxes, near])
        along = np.argsort(self.starts[ranges])
        owner = np.concatenate([np.arange(len(boxes)), np.full(len(near), -1)])
        a = kernels.harmonic_series(
            self.points,
            self.order,
            xp.asarray(np.append(self.starts[ranges[along]], self.ends[0])),
            xp.asarray(owner[along].astype(np.int32)),
            xp.asarray(self.centres[boxes]),
            xp.asarray(self.radii[boxes]),
            DEGREE,
            coefficients,
        )
        if len(near):
            rows = self.order[xp.asarray(np.concatenate([np.arange(self.starts[b], self.ends[b]) for b in near]))]
            a[rows] = coil.vector_potential(self.points[rows], kernels)
        return a

    def _median(self, coil: Coil) -> float:
        """Median of |A| in T·m; not the mean or the largest, which one point close to an element could carry away."""
        a = to_host(coil.vector_potential(self.probes, self.backend.kernels))
        size = np.linalg.norm(a, axis=1)
        return float(np.median(np.where(np.isnan(size), np.inf, size)))

    def _series(self, coil: Coil, pays: np.ndarray, largest_error: float) -> tuple[np.ndarray, Any, np.ndarray]:
        """Boxes (b,) with a series that is good enough, its coefficients (b,c,2,3), and boxes (e,) for direct sums.

        Together they hold every point once.  Where b = 0, the coefficients are None.
        """
        xp = self.backend.xp
        elements = cKDTree(coil.positions)
        expanded, near = [np.zeros(0, np.int64)], []
        coefficients = []
        todo = np.zeros(1, np.int64)  # the box of all points
        while len(todo):
            boxes, close = self._away_from(elements, todo, pays)
            near.append(close)
            if not len(boxes):
                break
            found, error = self._fit(coil, boxes)
            good = error <= largest_error  # not where it is NaN
            if good.any():
                expanded.append(boxes[good])
                coefficients.append(found[xp.asarray(np.flatnonzero(good))])
            todo, leaves = self._halved(boxes[~good])
            near.append(leaves)
        return np.concatenate(expanded), xp.concatenate(coefficients) if coefficients else None, np.concatenate(near)

    def _away_from(self, elements: cKDTree, todo: np.ndarray, pays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The largest boxes in those of `todo` that are away from all elements, and what is left between them."""
        away, close = [], []
        while len(todo):
            close.append(todo[~pays[todo]])
            todo = todo[pays[todo]]
            distance, _ = elements.query(self.centres[todo])
            is_away = self.radii[todo] < _NEAR * distance
            away.append(todo[is_away])
            todo, leaves = self._halved(todo[~is_away])
            close.append(leaves)
        return np.concatenate(away), np.concatenate(close)

    def _halved(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The halves of boxes, and those of them that are leaves."""
        is_leaf = self.halves[boxes] < 0
        first = self.halves[boxes[~is_leaf]]
        return np.concatenate([first, first + 1]), boxes[is_leaf]

    def _fit(self, coil: Coil, boxes: np.ndarray) -> tuple[Any, np.ndarray]:
        """Coefficients (b,c,2,3) in T·m for boxes (b,) on the device, and errors (b,) in T·m: theory.md (20, 21)."""
        xp = self.backend.xp
        directions, harmonics, inverse = (xp.asarray(x) for x in _sphere_rule())
        centres, radii = xp.asarray(self.centres[boxes]), xp.asarray(self.radii[boxes])
        samples = centres[:, None] + radii[:, None, None] * directions
        a = coil.vector_potential(samples.reshape(-1, 3), self.backend.kernels).reshape(samples.shape)
        coefficients = inverse @ a
        residual = a - harmonics @ coefficients
        error = xp.sqrt((residual**2).sum(axis=2).max(axis=1))
        return coefficients.reshape(len(boxes), -1, 2, 3), to_host(error)


def solid_harmonics(x: np.ndarray, degree: int) -> np.ndarray:
    """Real solid harmonics (n,(p+1)(p+2)/2,2) up to degree p, regular at the origin, at x (n,3): theory.md (19).

    Polynomials in x, in the order m = 0..p and, for each m, l = m..p; the last index is that of the real and the
    imaginary part.  The imaginary part for m = 0 is zero.
    """
    z, r2 = x[:, 2], (x**2).sum(axis=1)
    sector = np.ones(len(x), complex)  # (x + iy)^m
    columns = []
    for m in range(degree + 1):
        q, q_below = np.ones(len(x)), np.zeros(len(x))
        for l in range(m, degree + 1):
            columns.append(np.stack([sector.real * q, sector.imag * q], axis=1))
            q, q_below = (2 * l + 1) * z * q - (l**2 - m**2) * r2 * q_below, q
        sector = sector * (x[:, 0] + 1j * x[:, 1])
    return np.stack(columns, axis=1)


@cache
def _sphere_rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions (s,3), the harmonics there (s,c), and the pseudo-inverse (c,s) that fits c coefficients to samples."""
    i = np.arange(_SAMPLES) + 0.5
    z, angle = 1 - 2 * i / _SAMPLES, np.pi * (1 + np.sqrt(5)) * i  # evenly spread: Fibonacci's spiral
    directions = np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
    harmonics = solid_harmonics(directions, DEGREE).reshape(_SAMPLES, -1)
    size = np.linalg.norm(harmonics, axis=0)
    size[size == 0] = 1  # the imaginary parts for m = 0
    return directions, harmonics, np.linalg.pinv(harmonics / size) / size[:, None]


def _levels(codes: Any, xp: Any) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Starts, ends and halves of the boxes, level by level, on the host; codes (n,) uint64 ascend.

    A box is a run of codes with the same leading bits.  Where the next bit changes, its second half begins.
    """
    levels = []
    starts, ends = np.zeros(1, np.int64), np.full(1, len(codes))
    boxes = 1  # up to the end of this level
    while len(starts):
        first, last = (to_host(codes[xp.asarray(rows)]) for rows in (starts, ends - 1))
        cut = np.flatnonzero((ends - starts > _SAMPLES) & (first != last))
        halves = np.full(len(starts), -1)
        halves[cut] = boxes + 2 * np.arange(len(cut))
        levels.append((starts, ends, halves))
        # codes have at most 51 bits, so frexp sees the highest in which they differ
        bit = (np.frexp((first ^ last)[cut].astype(np.float64))[1] - 1).astype(np.uint64)
        middle = to_host(xp.searchsorted(codes, xp.asarray(last[cut] >> bit << bit)))
        starts, ends = np.column_stack([starts[cut], middle]).ravel(), np.column_stack([middle, ends[cut]]).ravel()
        boxes += len(starts)
    return levels


def _corners(
    points: Any, order: Any, starts: np.ndarray, halves: np.ndarray, level_sizes: list[int], backend: Backend
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates (b,3) of the points of each box."""
    low, high = np.empty((len(starts), 3)), np.empty((len(starts), 3))
    leaves = np.flatnonzero(halves < 0)
    leaves = leaves[np.argsort(starts[leaves])]
    ranges = backend.xp.asarray(np.append(starts[leaves], len(points)))
    low[leaves], high[leaves] = (to_host(a) for a in backend.kernels.corners(points, order, ranges))
    end = len(starts)
    for size in level_sizes[::-1]:  # the halves of a box are on the level below
        whole = end - size + np.flatnonzero(halves[end - size : end] >= 0)
        half = halves[whole]
        low[whole] = np.minimum(low[half], low[half + 1])
        high[whole] = np.maximum(high[half], high[half + 1])
        end -= size
    return low, high
