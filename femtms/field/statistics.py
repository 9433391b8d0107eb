"""How strong a field is in a tissue and how much of it is strong: volume-weighted, since elements differ in size."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PERCENTILES = (50.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True)
class TissueSummary:
    """|E| in one tissue; V/m, mL and mm.

    Percentiles are weighted by volume.  focality_50_ml and focality_75_ml are the volumes where |E| is at least 50 %
    and 75 % of the 99.9th percentile, a peak that does not hang on one tetrahedron.  peak_mm is the centroid of the
    tetrahedron with the largest |E|.
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

    def as_dict(self) -> dict[str, Any]:
        """The same numbers for JSON."""
        return asdict(self) | {"peak_mm": list(self.peak_mm)}

    def __str__(self) -> str:
        x, y, z = self.peak_mm
        return (
            f"{self.tissue}: |E| mean {self.mean:.4g}, median {self.median:.4g}, 95 % {self.p95:.4g}, "
            f"99 % {self.p99:.4g}, 99.9 % {self.p99_9:.4g}, "
            f"peak {self.peak:.4g} V/m at ({x:.1f}, {y:.1f}, {z:.1f}) mm; "
            f"≥ 50 %: {self.focality_50_ml:.3g} mL, ≥ 75 %: {self.focality_75_ml:.3g} mL of {self.volume_ml:.4g} mL"
        )


def weighted_percentiles(values: np.ndarray, weights: np.ndarray, percentiles: tuple[float, ...]) -> np.ndarray:
    """For each p the smallest value such that values up to it carry p % of the weight.

    >>> weighted_percentiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), (25.0, 50.0, 100.0))
    array([1., 2., 3.])
    """
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    position = np.searchsorted(share, np.array(percentiles) / 100 * share[-1] * (1 - 1e-12))
    result: np.ndarray = values[order][np.minimum(position, len(values) - 1)]
    return result


def tissue_summary(
    name: str, tag: int, magnitude: np.ndarray, volumes: np.ndarray, centroids: np.ndarray
) -> TissueSummary:
    """Statistics of |E| (m,) V/m over tetrahedra of volumes (m,) m³ and centroids (m,3) m."""
    median, p95, p99, p99_9 = weighted_percentiles(magnitude, volumes, PERCENTILES)
    top = int(magnitude.argmax())
    x, y, z = (float(c) for c in 1e3 * centroids[top])
    focality = [1e6 * float(volumes[magnitude >= share * p99_9].sum()) for share in (0.5, 0.75)]
    return TissueSummary(
        tissue=name,
        tag=int(tag),
        tets=len(magnitude),
        volume_ml=1e6 * float(volumes.sum()),
        mean=float(np.average(magnitude, weights=volumes)),
        median=float(median),
        p95=float(p95),
        p99=float(p99),
        p99_9=float(p99_9),
        peak=float(magnitude[top]),
        peak_mm=(x, y, z),
        focality_50_ml=focality[0],
        focality_75_ml=focality[1],
    )
