"""What the plots of a study's report are drawn from: as much of the study as a page has room for."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from femtms.batch.report_numbers import Numbers
from femtms.batch.report_tables import best_case, plural
from femtms.io.names import printable
from femtms.report.compare_maps import colour_stops
from femtms.report.scalp_map import ScalpMap, azimuthal_map, head_outline, offset_map, seen_from_above
from femtms.study.design import DIMS, StudyPlace

MOST_VALUES = 400_000  # numbers, 4 bytes each; a third more as text
MOST_PLACES = 6_000  # marks that a browser draws at once
MOST_POINTS = 40_000  # heads × places
_LONGEST_NAME = 80
_BINS = 30
_PART = 0.35  # of the head's radius that the places must reach
_DOTS = 60  # in the small head


def plot_data(numbers: Numbers, places: Sequence[StudyPlace]) -> dict[str, Any]:
    """All that the page's script draws, for JSON; arrays are little-endian, as base64."""
    count = len(numbers.quantities)
    cases = [best_case(numbers, quantity) for quantity in range(count)]
    kept = kept_names(numbers.shape, MOST_VALUES // max(count, 1), MOST_POINTS, [case for case in cases if case])
    values = [row[np.ix_(*kept)] for row in numbers.values]
    names = {dim: [_short(numbers.names[dim][i]) for i in kept[axis]] for axis, dim in enumerate(DIMS)}
    best = [None if case is None else [int(np.searchsorted(k, i)) for k, i in zip(kept, case)] for case in cases]
    return {
        "dims": list(DIMS),
        "names": names,
        "quantities": [quantity.label for quantity in numbers.quantities],
        "values": [_packed(row, "<f4") for row in values],
        "best": best,
        "turn": around(names["angle"]),
        "map": _map_data(numbers, places, kept),
        "error": _histogram(100 * numbers.error),
        "colours": colour_stops(),
    }


def left_out(numbers: Numbers, data: dict[str, Any]) -> str:
    """What of the study the plots do not have, in a sentence; empty where they have all."""
    thin = [
        f"{len(data['names'][dim]):,} of {len(numbers.names[dim]):,} {plural(dim)}"
        for dim in DIMS
        if len(data["names"][dim]) < len(numbers.names[dim])
    ]
    sentences = []
    if thin:
        sentences.append(
            f"The plots have {' and '.join(thin)}, evenly spread, with the best case of each field among them; the "
            "tables are over all."
        )
    if numbers.left_out:
        sentences.append(f"There was no room for {len(numbers.left_out):,} more fields: {', '.join(numbers.left_out)}.")
    return " ".join(sentences)


def kept_names(shape: tuple[int, ...], values: int, points: int, cases: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Indices in each of DIMS that the plots have: all, or so many evenly spread, and those of the given cases.

    values  most combinations;  points  most combinations of head and place; places are at most MOST_PLACES
    The indices of the cases come on top.
    """
    counts = list(shape)
    counts[4] = min(counts[4], MOST_PLACES)
    while np.prod(counts, dtype=float) > values or counts[0] * counts[4] > points:
        among = (0, 4) if np.prod(counts, dtype=float) <= values else range(len(counts))
        longest = max(among, key=lambda axis: counts[axis])
        counts[longest] -= max(counts[longest] // 10, 1)
    kept = []
    for axis, (count, length) in enumerate(zip(counts, shape)):
        even = np.linspace(0, length - 1, count).round().astype(int)
        kept.append(np.unique([*even, *(case[axis] for case in cases)]))
    return kept


def around(angles: Sequence[float]) -> list[int]:
    """The angles in degrees, by index, as a line over them goes; it ends where it began if they go all the way round.

    That is so when the way from the last to the first is no longer than the longest step between others.

    >>> around([0, 90, 180, 270]), around([0, 45, 90])
    ([0, 1, 2, 3, 0], [0, 1, 2])
    """
    order = [int(i) for i in np.argsort(angles, kind="stable")]
    steps = np.diff(np.asarray(angles, dtype=float)[order])
    if len(order) < 3:
        return order
    rest = 360 - float(steps.sum())
    return [*order, order[0]] if 1e-6 < rest <= steps.max() + 1e-6 else order


def _map_data(numbers: Numbers, places: Sequence[StudyPlace], kept: Sequence[np.ndarray]) -> dict[str, Any] | None:
    """Positions and directions at angle 0 of each head and place, int16 in 0.1 mm and 0.0001; None for one place.

    The outline of a head is that of each map where the places take much of it, else a small one with dots.
    """
    if len(kept[4]) < 2:
        return None
    offsets = _grid_offsets([places[i] for i in kept[4]])
    if offsets is not None:
        maps = [offset_map(offsets)]
    else:
        maps = [azimuthal_map(numbers.frames[head, kept[4]].astype(float)) for head in kept[0]]
    if not any(np.isfinite(one.xy).any() for one in maps):
        return None
    stacked = np.stack([np.concatenate([10 * one.xy, 1e4 * one.y, 1e4 * one.x], axis=1) for one in maps])
    unknown = ~np.isfinite(stacked)
    whole = np.clip(np.where(unknown, 0, stacked).round(), -32767, 32767)
    whole[unknown] = -32768
    return {
        "numbers": _packed(whole, "<i2"),
        "axes": [one.axes for one in maps],
        "mirrored": maps[0].is_mirrored,
        "spacing": max(map(_spacing, maps)),
        "outline": [_outline(one) for one in maps],
        "above": [_from_above(numbers.frames[head, kept[4]].astype(float)) for head in kept[0]],
    }


def _outline(scalp: ScalpMap) -> list[list[list[float]]]:
    """Lines of the head around a map, in mm; none where the places would be a speck in it."""
    known = scalp.xy[np.isfinite(scalp.xy).all(axis=1)]
    if not scalp.outline or np.linalg.norm(known, axis=1).max() < _PART * np.abs(scalp.outline[0]).max():
        return []
    return [np.round(line, 1).tolist() for line in scalp.outline]


def _from_above(frames: np.ndarray) -> dict[str, list[Any]] | None:
    """A head from above and where on it the places are, both from −1 to 1; None where nothing is known of them."""
    known = frames[np.isfinite(frames).all(axis=(1, 2))]
    if len(known) == 0:
        return None
    some = known[:: 1 + len(known) // _DOTS]
    lines = head_outline(*np.eye(3))
    size = max(float(np.abs(line).max()) for line in lines)
    return {
        "lines": [np.round(line / size, 3).tolist() for line in lines],
        "dots": np.round(seen_from_above(some) / size, 3).tolist(),
    }


def _grid_offsets(places: Sequence[StudyPlace]) -> list[tuple[float, float]] | None:
    """Offsets of the places when they are one grid around one place."""
    first = places[0]
    for place in places:
        if place.matrix is not None or place.at is None or (place.at, place.towards) != (first.at, first.towards):
            return None
    offsets = [place.offset_mm for place in places]
    return offsets if len(set(offsets)) == len(offsets) else None


def _spacing(scalp: ScalpMap) -> float:
    """Median distance to the nearest other position in mm."""
    known = scalp.xy[np.isfinite(scalp.xy).all(axis=1)]
    if len(known) < 2:
        return 0.0
    return float(np.median(KDTree(known).query(known, k=2)[0][:, 1]))


def _histogram(values: np.ndarray) -> dict[str, list[float]] | None:
    known = values[np.isfinite(values)]
    if len(np.unique(known[:1000])) < 2:
        return None
    counts, edges = np.histogram(known, bins=_BINS)
    return {"edges": [float(f"{edge:.5g}") for edge in edges], "counts": counts.tolist()}


def _short(name: Any) -> Any:
    return name if isinstance(name, float) else printable(name, _LONGEST_NAME)


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")
