"""What the report of a study needs of every case, read piece by piece."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from femtms.study.design import DIMS

if TYPE_CHECKING:
    import xarray

PIECE_CASES = 16_384  # at a time
MOST_QUANTITIES = 8


@dataclass(frozen=True)
class Quantity:
    """A field in V/m that the report shows.

    label  for people
    where  its variable and its place there, such as ("target", {"target": "M1"})
    """

    label: str
    where: tuple[str, Mapping[str, str]]
    is_target: bool


@dataclass(frozen=True, eq=False)
class Numbers:
    """Arrays with DIMS; some 25 bytes for each case, whatever the study keeps.

    names       of each dimension; those of angles and distances are numbers, in degrees and mm
    quantities  left_out of them there was no room for
    values      (q, …) float32 V/m, NaN where it is not known
    state       uint8, see femtms.batch.columns
    error, iterations, residual   float32: estimated relative error of E in grey matter; the solver's
    frames      (heads, places, 4, 3): x, y, z of the coil at angle 0, and its centre in m; NaN where it is not known
    """

    names: Mapping[str, list[Any]]
    quantities: tuple[Quantity, ...]
    left_out: tuple[str, ...]
    values: np.ndarray
    state: np.ndarray
    error: np.ndarray
    iterations: np.ndarray
    residual: np.ndarray
    frames: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of DIMS."""
        return self.state.shape


def read_numbers(study: "xarray.Dataset") -> Numbers:
    """Of a study as `femtms.open_study` gives it, never more than PIECE_CASES cases of it at once."""
    names = {dim: _names(study, dim) for dim in DIMS}
    shape = tuple(len(names[dim]) for dim in DIMS)
    every = _quantities(study)
    quantities = every[:MOST_QUANTITIES]
    values = np.full((len(quantities), *shape), np.nan, dtype=np.float32)
    error, iterations, residual = (np.full(shape, np.nan, dtype=np.float32) for _ in range(3))
    state = np.zeros(shape, dtype=np.uint8)
    frames = np.full((shape[0], shape[4], 4, 3), np.nan, dtype=np.float32)
    angles = np.asarray(names["angle"], dtype=float)
    wanted = {"state", "iterations", "residual", "pose_mm", "estimated_relative_error"}
    wanted |= {quantity.where[0] for quantity in quantities}
    lazy = study[[name for name in sorted(wanted) if name in study]]

    for piece in pieces(shape, PIECE_CASES):
        part = lazy.isel(dict(zip(DIMS, piece))).compute()

        def of(variable: Any) -> np.ndarray:
            return variable.transpose(*DIMS, ...).values

        state[piece] = np.nan_to_num(of(part["state"])).astype(np.uint8)
        for row, quantity in zip(values, quantities):
            variable, where = quantity.where
            row[piece] = of(part[variable].sel(where))
        if "estimated_relative_error" in part:
            found = part["estimated_relative_error"]
            # of the one tissue that has it
            error[piece] = of(found.max("tissue") if "tissue" in found.dims else found)
        if "iterations" in part:
            iterations[piece] = of(part["iterations"])
        if "residual" in part:
            residual[piece] = of(part["residual"])
        if "pose_mm" in part:
            _keep_frames(frames, of(part["pose_mm"]), piece, angles[piece[5]])
    left_out = tuple(quantity.label for quantity in every[MOST_QUANTITIES:])
    return Numbers(names, quantities, left_out, values, state, error, iterations, residual, frames)


def pieces(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Boxes of at most so many entries that fill an array, the last dimensions whole where there is room.

    >>> [tuple((s.start, s.stop) for s in box) for box in pieces((3, 4), 8)]
    [((0, 2), (0, 4)), ((2, 3), (0, 4))]
    """
    sizes: list[int] = []
    for length in reversed(shape):
        sizes.insert(0, min(length, most))
        most //= sizes[0]
    starts = (range(0, length, size) for length, size in zip(shape, sizes))
    for at in product(*starts):
        yield tuple(slice(i, min(i + size, length)) for i, size, length in zip(at, sizes, shape))


def _names(study: "xarray.Dataset", dim: str) -> list[Any]:
    values = study[dim].values
    return [float(v) for v in values] if dim in ("angle", "distance") else [str(v) for v in values]


def _quantities(study: "xarray.Dataset") -> tuple[Quantity, ...]:
    """The targets, and the 99.9th percentile in each tissue."""
    found = []
    for variable in study.data_vars:
        if "target" in study[variable].dims:  # its own name cannot be that of its dimension
            found += [
                Quantity(f"|E| at {name}", (str(variable), {"target": name}), True)
                for name in _part_names(study, "target")
            ]
    if "p99_9" in study:
        for name in _part_names(study, "tissue"):
            found.append(Quantity(f"99.9th percentile in {name}", ("p99_9", {"tissue": name}), False))
    return tuple(found)


def _part_names(study: "xarray.Dataset", dim: str) -> list[str]:
    return [str(name) for name in study[dim].values] if dim in study.dims else []


def _keep_frames(frames: np.ndarray, poses_mm: np.ndarray, piece: tuple[slice, ...], angles: np.ndarray) -> None:
    """Enter the first known pose of each head and place, turned back to angle 0.

    poses_mm  (DIMS of the piece, 3, 4);  angles  degrees, those of the piece
    """
    heads, places, turns = poses_mm.shape[0], poses_mm.shape[4], poses_mm.shape[5]
    # conductivity, option and coil do not move a place; a pose may be known of one of them only
    cases = np.moveaxis(poses_mm, (4, 5), (1, 2)).reshape(heads, places, turns, -1, 3, 4)
    known = np.isfinite(cases).all(axis=(4, 5)).reshape(heads, places, -1)
    first, has = known.argmax(axis=2), known.any(axis=2)
    turn = np.radians(angles)[first // cases.shape[3]][..., None]
    flat = cases.reshape(heads, places, -1, 3, 4)
    pose = np.take_along_axis(flat, first[:, :, None, None, None], axis=2)[:, :, 0]
    x, y, z, centre = (pose[..., axis] for axis in range(4))
    back = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y, z, 1e-3 * centre], 2)
    own = frames[piece[0], piece[4]]
    new = has & np.isnan(own[..., 0, 0])
    own[new] = back[new]
