"""The places of a study as arrays: a million of them take no more than their numbers do."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from femtms.arrays import frozen
from femtms.study.design import Point, StudyPlace

_NONE = -1  # number of a point that is not there
_PIECE = 16_384  # places at a time: Python objects take ten times what arrays do


@dataclass(frozen=True, eq=False, repr=False)
class PlaceTable(Sequence[StudyPlace]):
    """Places, made when asked for; exactly those that it was made `of`.

    names      (n,) text
    points     all that are some place's `at` or `towards`, each once
    at         (n,) int32, which of the points; -1 for None
    towards    (n,) int32, likewise
    offset_mm  (n,2)
    matrix_mm  (n,4,4), NaN where a place has none; (0,4,4) where no place has one
    """

    names: np.ndarray
    points: tuple[Point, ...]
    at: np.ndarray
    towards: np.ndarray
    offset_mm: np.ndarray
    matrix_mm: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", frozen(self.at, np.int32))
        object.__setattr__(self, "towards", frozen(self.towards, np.int32))
        object.__setattr__(self, "offset_mm", frozen(self.offset_mm, np.float64))
        object.__setattr__(self, "matrix_mm", frozen(self.matrix_mm, np.float64))

    @classmethod
    def of(cls, places: Sequence[StudyPlace]) -> "PlaceTable":
        """The table of some places; one that is a table already is returned as it is."""
        if isinstance(places, PlaceTable):
            return places
        n = len(places)
        names = np.empty(n, dtype=np.dtypes.StringDType())
        at, towards = np.full((2, n), _NONE, dtype=np.int32)
        offset_mm = np.empty((n, 2))
        matrix_mm = np.empty((0, 4, 4))
        number: dict[Point, int] = {}
        for start in range(0, n, _PIECE):
            piece = [places[i] for i in range(start, min(start + _PIECE, n))]
            rows = slice(start, start + len(piece))
            names[rows] = [place.name for place in piece]
            at[rows] = [_number(number, place.at) for place in piece]
            towards[rows] = [_number(number, place.towards) for place in piece]
            offset_mm[rows] = [place.offset_mm for place in piece]
            for i, place in enumerate(piece, start):
                if place.matrix is not None:
                    if not len(matrix_mm):
                        matrix_mm = np.full((n, 4, 4), np.nan)
                    matrix_mm[i] = place.matrix
        return cls(names, tuple(number), at, towards, offset_mm, matrix_mm)

    @property
    def sha256(self) -> str:
        """Hash of all that the places are."""
        content = hashlib.sha256(repr((len(self), self.points)).encode())
        for start in range(0, len(self), _PIECE):
            content.update(repr([str(name) for name in self.names[start : start + _PIECE]]).encode())
        for array in (self.at, self.towards, self.offset_mm, self.matrix_mm):
            content.update(array.tobytes())
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> StudyPlace: ...
    @overload
    def __getitem__(self, index: slice) -> list[StudyPlace]: ...
    def __getitem__(self, index: int | slice) -> StudyPlace | list[StudyPlace]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        u, v = self.offset_mm[index]
        matrix = self.matrix_mm[index] if len(self.matrix_mm) else None
        return StudyPlace(
            str(self.names[index]),
            self._point(self.at[index]),
            self._point(self.towards[index]),
            (float(u), float(v)),
            None if matrix is None or np.isnan(matrix[3, 3]) else matrix,
        )

    def __iter__(self) -> Iterator[StudyPlace]:
        return (self[i] for i in range(len(self)))

    def _point(self, number: int) -> Point | None:
        return None if number == _NONE else self.points[number]


def _number(number: dict[Point, int], point: Point | None) -> int:
    """The number of a point, a new one where it has not been seen."""
    if point is None:
        return _NONE
    return number.setdefault(point if isinstance(point, str) else (point[0], point[1], point[2]), len(number))
