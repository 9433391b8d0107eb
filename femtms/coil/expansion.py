"""A of a coil in a whole head: series of solid harmonics in boxes away from the coil, direct sums near it."""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from femtms.backend import Backend, to_host
from femtms.coil.coil import Coil

# Found by trial on a head of 3.9 million tetrahedra: fewer terms need smaller boxes, and there are more to sample.
DEGREE = 8
_SAMPLES = 2 * (DEGREE + 1) ** 2  # on the sphere of a box; twice as many as coefficients, so that the residual tells
# The largest R/D, of the radius of a box and the distance of the nearest element from its centre, that is tried: the
# terms of a series fall like (R/D)^l.
_NEAR = 0.35
# A term for every coefficient of the series costs at most as much as a coil element.
_SERIES_COST = (DEGREE + 1) ** 2
_PROBES = 1000


class _Series(NamedTuple):
    boxes: np.ndarray
    coefficients: Any


@dataclass(frozen=True, eq=False)
class HarmonicBoxes:
    """The points of a head in a tree of boxes; made once, for A of any coil in any pose.

    points (n,3) m and order (n,), the rows of points box by box, live on the device of `backend`.  Box b of the tree
    has the rows order[starts[b]:ends[b]], which lie within radii[b] m of centres[b] m; its two halves are the boxes
    halves[b] and halves[b] + 1, or it is a leaf and halves[b] is -1.
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
    def build(cls, points: np.ndarray, backend: Backend) -> "HarmonicBoxes":
        """The tree for points (n,3) in m, n > 0, on the host."""
        tree = cKDTree(points, leafsize=_SAMPLES, balanced_tree=False)  # halves the longest side of a box
        nodes, halves = [tree.tree], []
        for node in nodes:  # grows on the way
            halves.append(-1 if node.split_dim < 0 else len(nodes))
            if node.split_dim >= 0:
                nodes += [node.lesser, node.greater]
        starts = np.array([node.start_idx for node in nodes])
        ends = np.array([node.end_idx for node in nodes])
        low, high = _bounds(points[tree.indices], starts, np.array(halves))
        on_device = backend.xp.asarray
        some = np.linspace(0, len(points) - 1, min(_PROBES, len(points))).astype(np.int64)
        return cls(
            backend=backend,
            points=on_device(points),
            order=on_device(tree.indices.astype(np.int32)),
            probes=on_device(points[tree.indices[some]]),
            starts=starts,
            ends=ends,
            halves=np.array(halves),
            centres=(low + high) / 2,
            radii=np.linalg.norm(high - low, axis=1) / 2,
        )

    def vector_potential(self, coil: Coil, tolerance: float = 1e-4) -> Any:
        """A (n,3) in T·m for 1 A at the points, on the device; the coil is in the frame of the points."""
        kernels, xp = self.backend.kernels, self.backend.xp
        d = len(coil.positions)
        pays = (self.ends - self.starts) * (d - _SERIES_COST) > _SAMPLES * d
        if not pays[0]:
            return coil.vector_potential(self.points, kernels)
        size = to_host(xp.linalg.norm(coil.vector_potential(self.probes, kernels), axis=1))
        most = tolerance * np.median(size)
        elements = cKDTree(coil.positions)
        series, near, todo = [], [], np.zeros(1, np.int64)
        import time
        t0=time.perf_counter(); ts=0; 
        while len(todo):
            direct = ~pays[todo]
            near.append(todo[direct])
            todo = todo[~direct]
            away = self.radii[todo] < _NEAR * elements.query(self.centres[todo])[0]
            boxes, todo = todo[away], todo[~away]
            if len(boxes):
                t1=time.perf_counter()
                found, error = self._fit(coil, boxes)
                ts+=time.perf_counter()-t1
                good = error <= most
                if STAT is not None: STAT.append((boxes,error/most,self.radii[boxes]/elements.query(self.centres[boxes])[0]))
                series.append(_Series(boxes[good], found[xp.asarray(np.flatnonzero(good))]))
                todo = np.concatenate([todo, boxes[~good]])
            leaf = self.halves[todo] < 0
            near.append(todo[leaf])
            todo = self.halves[todo[~leaf]]
            todo = np.concatenate([todo, todo + 1])
        t2=time.perf_counter()
        boxes, near = np.concatenate([s.boxes for s in series]), np.concatenate(near)
        segments = np.concatenate([boxes, near])
        owner = np.concatenate([np.arange(len(boxes)), np.full(len(near), -1)]).astype(np.int32)
        along = np.argsort(self.starts[segments], kind="stable")
        a = kernels.harmonic_series(
            self.points,
            self.order,
            xp.asarray(np.append(self.starts[segments[along]], self.ends[0])),
            xp.asarray(owner[along]),
            xp.asarray(self.centres[boxes]),
            xp.asarray(self.radii[boxes]),
            xp.concatenate([s.coefficients for s in series]),
        )
        t3=time.perf_counter()
        rows = self.order[xp.asarray(np.concatenate([np.arange(self.starts[b], self.ends[b]) for b in near]))]
        a[rows] = coil.vector_potential(self.points[rows], kernels)
        t4=time.perf_counter()
        if STAT is not None: print("tree+fit %.3f (fit %.3f) series %.3f direct %.3f; boxes %d near points %d"%(t2-t0,ts,t3-t2,t4-t3,len(boxes),len(rows)))
        return a

    def _fit(self, coil, boxes):
        xp = self.backend.xp
        directions, fit, harmonics = (xp.asarray(x) for x in _rule())
        centres, radii = xp.asarray(self.centres[boxes]), xp.asarray(self.radii[boxes])
        samples = centres[:, None] + radii[:, None, None] * directions
        a = coil.vector_potential(samples.reshape(-1, 3), self.backend.kernels).reshape(samples.shape)
        coefficients = fit @ a
        residual = xp.linalg.norm(a - harmonics @ coefficients, axis=2)
        return coefficients, to_host(residual.max(axis=1))
STAT = None

def _bounds(points: np.ndarray, starts: np.ndarray, halves: np.ndarray):
    """Corners (b,3) of the smallest box around the points of each box; points are in the order of the tree."""
    low, high = np.empty((len(starts), 3)), np.empty((len(starts), 3))
    leaves = np.flatnonzero(halves < 0)
    leaves = leaves[np.argsort(starts[leaves])]
    low[leaves] = np.minimum.reduceat(points, starts[leaves], axis=0)
    high[leaves] = np.maximum.reduceat(points, starts[leaves], axis=0)
    for b in np.flatnonzero(halves >= 0)[::-1]:  # halves come after the whole
        h = halves[b]
        low[b] = np.minimum(low[h], low[h + 1])
        high[b] = np.maximum(high[h], high[h + 1])
    return low, high


@cache
def _rule():
    directions = sphere_points(_SAMPLES)
    harmonics = solid_harmonics(directions, DEGREE)
    return directions, np.linalg.pinv(harmonics), harmonics


def solid_harmonics(x: np.ndarray, degree: int) -> np.ndarray:
    """Regular solid harmonics (n,(p+1)²) up to degree p at x (n,3), polynomials in x: theory.md (20).

    In the order of kernels.harmonic_series: m = 0..p, for each of them l = m..p, for each of them the one with
    Re (x+iy)^m and, for m > 0, that with Im (x+iy)^m.
    """
    z, r2 = x[:, 2], (x**2).sum(axis=1)
    sector = np.ones(len(x), complex)  # (x+iy)^m
    columns = []
    for m in range(degree + 1):
        q, below = np.ones(len(x)), np.zeros(len(x))
        for l in range(m, degree + 1):
            columns += [sector.real * q] if m == 0 else [sector.real * q, sector.imag * q]
            q, below = ((2 * l + 1) * z * q - (l + m) * r2 * below) / (l - m + 1), q
        sector = sector * (x[:, 0] + 1j * x[:, 1])
    return np.stack(columns, axis=1)


def sphere_points(count: int) -> np.ndarray:
    """Points (count,3) spread evenly over the unit sphere: Fibonacci's spiral."""
    i = np.arange(count) + 0.5
    z, angle = 1 - 2 * i / count, np.pi * (1 + np.sqrt(5)) * i
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
