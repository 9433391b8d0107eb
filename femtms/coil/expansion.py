"""A of a coil at all points of a head: series of solid harmonics in boxes away from the coil, direct sums near it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from femtms.backend import Backend, to_host
from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.coil.sampled import SampledField
from femtms.kernels.dense import symmetric_inverse
from femtms.mesh.order import codes_and_order

# The degrees, _NEAR and _SERIES_COST were found by trial with 2,940 elements and 3.9 million points: with fewer terms
# there are more boxes to sample, with more terms more samples of each.
DEGREE = 10
_LOW_DEGREE = 5  # of series in parts of these boxes, which are fitted to theirs


def _samples(degree: int) -> int:
    """Points on the sphere of a box: half as many again as unknowns, for the residual to tell."""
    return 3 * (degree + 1) ** 2 // 2


_SAMPLES = _samples(DEGREE)
# Largest R/D that is tried, of the radius of a ball and the distance of the nearest element from its centre: the terms
# of a series fall like (R/D)^l.
_NEAR = 0.5
_SERIES_COST = 40  # what a point costs to evaluate, in coil elements summed directly; measured on a CPU
# Of the median of |A|, on the surfaces of boxes.  E loses far less: tests/physics/test_direct_sums.py.
_TOLERANCE = 3e-4
_LOW_SHARE = 1 / 16  # of the tolerance that series of low degree may add
_SHRUNK = 0.6  # of the radius of a box: in larger parts of it a low degree is not even tried
_PROBES = 1000  # points that the median is taken of
_BOXES, _POINTS = 4096, 2**18  # that are sampled, or summed directly, together: bounds the memory


@dataclass(frozen=True, eq=False)
class HarmonicBoxes:
    """The points of a head in a tree of boxes; made once, for A of any coil in any pose.

    All arrays live on the device of `backend`: points (n,3) m; order (n,), the rows of points box by box; and some of
    the points as probes (q,3).  Box b has the rows order[starts[b]:ends[b]], which lie within radii[b] m of
    centres[b] m; its two halves are the boxes halves[b] and halves[b] + 1, or it is a leaf and halves[b] is -1.
    """

    backend: Backend
    points: Any
    order: Any
    probes: Any
    starts: Any
    ends: Any
    halves: Any
    centres: Any
    radii: Any

    @classmethod
    def build(cls, points: Any, backend: Backend) -> "HarmonicBoxes":
        """The tree for points (n,3) in m on the host or the device, n > 0 and all of them finite."""
        xp = backend.xp
        points = backend.array(points)
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
            starts=xp.asarray(starts),
            ends=xp.asarray(ends),
            halves=xp.asarray(halves),
            centres=xp.asarray((low + high) / 2),
            # a box whose points are all in one place needs a scale, too
            radii=xp.asarray(np.maximum(np.linalg.norm(high - low, axis=1) / 2, np.finfo(np.float64).tiny)),
        )

    def vector_potential(self, coil: Coil, tolerance: float = _TOLERANCE) -> Any:
        """A (n,3) in T·m of a coil in the frame of the points; see vector_potentials."""
        return self.vector_potentials(coil, [Pose(np.eye(4))], tolerance)[0]

    def vector_potentials(
        self, coil: Coil, poses: Sequence[Pose], tolerance: float = _TOLERANCE, out: Any = None
    ) -> Any:
        """A (k,n,3) in T·m for a current of 1 A at the points, on the device, of a coil in each of k poses.

        What `coil.moved(pose).vector_potential(points)` sums directly, but with an error of at most `tolerance` times
        the median of |A| over the points, measured as theory.md (21) says.  Boxes with so few points that a series
        does not pay, or with an element of the coil in or near them, are summed directly.  `out` is where A goes to.
        """
        a = self.backend.xp.empty((len(poses), *self.points.shape)) if out is None else out
        if coil.sampled:
            return self._with_sampled(coil, poses, tolerance, a)
        if not _pays(len(self.points), coil):
            for i, pose in enumerate(poses):
                a[i] = coil.moved(pose).vector_potential(self.points, self.backend.kernels)
            return a
        posed = _Posed.on(self.backend, coil, poses)
        return self._summed_near(posed, a, *self._expanded(posed, tolerance, a))

    def _with_sampled(self, coil: Coil, poses: Sequence[Pose], tolerance: float, total: Any) -> Any:
        """The same where parts of the coil are A on a grid: these are interpolated at all points."""
        discrete = tuple(group for group in coil.elements if not isinstance(group, SampledField))
        if discrete:
            self.vector_potentials(replace(coil, elements=discrete), poses, tolerance, total)
        else:
            total[...] = 0
        for a, pose in zip(total, poses):
            for field in coil.sampled:
                a += field.moved(pose).potential(self.points, self.backend.kernels)
        return total

    def _expanded(self, posed: "_Posed", tolerance: float, a: Any) -> tuple[Any, Any]:
        """Make A (k,n,3) in T·m from series; pairs of a pose and a box where it is still to be summed, both (e,)."""
        xp, k, n = self.backend.xp, len(posed), len(self.points)
        largest_error = tolerance * self._medians(posed)
        pose, box, series, coefficients = self._pairs(posed, (1 - _LOW_SHARE) * largest_error)
        good, near = xp.flatnonzero(series >= 0), xp.flatnonzero(series < 0)
        whole = _Series(box[good], DEGREE, posed.in_head(coefficients[series[good]], pose[good]))
        own_pose, own_box, owner, parts = self._refined(whole, pose[good], _LOW_SHARE * largest_error)
        # of the points of all poses, one after the other
        first = xp.concatenate([own_pose * n + self.starts[own_box], pose[near] * n + self.starts[box[near]]])
        owner = xp.concatenate([owner, xp.full(len(near), -1)])
        along = xp.argsort(first)
        starts, owner = xp.concatenate([first[along], xp.full(1, k * n)]), owner[along].astype(np.int32)
        self.backend.kernels.harmonic_series(self.points, self.order, starts, owner, *self._joined(whole, parts), a)
        return pose[near], box[near]

    def _joined(self, *series: "_Series") -> tuple[Any, ...]:
        """Centres, radii, degrees, places of the first coefficients, and all coefficients, for harmonic_series."""
        xp = self.backend.xp
        box = xp.concatenate([some.box for some in series])
        terms = xp.concatenate([xp.full(len(some.box), some.coefficients.shape[1] // 2) for some in series])
        degrees = xp.concatenate([xp.full(len(some.box), some.degree, np.int32) for some in series])
        coefficients = xp.concatenate([some.coefficients.reshape(-1, 2, 3) for some in series])
        return self.centres[box], self.radii[box], degrees, xp.cumsum(terms) - terms, coefficients

    def _refined(self, whole: "_Series", pose: Any, largest_error: Any) -> tuple[Any, Any, Any, "_Series"]:
        """Pairs of a pose and a box that hold the points of all boxes with series, and which series is theirs.

        In a part of a box a series of low degree does as well, and costs less to evaluate: it is fitted to that of the
        whole box, where its error is small enough and points are many enough.  The third array counts on from the
        series of whole boxes to those of parts, which are returned last.  pose (s,) of the whole boxes;
        largest_error (k,) in T·m of the poses.
        """
        xp, rule = self.backend.xp, _Rule.on(self.backend, _LOW_DEGREE)
        sizes, box, parent = self.ends - self.starts, whole.box, xp.arange(len(whole.box))
        pairs: list[tuple[Any, ...]] = []
        fits, of, fitted = [xp.zeros((0, rule.inverse.shape[1], 3))], [xp.zeros(0, np.int64)], 0
        while not pairs or len(box):
            is_worth = sizes[box] > 2 * len(rule.directions)
            is_small = self.radii[box] <= _SHRUNK * self.radii[whole.box[parent]]
            owner = parent + 0
            tried, is_good = xp.flatnonzero(is_worth & is_small), xp.zeros(len(box), bool)
            for part in _slices(len(tried), _BOXES):
                some = tried[part]
                coefficients, error = self._refitted(rule, whole, parent[some], box[some])
                is_good[some] = error <= largest_error[pose[some]]
                owner[some] = xp.where(is_good[some], len(whole.box) + fitted + xp.arange(len(some)), parent[some])
                fits.append(coefficients)
                of.append(box[some])
                fitted += len(some)
            is_cut = is_worth & ~is_good & (self.halves[box] >= 0)
            pairs.append((pose, box, owner, is_cut))
            box, pose, parent = self._halved(is_cut, box, pose, parent)
        pose, box, owner = _uncut(pairs, xp)
        return pose, box, owner, _Series(xp.concatenate(of), _LOW_DEGREE, xp.concatenate(fits))

    def _refitted(self, rule: "_Rule", whole: "_Series", parent: Any, box: Any) -> tuple[Any, Any]:
        """Coefficients (b,t,3) and errors (b,) in T·m of fits to series number `parent` (b,) in parts `box` (b,)."""
        xp, kernels, (b, s) = self.backend.xp, self.backend.kernels, (len(box), len(rule.directions))
        samples = self.centres[box][:, None] + self.radii[box][:, None, None] * rule.directions
        starts, order = xp.arange(0, b * s + 1, s), xp.arange(b * s, dtype=np.int32)
        a = xp.empty((1, b * s, 3))
        series = *self._joined(whole), a
        kernels.harmonic_series(samples.reshape(-1, 3), order, starts, parent.astype(np.int32), *series)
        return rule.fit(kernels, a.reshape(b, s, 3))

    def _summed_near(self, posed: "_Posed", a: Any, pose: Any, box: Any) -> Any:
        """A (k,n,3) with direct sums at the points of boxes (e,) in poses (e,)."""
        xp, n = self.backend.xp, len(self.points)
        stop = xp.cumsum(self.ends[box] - self.starts[box])
        at_all = a.reshape(-1, 3)
        for some in _slices(int(stop[-1]) if len(box) else 0, _POINTS):
            i = xp.arange(some.start, some.stop)
            at = xp.searchsorted(stop, i, side="right")
            rows = self.order[self.ends[box[at]] - stop[at] + i]
            points = posed.in_coil(self.points[rows], pose[at])
            at_all[pose[at] * n + rows] = posed.in_head(posed.potential(points)[:, None], pose[at])[:, 0]
        return a

    def _medians(self, posed: "_Posed") -> Any:
        """Median (k,) of |A| in T·m, NaN where it is not finite.

        Not the mean or the largest, which one point close to an element could carry away.
        """
        xp, (k, q) = self.backend.xp, (len(posed), len(self.probes))
        i = xp.arange(k * q)
        a = posed.potential(posed.in_coil(self.probes[i % q], i // q))
        size = xp.sqrt(a[:, 0] ** 2 + a[:, 1] ** 2 + a[:, 2] ** 2)
        size = xp.sort(xp.where(xp.isnan(size), np.inf, size).reshape(k, q), axis=1)
        median = (size[:, (q - 1) // 2] + size[:, q // 2]) / 2
        return xp.where(median < np.inf, median, np.nan)

    def _pairs(self, posed: "_Posed", largest_error: Any) -> tuple[Any, Any, Any, Any]:
        """Pairs of a pose (b,) and a box (b,) that hold every point once for each pose.

        Where a box has a series that is good enough, series (b,) is its row in the coefficients (c,t,3) in T·m, in the
        frame of the coil; elsewhere it is -1.
        """
        xp = self.backend.xp
        pose = xp.arange(len(largest_error))
        box = xp.zeros_like(pose)  # that of all points
        pairs, fits, fitted = [], [xp.zeros((0, len(posed.rule.harmonics), 3))], 0
        while len(pose):
            pose, box, is_away = self._away(posed, pose, box)
            away = xp.flatnonzero(is_away)
            series = xp.full(len(pose), -1)
            for part in _slices(len(away), _BOXES):
                some = away[part]
                coefficients, error = self._fit(posed, pose[some], box[some])
                good = error <= largest_error[pose[some]]  # not where one of them is NaN
                series[some] = xp.where(good, fitted + xp.arange(len(some)), -1)
                fits.append(coefficients)
                fitted += len(some)
            is_cut = is_away & (series < 0) & (self.halves[box] >= 0)
            pairs.append((pose, box, series, is_cut))
            box, pose = self._halved(is_cut, box, pose)
        return *_uncut(pairs, xp), xp.concatenate(fits)

    def _away(self, posed: "_Posed", pose: Any, box: Any) -> tuple[Any, Any, Any]:
        """Pairs with the same points: of the largest boxes away from all elements, and of what is between them.

        The third array says which is which.
        """
        pays, pairs = _pays(self.ends - self.starts, posed.coil), []
        reach = self.backend.xp.where(pays, self.radii / _NEAR, np.inf)
        is_divisible = pays & (self.halves >= 0)
        while len(pose):
            is_away = reach[box] < posed.kernels.nearest(posed.in_coil(self.centres[box], pose), posed.positions)
            is_cut = is_divisible[box] & ~is_away
            pairs.append((pose, box, is_away, is_cut))
            box, pose = self._halved(is_cut, box, pose)
        pose, box, is_away = _uncut(pairs, self.backend.xp)
        return pose, box, is_away

    def _halved(self, is_cut: Any, box: Any, *columns: Any) -> tuple[Any, ...]:
        """The two halves of each box that is cut, and what goes with both of them."""
        xp = self.backend.xp
        cut = xp.flatnonzero(is_cut)
        half = self.halves[box[cut]]
        return xp.concatenate([half, half + 1]), *(xp.concatenate([column[cut], column[cut]]) for column in columns)

    def _fit(self, posed: "_Posed", pose: Any, box: Any) -> tuple[Any, Any]:
        """Coefficients (b,t,3) and errors (b,) in T·m, in the frame of the coil: theory.md (20, 21)."""
        centres, radii = posed.in_coil(self.centres[box], pose), self.radii[box]
        samples = centres[:, None] + radii[:, None, None] * posed.directions[pose]
        return posed.rule.fit(posed.kernels, posed.potential(samples.reshape(-1, 3)).reshape(samples.shape))


@dataclass(frozen=True, eq=False)
class _Series:
    """Series of one degree in boxes (s,): their coefficients (s,t,3) in T·m, in head coordinates."""

    box: Any
    degree: int
    coefficients: Any


@dataclass(frozen=True, eq=False)
class _Rule:
    """What samples A on spheres and fits series of one degree to that: theory.md (20, 21).

    directions (s,3) of the samples; inverse (s,t) and harmonics (t,s) for kernels.fit_series.
    """

    directions: Any
    inverse: Any
    harmonics: Any

    @classmethod
    def on(cls, backend: Backend, degree: int) -> "_Rule":
        """That of a degree on a device."""
        return cls(*map(backend.array, _sphere_rule(degree)))

    def fit(self, kernels: Any, a: Any) -> tuple[Any, Any]:
        """Coefficients (b,t,3) and errors (b,) in T·m of samples a (b,s,3)."""
        coefficients, error = kernels.fit_series(a, self.inverse, self.harmonics)
        return coefficients, error.max(axis=1) ** 0.5


@dataclass(frozen=True, eq=False)
class _Posed:
    """A coil in k poses, and the rule that fits series of the highest degree to its A, on the device.

    The elements stay in the coil's frame: it is points that are moved there, and A that is turned back.

    positions (d,3) m of the elements; to_coil and to_head, the origins (k,3) m and matrices (k,3,3) of the two ways for
    kernels.turned; directions (k,s,3) of the rule's samples, in the coil's frame.
    """

    coil: Coil
    kernels: Any
    positions: Any
    to_coil: tuple[Any, Any]
    to_head: tuple[Any, Any]
    directions: Any
    rule: _Rule

    @classmethod
    def on(cls, backend: Backend, coil: Coil, poses: Sequence[Pose]) -> "_Posed":
        """The coil in these poses on a device."""
        directions, _, _ = _sphere_rule(DEGREE)
        origins, rotations = np.stack([pose.centre for pose in poses]), np.stack([pose.rotation for pose in poses])
        return cls(
            coil=coil,
            kernels=backend.kernels,
            positions=backend.array(coil.positions),
            to_coil=(backend.array(origins), backend.array(rotations)),
            to_head=(backend.array(np.zeros_like(origins)), backend.array(rotations.transpose(0, 2, 1))),
            directions=backend.array(np.stack([directions @ rotation for rotation in rotations])),
            rule=_Rule.on(backend, DEGREE),
        )

    def __len__(self) -> int:
        return len(self.directions)

    def in_coil(self, points: Any, pose: Any) -> Any:
        """Points (r,3) in m from head coordinates to the coil's frame in poses (r,)."""
        return self.kernels.turned(points[:, None], *self.to_coil, pose)[:, 0]

    def in_head(self, vectors: Any, pose: Any) -> Any:
        """Vectors (r,s,3) from the coil's frame in poses (r,) to head coordinates."""
        return self.kernels.turned(vectors, *self.to_head, pose)

    def potential(self, points: Any) -> Any:
        """A (r,3) in T·m at points (r,3) m, both in the coil's frame."""
        return self.coil.vector_potential(points, self.kernels)


def _pays(points: Any, coil: Coil) -> Any:
    """Whether a series for so many points costs less than sums over all elements: to sample once, and to evaluate."""
    elements = len(coil.positions)
    return points * elements > _SAMPLES * elements + points * _SERIES_COST


def _uncut(pairs: list[tuple[Any, ...]], xp: Any) -> Iterator[Any]:
    """All columns but the last, of all pairs, joined, without the rows where the last is true."""
    *columns, is_cut = (xp.concatenate(parts) for parts in zip(*pairs))
    whole = xp.flatnonzero(~is_cut)
    return (column[whole] for column in columns)


def _slices(count: int, size: int) -> Iterator[slice]:
    """0..count in slices of at most `size`."""
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))


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
def _sphere_rule(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions (s,3), the pseudo-inverse (s,t) that fits t coefficients to samples there, and the harmonics (t,s)."""
    samples = _samples(degree)
    i = np.arange(samples) + 0.5
    z, angle = 1 - 2 * i / samples, np.pi * (1 + np.sqrt(5)) * i  # evenly spread: Fibonacci's spiral
    directions = np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
    harmonics = solid_harmonics(directions, degree).reshape(samples, -1)
    size = np.linalg.norm(harmonics, axis=0)
    size[size == 0] = 1  # the imaginary parts for m = 0
    # (HᵀH)⁻¹Hᵀ: on so even directions the harmonics are nearly orthogonal.  einsum without BLAS has one fixed order
    unit = harmonics / size
    inverse = np.einsum("st,ut->su", symmetric_inverse(np.einsum("st,su->tu", unit, unit)), unit) / size[:, None]
    return directions, np.ascontiguousarray(inverse.T), np.ascontiguousarray(harmonics.T)


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
