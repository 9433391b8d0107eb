"""Which cases of a study cannot work, as far as that shows without meshing a head: a run would mark them as failed."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from femtms.coil.array import driven_at
from femtms.coil.coil import Coil
from femtms.conductivity.isotropic import check_known, sigma_by_tag
from femtms.errors import FemtmsError
from femtms.io.coils import load_coil
from femtms.plausible import FARTHEST_MM, GAP
from femtms.study.design import Design, Point, StudyHead, StudyPlace
from femtms.study.outline import Outline
from femtms.study.places import Disc, Places, Run, Single

_MOST_COILS, _MOST_HEADS = 100, 20  # that are looked at
_MOST_POSES = 20_000  # likewise, of all coils and heads together
_MOST_POINTS = 500  # of a coil
_MARGIN_MM = 3.0  # what meshing may make of a scalp


@dataclass(frozen=True)
class Impossible:
    """How many cases cannot work, and why: a sentence for each reason, with how many cases it is true of."""

    cases: int
    reasons: tuple[str, ...]


def impossible_cases(design: Design) -> Impossible:
    """Those of a head or a coil that cannot be used, at a place that the head does not have, and inside the head.

    Up to 20 heads and 100 coils are read; what only a mesh or a solution shows is not found.
    """
    return _Count(design).result()


class _Count:
    """The reasons so far, and the cases that each of them is true of, as state."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.reasons: dict[str, int] = {}
        self.each = prod(design.shape[5:])  # cases of a place
        self.far = [distance for distance in design.distances_mm if not _is_possible(distance)]
        self.poses = _MOST_POSES // min(len(design.heads) * len(design.options) * len(design.coils), _MOST_POSES)
        self.coils: dict[tuple[int, int], Coil | None] = {}  # (option, coil); None for one that cannot be used

    def result(self) -> Impossible:
        heads, conductivities, options, coils, places = self.design.shape[:5]
        for option, coil in np.ndindex(options, min(coils, _MOST_COILS)):
            self.coils[option, coil] = self._coil(option, coil, heads * conductivities * places)
        # nothing is known of a coil that is not read: it works
        unread = options * coils - len(self.coils)
        works = sum(self._works(i, head, unread) for i, head in enumerate(self.design.heads)) * self.each
        distances = self.design.distances_mm
        far = [distance for distance in distances if not _is_possible(distance)]
        for distance in far:
            self.reasons[f"a coil cannot be {distance:g} mm from the scalp"] = self.design.cases // len(distances)
        works = works * (len(distances) - len(far)) // len(distances)
        told = tuple(f"{reason}: {n:,} case{'s' * (n != 1)}" for reason, n in self.reasons.items())
        return Impossible(self.design.cases - works, told)

    def _add(self, reason: str, places: int) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + places * self.each

    def _coil(self, option: int, coil: int, places: int) -> Coil | None:
        source, how = self.design.coils[coil], self.design.options[option]
        try:
            loaded = load_coil(source.source, how.outside)
            driven_at(loaded, how.didt)
        except FemtmsError as error:
            self._add(f"coil '{source.name}' cannot be used ({error})", places)
            return None
        return loaded

    def _works(self, number: int, head: StudyHead, unread: int) -> int:
        """How many combinations of this head with all but angles and distances are not known to be impossible."""
        _, conductivities, options, coils, places = self.design.shape[:5]
        outline = None
        if number < _MOST_HEADS:
            try:
                outline = Outline.of(head)
                self._check_targets(head, outline)
            except FemtmsError as error:
                self._add(f"head '{head.name}' cannot be used ({error})", conductivities * options * coils * places)
                return 0
        sound = sum(self._is_known(head, outline, i, options * coils * places) for i in range(conductivities))
        works = 0
        for run in _runs(self.design):
            reason = None if outline is None else _no_place(head, outline, run)
            if reason is not None:
                self._add(reason, sound * options * coils * len(run))
                continue
            works += unread * sound * len(run)
            for (_, coil), loaded in self.coils.items():
                if loaded is None:
                    continue
                inside = 0 if outline is None else _inside(outline, loaded, run, self.poses)
                if inside:
                    where = f"coil '{self.design.coils[coil].name}' is inside head '{head.name}'"
                    self._add(f"{where} at poses of '{run.name}'", sound * inside)
                works += sound * (len(run) - inside)
        return works

    def _is_known(self, head: StudyHead, outline: Outline | None, number: int, places: int) -> bool:
        """Whether a conductivity has all tissues of a head."""
        conductivity = self.design.conductivities[number]
        try:
            if outline is not None:
                check_known(outline.tissues, sigma_by_tag(conductivity.sigma))
        except FemtmsError as error:
            self._add(f"head '{head.name}', conductivity '{conductivity.name}': {error}", places)
            return False
        return True

    def _check_targets(self, head: StudyHead, outline: Outline) -> None:
        for name, point in self.design.results.targets.items():
            point = head.targets.get(name, point)
            if isinstance(point, str) and not _has(outline, point):
                raise FemtmsError(f"target '{name}' is the electrode {point}, which it does not have")
            if not isinstance(point, str):
                self._check_near(name, np.array([point], dtype=float), outline)

    def _check_near(self, target: str, point: np.ndarray, outline: Outline) -> None:
        outside = 0.0 if outline.holds(point)[0] else float(outline.distance(point)[0])
        if outside > self.design.results.target_radius_mm + _MARGIN_MM:
            raise FemtmsError(f"target '{target}' is {outside:.0f} mm outside of it")


def _is_possible(distance_mm: float) -> bool:
    """Whether a coil can be so far from the scalp."""
    try:
        GAP.check(distance_mm or GAP.possible[0])  # 0 touches
    except FemtmsError:
        return False
    return True


def _runs(design: Design) -> Iterator[Run]:
    """Places that are looked at together."""
    if isinstance(design.places, Places):
        yield from design.places.runs
        return
    for place in design.places:
        yield Single(place.name, place)


def _has(outline: Outline, electrode: str) -> bool:
    return electrode.lower() in {name.lower() for name in outline.landmarks}


def _no_place(head: StudyHead, outline: Outline, run: Run) -> str | None:
    """Why a head has none of these places, or None."""
    place: StudyPlace | Disc
    if isinstance(run, Disc):
        place = run
    elif isinstance(run, Single) and run.only.at is not None:
        place = run.only
    else:
        return None
    ends: list[Point] = [point for point in (place.at, place.towards) if point is not None]
    for point in ends:
        if isinstance(point, str) and not _has(outline, point):
            return f"head '{head.name}' has no electrode {point}"
    if len(ends) == 2 and ends[0] == ends[1]:
        return f"place '{run.name}' points to itself"
    if isinstance(place.at, str):
        return None
    distance = float(outline.distance(np.array([place.at], dtype=float))[0])
    if distance <= FARTHEST_MM + _MARGIN_MM:
        return None
    return (
        f"place '{run.name}' is {distance:.0f} mm from the scalp of head '{head.name}'; {FARTHEST_MM:g} mm is the most"
    )


def _inside(outline: Outline, coil: Coil, run: Run, most: int) -> int:
    """How many of these poses, of which up to `most` are looked at, put some of a coil inside the head."""
    if not len(coil.positions):
        return 0
    points = 1e3 * coil.positions[:: -(-len(coil.positions) // _MOST_POINTS)]
    matrices = (run.place(i).matrix for i in range(min(len(run), most)))
    return sum(
        bool(outline.holds(points @ matrix[:3, :3].T + matrix[:3, 3]).any())
        for matrix in matrices
        if matrix is not None
    )
