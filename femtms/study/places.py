"""The places of a study: made when asked for, as grids and files have hundreds of thousands of them."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import overload

import numpy as np

from femtms.arrays import sealed
from femtms.study.design import Point, StudyPlace


class Run(Sequence[StudyPlace]):
    """Places in a row that an entry of the file stands for."""

    name: str  # what the names of its places are, or begin with

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def place(self, i: int) -> StudyPlace:
        """The i-th, 0 ≤ i < len(self)."""

    @overload
    def __getitem__(self, i: int) -> StudyPlace: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[StudyPlace]: ...
    def __getitem__(self, i: int | slice) -> StudyPlace | Sequence[StudyPlace]:
        if isinstance(i, slice):
            return [self.place(j) for j in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"there are {len(self)} places; {i} is none of them")
        return self.place(i % len(self))


@dataclass(frozen=True, eq=False)
class Single(Run):
    """One place."""

    name: str
    only: StudyPlace

    def __len__(self) -> int:
        return 1

    def place(self, i: int) -> StudyPlace:
        """It."""
        return self.only


@dataclass(frozen=True, eq=False)
class Disc(Run):
    """Offsets on a square grid within a radius around a place.

    offsets_mm  (n,2): u along the coil's y at angle 0, v along its x
    """

    name: str
    at: Point
    towards: Point | None
    offsets_mm: np.ndarray

    @classmethod
    def of(cls, name: str, at: Point, towards: Point | None, radius_mm: float, spacing_mm: float) -> "Disc":
        """All (i, j) × spacing within the radius; u ascends slowest, v fastest."""
        most = int(radius_mm / spacing_mm * (1 + 1e-9))
        steps = np.arange(-most, most + 1)
        i, j = (steps_along.ravel() for steps_along in np.meshgrid(steps, steps, indexing="ij"))
        inside = spacing_mm * np.hypot(i, j) <= radius_mm * (1 + 1e-9)
        return cls(name, at, towards, sealed(spacing_mm * np.column_stack([i, j])[inside].astype(np.float64)))

    def __len__(self) -> int:
        return len(self.offsets_mm)

    def place(self, i: int) -> StudyPlace:
        """Its name says the offsets: 'C3 (10, -20)'."""
        u, v = self.offsets_mm[i].tolist()
        return StudyPlace(f"{self.name} ({u:.10g}, {v:.10g})", self.at, self.towards, (u, v))


@dataclass(frozen=True, eq=False)
class Matrices(Run):
    """Poses (n,4,4) in mm."""

    name: str
    matrices: np.ndarray

    def __len__(self) -> int:
        return len(self.matrices)

    def place(self, i: int) -> StudyPlace:
        """Its name says which: 'poses 0'."""
        return StudyPlace(f"{self.name} {i}", matrix=self.matrices[i])


@dataclass(frozen=True, eq=False)
class Places(Run):
    """Runs of places, one after the other."""

    runs: tuple[Run, ...]
    name: str = ""

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(len(run) for run in self.runs))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def place(self, i: int) -> StudyPlace:
        """That of its run."""
        which = bisect_right(self._ends, i)
        return self.runs[which].place(i - (self._ends[which - 1] if which else 0))

    def has(self, name: str) -> bool:
        """Whether one of the places has a name; of a run only those that begin like it are looked at."""
        return any(place.name == name for run in self.runs if name.startswith(run.name) for place in run)
