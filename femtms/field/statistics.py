"""How strong a field is in a tissue and how much of it is strong: volume-weighted, since elements differ in size."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.kernels.statistics import smallest_with_weight, tissue_statistics
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import name_of

PERCENTILES = (50.0, 95.0, 99.0, 99.9)
THIS_FIELD, RAW_FIELD = "this field", "raw field"  # whose an error is
NUMBERS = 9  # of one field in one tissue, see `statistics`


@dataclass(frozen=True)
class TissueSummary:
    """|E| in one tissue; V/m, mL and mm.

    Percentiles are weighted by volume.  focality_50_ml and focality_75_ml are the volumes where |E| is at least 50 %
    and 75 % of the 99.9th percentile, a peak that does not hang on one tetrahedron.  peak_mm is the centroid of the
    tetrahedron with the largest |E|.  error is the estimated relative error, √(∫|ΔE|²) / √(∫|E|²), a share: see
    `Field.error`; None where nobody asked for it.  error_of says whose it is: that of "this field" or, for a recovered
    field, which is better, of the "raw field" that it was made of.
    """

    tissue: str
    tag: int
    tets: int
    volume_ml: float
    mean: float
    median: float
    p95: float
    p99: float
    p99_9: float
    peak: float
    peak_mm: tuple[float, float, float]
    focality_50_ml: float
    focality_75_ml: float
    error: float | None = None
    error_of: str | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The same numbers for JSON."""
        return asdict(self) | {"peak_mm": list(self.peak_mm)}

    def __str__(self) -> str:
        x, y, z = self.peak_mm
        whose = " of the raw field" if self.error_of == RAW_FIELD else ""
        error = "" if self.error is None else f"; estimated error{whose} {100 * self.error:.2g} %"
        return (
            f"{self.tissue}: |E| mean {self.mean:.4g}, median {self.median:.4g}, 95 % {self.p95:.4g}, "
            f"99 % {self.p99:.4g}, 99.9 % {self.p99_9:.4g}, "
            f"peak {self.peak:.4g} V/m at ({x:.1f}, {y:.1f}, {z:.1f}) mm; "
            f"≥ 50 %: {self.focality_50_ml:.3g} mL, ≥ 75 %: {self.focality_75_ml:.3g} mL of {self.volume_ml:.4g} mL"
            f"{error}"
        )


@dataclass(frozen=True, eq=False)
class TissueTets:
    """The tetrahedra of one tissue: what its statistics need of the head, the same for every field.

    rows (r,) of the mesh, volumes (r,) in m³ and the same as whole numbers, weights (r,), are on the device of the
    fields; volume is the sum in m³.
    """

    mesh: TetMesh
    tag: int
    rows: Any
    volumes: Any
    weights: Any
    volume: float

    @classmethod
    def of(cls, mesh: TetMesh, tag: int, xp: Any = np) -> "TissueTets":
        """Those of tissue number `tag`, for fields that are arrays of the module `xp`."""
        rows = np.flatnonzero(mesh.tags == tag)
        volumes = mesh.volumes[rows]
        on_device = xp.asarray(rows), xp.asarray(volumes), xp.asarray(_whole_numbers(volumes))
        return cls(mesh, int(tag), *on_device, float(volumes.sum()))

    def summary(self, numbers: np.ndarray, error: float | None = None, is_raw: bool = True) -> TissueSummary:
        """In words what `statistics` gave, once it is on the host; with the relative error where it is known.

        is_raw  the field is raw, and the error its own
        """
        mean, median, p95, p99, p99_9, peak, row, focality_50, focality_75 = (float(x) for x in numbers)
        x, y, z = (float(c) for c in 1e3 * self.mesh.centroids[int(row)])
        return TissueSummary(
            tissue=name_of(self.tag),
            tag=self.tag,
            tets=len(self.rows),
            volume_ml=1e6 * self.volume,
            mean=mean,
            median=median,
            p95=p95,
            p99=p99,
            p99_9=p99_9,
            peak=peak,
            peak_mm=(x, y, z),
            focality_50_ml=1e6 * focality_50,
            focality_75_ml=1e6 * focality_75,
            error=error,
            error_of=None if error is None else THIS_FIELD if is_raw else RAW_FIELD,
        )


@dataclass(frozen=True, eq=False)
class Region:
    """Some tetrahedra of a head, such as those around a target.

    rows (r,) of the mesh and volumes (r,) in m³ are on the device of the fields; volume is the sum in m³.
    """

    rows: Any
    volumes: Any
    volume: float

    @classmethod
    def of(cls, mesh: TetMesh, rows: np.ndarray, xp: Any = np, name: str = "") -> "Region":
        """Tetrahedra `rows` (r,) of a mesh; `name` is for messages.

        Raises FemtmsError for none, and for what is no index of a tetrahedron.
        """
        rows = np.asarray(rows)
        m = len(mesh.tets)
        if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu" or not 0 <= rows.min() <= rows.max() < m:
            raise FemtmsError(
                f"region '{name}' must be at least one index of a tetrahedron, from 0 to {m - 1:,}; got "
                f"{rows.dtype} {rows.shape}" + (f" from {rows.min()} to {rows.max()}" if rows.size else "")
            )
        volumes = mesh.volumes[rows]
        return cls(xp.asarray(rows), xp.asarray(volumes), float(volumes.sum()))

    def mean(self, magnE: Any) -> Any:
        """Mean of |E| (m,) in V/m over the region, weighted by volume; it stays on the device."""
        return (magnE[self.rows] * self.volumes).sum() / self.volume


def magnitude(E: Any, xp: Any = np) -> Any:
    """|E| (m,) of E (m,3), an array of the module `xp`."""
    x, y, z = E.T  # not einsum, whose bits are others, and of which CuPy would make m small matrix products
    return xp.sqrt(x * x + y * y + z * z)


def statistics(magnE: Any, tets: TissueTets, xp: Any = np) -> Any:
    """Nine numbers about |E| (m,) of all tetrahedra in one tissue, on the device: nothing here makes the host wait.

    They are, for `TissueTets.summary`: mean, the four PERCENTILES and peak in V/m, the row of the peak in the mesh,
    and the volumes in m³ with at least 50 % and 75 % of the last percentile.
    """
    if xp is np:  # in the core, without sorting, and to the same bits
        wanted = _wanted(tets.weights.sum(), PERCENTILES, np)
        return tissue_statistics(magnE, tets.rows, tets.volumes, tets.volume, tets.weights, wanted)
    own = magnE[tets.rows]
    numbers = xp.empty(NUMBERS)
    numbers[0] = (own * tets.volumes).sum() / tets.volume
    numbers[1:5] = _sorted_percentiles(own, tets.weights, PERCENTILES, xp)
    numbers[5] = own.max()
    numbers[6] = xp.take(tets.rows, own.argmax())
    for i, share in ((7, 0.5), (8, 0.75)):
        # picking would make the host wait for how many there are
        numbers[i] = xp.where(own >= share * numbers[4], tets.volumes, 0.0).sum()
    return numbers


def weighted_percentiles(values: np.ndarray, weights: np.ndarray, percentiles: tuple[float, ...]) -> np.ndarray:
    """For each p the smallest value such that values up to it carry p % of the weight.

    >>> weighted_percentiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), (25.0, 50.0, 100.0))
    array([1., 2., 3.])
    """
    whole = _whole_numbers(weights)
    return smallest_with_weight(values, whole, _wanted(whole.sum(), percentiles, np))


def _sorted_percentiles(values: Any, weights: Any, percentiles: tuple[float, ...], xp: Any) -> Any:
    """The same on a GPU, of weights that are whole numbers."""
    order = xp.argsort(values)  # equal values may come in any order: a stable sort takes four times as long
    share = xp.cumsum(weights[order]).astype(np.float64)
    position = xp.searchsorted(share, _wanted(share[-1], percentiles, xp))
    return values[order[xp.minimum(position, len(values) - 1)]]


def _wanted(total: Any, percentiles: tuple[float, ...], xp: Any) -> Any:
    """The weights that percentiles must carry, of all the weight; a little less, for rounding."""
    return xp.asarray(np.array(percentiles) / 100) * total * (1 - 1e-12)


def _whole_numbers(weights: np.ndarray) -> np.ndarray:
    """Weights (r,) ≥ 0 as int64 in one proportion, as finely as lets their sum fit.

    Whole numbers have the same sums in any order, and so in any number of threads or on a GPU.
    """
    largest = max(weights.max(), np.finfo(np.float64).tiny)
    whole: np.ndarray = np.rint(weights / largest * (2.0**62 / len(weights))).astype(np.int64)
    return whole
