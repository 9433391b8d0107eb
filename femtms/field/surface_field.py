"""A field on a surface in the head, such as the middle of the cortex."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from femtms.arrays import sealed
from femtms.field.places import Places
from femtms.field.statistics import PERCENTILES, magnitude, weighted_percentiles
from femtms.mesh.surface import Surface


@dataclass(frozen=True, eq=False, repr=False)
class SurfaceField:
    """The electric field at the nodes of a surface; NaN where these are outside.

    surface  (n nodes), in head coordinates
    E        (n,3) V/m
    places   where it was taken: which nodes are inside, were moved, or are outside
    """

    surface: Surface
    E: np.ndarray
    places: Places

    @cached_property
    def magnE(self) -> np.ndarray:
        """|E| (n,) in V/m."""
        return sealed(magnitude(self.E))

    @cached_property
    def normal(self) -> np.ndarray:
        """Component (n,) of E along the inward normal, in V/m: positive where the field enters the surface.

        So it is positive where current flows from CSF into the cortex.  NaN also at nodes without a normal.
        """
        return sealed(-np.einsum("nd,nd->n", self.E, self.surface.node_normals))

    @cached_property
    def tangential(self) -> np.ndarray:
        """|E| (n,) along the surface, in V/m: of E without its normal component."""
        return sealed(magnitude(self.E + self.normal[:, None] * self.surface.node_normals))

    @cached_property
    def angle(self) -> np.ndarray:
        """Angle (n,) in degrees between E and the inward normal: 0 straight in, 90 along the surface, 180 out."""
        return sealed(np.degrees(np.arctan2(self.tangential, self.normal)))

    def summary(self) -> dict[str, Any]:
        """Numbers for JSON: how many nodes are where, and |E| and its components in V/m, weighted by area."""
        held = np.flatnonzero(~self.places.outside)
        areas = self.surface.node_areas[held]
        counts = self.places.counts()
        summary: dict[str, Any] = {"nodes": counts.pop("points")} | counts | {"tissue": self.places.tissue}
        if not areas.sum() > 0:  # none of the nodes inside is one of a triangle
            return summary | {"area_cm2": 0.0}
        magnE, normal = self.magnE[held], self.normal[held]
        median, p95, p99, p99_9 = (float(p) for p in weighted_percentiles(magnE, areas, PERCENTILES))
        peak = int(magnE.argmax())
        lowest, highest = _range(normal)
        return summary | {
            "area_cm2": 1e4 * float(areas.sum()),
            "mean": float(magnE @ areas / areas.sum()),
            "median": median,
            "p95": p95,
            "p99": p99,
            "p99_9": p99_9,
            "peak": float(magnE[peak]),
            "peak_mm": [float(c) for c in 1e3 * self.surface.nodes[held[peak]]],
            "normal_lowest": lowest,
            "normal_highest": highest,
            "tangential_highest": _range(self.tangential[held])[1],
        }

    def __repr__(self) -> str:
        counts = self.places.counts()
        return (
            f"SurfaceField({self.surface.tissue}: {counts['points']:,} nodes, {counts['moved']:,} moved, "
            f"{counts['outside']:,} outside; peak {np.nanmax(self.magnE):.4g} V/m)"
        )


def _range(values: np.ndarray) -> tuple[float | None, float | None]:
    """The lowest and highest of values; None of nodes that have no normal."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
