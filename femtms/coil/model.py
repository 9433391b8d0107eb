"""A coil whose parts move: what a .tcd file describes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from femtms.arrays import frozen
from femtms.coil.coil import Coil
from femtms.coil.deform import Deformation, Range
from femtms.coil.elements import CoilElements
from femtms.coil.pose import IDENTITY, Pose
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.errors import FemtmsError
from femtms.mesh.surface import Surface, joined

_MOST_TRIANGLES = 2_000_000  # a hundred times what fine casings have


@dataclass(frozen=True, eq=False)
class Casing:
    """A housing, or a piece of one: its surface in m, and points (p,3) m at which distances to it matter, or None."""

    surface: Surface
    min_distance_points: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.min_distance_points is not None:
            points = frozen(self.min_distance_points, np.float64)
            if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
                raise FemtmsError(f"min_distance_points of a casing must be (p,3) finite numbers; got {points.shape}")
            object.__setattr__(self, "min_distance_points", points)


@dataclass(frozen=True, eq=False)
class CoilPart:
    """Elements that move together.

    elements      Dipoles, Currents or a SampledField, where they are before any deformation
    casing        which of the model's casings moves with them, from 0; or None
    deformations  which of the model's deformations they take, in this order
    """

    elements: CoilElements | SampledField
    name: str = ""
    casing: int | None = None
    deformations: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class CoilModel:
    """A coil of parts, some of which move; `coil` makes a Coil of it.

    casing               which of the casings stands still, from 0; or None
    ranges               amounts of the deformations; several deformations may share one, such as those of two wings
    self_intersection    groups of casings that must not cut each other, as the file has them
    limits, resolution   (3,2) m and (3,) m, or None: see Coil

    Raises FemtmsError for no parts, an index of something that is not there, or a range that is shared by a
    translation (m) and a rotation (degrees).
    """

    name: str
    parts: tuple[CoilPart, ...]
    brand: str = ""
    version: str = ""
    stimulators: tuple[Stimulator, ...] = ()
    deformations: tuple[Deformation, ...] = ()
    ranges: tuple[Range, ...] = ()
    casings: tuple[Casing, ...] = ()
    casing: int | None = None
    self_intersection: tuple[tuple[int, ...], ...] = ()
    limits: np.ndarray | None = None
    resolution: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise FemtmsError(f"coil '{self.name}' must have at least one part; got none")
        for what, index, number in self._references():
            if not 0 <= index < number:
                raise FemtmsError(f"{what} must be one of {number}, from 0; got {index}")
        for deformation in self.deformations:
            if deformation.unit != self.range_unit(deformation.range):
                raise FemtmsError(
                    f"deformation range {deformation.range} must be for translations or for rotations; it is for both"
                )
        surfaces = [self.casings[part.casing].surface for part in self.parts if part.casing is not None]
        size = sum(max(len(surface.triangles), len(surface.nodes)) for surface in surfaces)
        if size > _MOST_TRIANGLES:  # parts may share a casing, so a small file could have any number
            raise FemtmsError(
                f"the casings of all parts must have at most {_MOST_TRIANGLES:,} triangles or nodes; they have {size:,}"
            )
        self.coil()  # checks what is left

    def _references(self) -> Iterator[tuple[str, int, int]]:
        """What refers to something else, the index that it has, and how many of those there are."""
        for i, part in enumerate(self.parts):
            stimulators = max(len(self.stimulators), 1)  # a coil without has an unknown one
            yield f"the stimulator of part {i}", part.elements.stimulator, stimulators
            if part.casing is not None:
                yield f"the casing of part {i}", part.casing, len(self.casings)
            for index in part.deformations:
                yield f"each deformation of part {i}", index, len(self.deformations)
        for i, deformation in enumerate(self.deformations):
            yield f"the range of deformation {i}", deformation.range, len(self.ranges)
        if self.casing is not None:
            yield "the casing of the coil", self.casing, len(self.casings)

    @classmethod
    def of(cls, coil: Coil) -> "CoilModel":
        """The model of a coil without moving parts; the outlines, which are for pictures, are left out."""
        stimulators = coil.stimulators
        if len(stimulators) == 1 and stimulators[0].max_didt != coil.max_didt:
            stimulators = (replace(stimulators[0], max_didt=coil.max_didt),)  # a model has no limit of its own
        return cls(
            name=coil.name,
            parts=tuple(CoilPart(group) for group in coil.elements),
            brand=coil.brand,
            stimulators=stimulators,
            casings=() if coil.casing is None else (Casing(coil.casing),),
            casing=None if coil.casing is None else 0,
            limits=coil.limits,
            resolution=coil.resolution,
        )

    def with_initial(self, values: Sequence[float]) -> "CoilModel":
        """The same model with other initial amounts; raises FemtmsError as `coil` does."""
        amounts = self._amounts(values)
        return replace(self, ranges=tuple(replace(r, initial=a) for r, a in zip(self.ranges, amounts)))

    def coil(self, values: Sequence[float] | None = None, source: str = "") -> Coil:
        """The coil with its parts where `values` say, one for each range (m or degrees); None for the initial ones.

        Its casing is the casings of the coil and of the parts, each where its part is.  Raises FemtmsError for another
        number of values, and for one outside its range.
        """
        amounts = self._amounts(values)
        moves = [deformation.pose(amounts[deformation.range]).matrix for deformation in self.deformations]
        elements, surfaces = [], []
        if self.casing is not None:
            surfaces.append(self.casings[self.casing].surface)
        for part in self.parts:
            pose = _pose(part, moves)
            elements.append(part.elements if pose is None else part.elements.moved(pose))
            if part.casing is not None:
                surface = self.casings[part.casing].surface
                surfaces.append(surface if pose is None else replace(surface, nodes=pose.in_head(surface.nodes)))
        return Coil(
            name=self.name,
            elements=tuple(elements),
            source=source,
            brand=self.brand,
            casing=joined(surfaces),
            stimulators=self.stimulators,
            limits=self.limits,
            resolution=self.resolution,
        )

    def _amounts(self, values: Sequence[float] | None) -> list[float]:
        if values is None:
            return [r.initial for r in self.ranges]
        if len(values) != len(self.ranges):
            raise FemtmsError(
                f"coil '{self.name}' needs a value for each of its {len(self.ranges)} deformation ranges; "
                f"got {len(values)}"
            )
        amounts = []
        for i, (r, value) in enumerate(zip(self.ranges, values)):
            try:
                amounts.append(r.checked(value, self.range_unit(i)))
            except FemtmsError as error:
                raise FemtmsError(f"value {i} of coil '{self.name}' {error}") from error
        return amounts

    def __repr__(self) -> str:
        moving = sum(bool(part.deformations) for part in self.parts)
        ranges = ", ".join(self._shown(i) for i in range(len(self.ranges)))
        return f"CoilModel({self.coil()!r}, {len(self.parts)} parts, {moving} that move" + (
            f" by {ranges})" if ranges else ")"
        )

    def range_unit(self, index: int) -> str:
        """Either "m" for a range of translations, "degrees" for one of rotations, or "" for one that nothing uses."""
        return next((d.unit for d in self.deformations if d.range == index), "")

    def _shown(self, index: int) -> str:
        r, unit = self.ranges[index], self.range_unit(index)
        return f"{r.low:g}..{r.high:g} {unit}".rstrip()


def _pose(part: CoilPart, moves: Sequence[np.ndarray]) -> Pose | None:
    """Where the deformations put a part, the first one first; None where it stays, so that no digit changes."""
    matrix = IDENTITY.matrix
    for index in part.deformations:
        matrix = moves[index] @ matrix
    return None if np.array_equal(matrix, IDENTITY.matrix) else Pose(matrix)
