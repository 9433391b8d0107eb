"""Wires of real thickness along paths, and the elements that stand for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from scipy.spatial import cKDTree

from femtms.coil.elements import CoilElements, Currents, Dipoles
from femtms.coil.inductance import neumann_inductance
from femtms.coil.path import MOST_POINTS, Path, gauss_bound
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.kernels import cpu

DISTANCE = 5e-3  # m from the wire beyond which a model has to be accurate: where brains are, and nearly all of a scalp
ACCURACY = 1.5e-2  # the bound there; what is really lost is a fifth of that, and no filament of a usual wire is wasted
MOST_ELEMENTS = 500_000  # a hundred times what the usual coils take
_NEAR_THE_CHEAPEST = 2.0  # short pieces are rounded up, so numbers are not known exactly before elements are made
_FINEST_PATCH = 0.5e-3  # m
_BETWEEN = 1.2  # times the largest error that was seen: up to 1.15 times of it was found between
_PROBED = 2000  # elements around which the error of dipoles is looked at


Elements = TypeVar("Elements", bound=CoilElements)


@dataclass(frozen=True, eq=False, repr=False)
class Winding:
    """Paths along which a wire runs, each around once for 1 A in the coil, or as often as it says.

    paths         through the middle of the wire
    wire_width    of its cross-section across the axis of the path, m
    wire_height   along that axis, m
    stimulator    which of the coil's stimulators drives it

    The current is spread evenly over the cross-section.  Raises FemtmsError without paths, or for a wire without size.
    """

    paths: tuple[Path, ...]
    wire_width: float
    wire_height: float
    stimulator: int = 0

    def __post_init__(self) -> None:
        if not self.paths:
            raise FemtmsError("a winding must have at least one path; got none")
        for name in ("wire_width", "wire_height"):
            if not 0 < getattr(self, name) < 0.1:
                raise FemtmsError(f"{name} must be > 0 and below 0.1 m; got {getattr(self, name)}")

    def moved(self, pose: Pose) -> "Winding":
        """The same winding in another frame."""
        return replace(self, paths=tuple(path.moved(pose) for path in self.paths))

    def filaments(self, across: int, along: int) -> list[Path]:
        """The wire as thin ones at the points of Gauss rules over its width and its height, which share its current."""
        (u, share_u), (v, share_v) = (np.polynomial.legendre.leggauss(n) for n in (across, along))
        return [
            path.shifted(x * self.wire_width / 2, z * self.wire_height / 2).carrying(path.turns * wx * wz / 4)
            for path in self.paths
            for x, wx in zip(u, share_u)
            for z, wz in zip(v, share_v)
        ]

    def currents(self, distance: float = DISTANCE, accuracy: float = ACCURACY) -> Currents:
        """Current elements whose A differs from that of the winding by at most `accuracy`: theory.md (25)-(27).

        The bound holds at all points at least `distance` m away from the surface of the wire, relative to
        (μ0/4π) Σ ∮ |dl|/|x - s|, the A that the wires would make if all their currents were parallel.  Raises
        FemtmsError when that takes more than MOST_ELEMENTS.
        """
        _check(distance, accuracy)
        plans = self._plans(distance, accuracy)
        numbers = self._numbers(distance, plans)
        check_number(min(numbers), distance, accuracy)
        made = [
            [path.currents(distance, rest) for path in self.filaments(across, along)]
            for (across, along, rest), number in zip(plans, numbers)
            if number <= _NEAR_THE_CHEAPEST * min(numbers)
        ]
        return self._joined(Currents, min(made, key=lambda parts: sum(map(len, parts))))

    def number(self, distance: float = DISTANCE, accuracy: float = ACCURACY) -> int:
        """About how many elements `currents` makes; nothing is made.  Raises FemtmsError as that does."""
        _check(distance, accuracy)
        return min(self._numbers(distance, self._plans(distance, accuracy)))

    def _numbers(self, distance: float, plans: Sequence[tuple[int, int, float]]) -> list[int]:
        """Of the elements of each plan: those of the paths' middles or outer edges, whichever are more."""
        edges = [(path, path.shifted(self.wire_width / 2, 0.0)) for path in self.paths]
        return [
            across * along * sum(max(path.number(distance, rest) for path in pair) for pair in edges)
            for across, along, rest in plans
        ]

    def _plans(self, distance: float, accuracy: float) -> list[tuple[int, int, float]]:
        """Numbers of filaments over width and height, and the accuracy that they leave for the paths: theory.md (27).

        For each number over the width the fewest over the height with which anything is left.
        Raises FemtmsError when there is none.
        """
        plans, bend = [], max(path.bend(distance) for path in self.paths)
        for across in range(1, MOST_POINTS + 1):
            lost = gauss_bound(across, self.wire_width, distance) * bend
            for along in range(1, MOST_POINTS + 1):
                rest = accuracy - lost - gauss_bound(along, self.wire_height, distance)
                if rest > accuracy / 10:  # less would take many more elements
                    plans.append((across, along, rest))
                    break
        if not plans:
            raise FemtmsError(
                f"a wire of {1e3 * self.wire_width:.3g}×{1e3 * self.wire_height:.3g} mm cannot be resolved to "
                f"{accuracy:g} from {1e3 * distance:.3g} mm away; look from farther off"
            )
        return plans

    def dipoles(self, distance: float = DISTANCE, accuracy: float = ACCURACY) -> tuple[Dipoles, float]:
        """Magnetic dipoles for the winding, and the error of their A: a current loop is a sheet of them.

        The dipoles lie on surfaces that the paths bound, and the model holds at least `distance` m away from these.
        They are made finer until the error is at most `accuracy`: the largest difference to current elements that are
        ten times as accurate, relative to the largest |A|, over many points at that distance, and a fifth of it more
        for what lies between them.  Farther out it is less: the difference is harmonic (theory.md (28)).
        Raises FemtmsError when no fine enough sheet does.
        """
        _check(distance, accuracy)
        across, along, _ = self._plans(distance, accuracy / 10)[0]
        filaments = self.filaments(across, along)
        exact = self.currents(distance, accuracy / 10)
        size = distance / 2
        while size >= _FINEST_PATCH:
            sheets = [(path, *path.patches(size)) for path in filaments]
            made = _merged(self._joined(Dipoles, [Dipoles(p, path.turns * areas) for path, p, areas in sheets]), size)
            around = _around(made.positions, distance)
            expected = exact.potential(around, cpu)
            error = made.potential(around, cpu) - expected
            largest = _BETWEEN * float(np.linalg.norm(error, axis=1).max() / np.linalg.norm(expected, axis=1).max())
            if largest <= accuracy:
                return made, largest
            size /= 1.5
        raise FemtmsError(
            f"no sheet of dipoles within reason is accurate to {accuracy:g} from {1e3 * distance:.3g} mm away; "
            f"use current elements, or a larger distance"
        )

    def _joined(self, kind: type[Elements], parts: Sequence[Elements]) -> Elements:
        """All elements as one group."""
        return kind(
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            self.stimulator,
        )

    @cached_property
    def inductance(self) -> float | None:
        """Self-inductance in H, by Neumann's integral over the wires: theory.md (29); None for far too much wire."""
        return neumann_inductance(self.paths, self.wire_width, self.wire_height)

    @property
    def length(self) -> float:
        """Of the wire, m."""
        return float(sum(np.linalg.norm(np.diff(path.outline(), axis=0), axis=1).sum() for path in self.paths))

    @cached_property
    def face(self) -> list[np.ndarray]:
        """Lines (p,3) m along the edges of the wire on its side towards the head: no part of it comes nearer."""
        lines = []
        for path in self.paths:
            sides = [path.shifted(0, z * self.wire_height / 2) for z in (-1, 1)]
            near = max(sides, key=lambda side: side.outline()[:, 2].mean())
            lines += [near.shifted(x * self.wire_width / 2, 0).outline() for x in (-1, 1)]
        return lines

    def __repr__(self) -> str:
        return (
            f"Winding({len(self.paths)} paths, {self.length:.3g} m of wire {1e3 * self.wire_width:g}×"
            f"{1e3 * self.wire_height:g} mm)"
        )


def check_number(number: int, distance: float, accuracy: float) -> None:
    """Raise FemtmsError when a coil would take more than MOST_ELEMENTS, before the memory for them is taken."""
    if number > MOST_ELEMENTS:
        raise FemtmsError(
            f"wires that are resolved to {accuracy:g} from {1e3 * distance:.3g} mm away must take at most "
            f"{MOST_ELEMENTS:,} current elements; these take {number:,} or more: look from farther off, or less closely"
        )


def _check(distance: float, accuracy: float) -> None:
    if not 0 < distance < np.inf or not 0 < accuracy < 1:
        raise FemtmsError(f"distance must be > 0 in m and accuracy between 0 and 1; got {distance} and {accuracy}")


def _merged(dipoles: Dipoles, size: float) -> Dipoles:
    """One dipole for all in each cell of a grid of `size` m, at their mean place: sheets of many turns lie together."""
    cells = np.floor((dipoles.positions - dipoles.positions.min(axis=0)) / size + 0.5).astype(np.int64)
    _, which = np.unique(cells, axis=0, return_inverse=True)
    which = which.ravel()
    strength = np.linalg.norm(dipoles.vectors, axis=1)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(which, column) for column in values.T], axis=1)

    positions = sums(strength[:, None] * dipoles.positions) / np.bincount(which, strength)[:, None]
    return Dipoles(positions, sums(dipoles.vectors), dipoles.stimulator)


def _around(positions: np.ndarray, distance: float) -> np.ndarray:
    """Points (q,3) m on the surface at a distance (m) from all of the positions (d,3) m."""
    steps = np.array([step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]) - 1.0
    steps *= distance / np.linalg.norm(steps, axis=1, keepdims=True)
    some = positions[:: max(1, len(positions) // _PROBED)]
    candidates = (some[:, None] + steps).reshape(-1, 3)
    nearest, _ = cKDTree(positions).query(candidates)
    around: np.ndarray = candidates[nearest >= (1 - 1e-9) * distance]
    return around
