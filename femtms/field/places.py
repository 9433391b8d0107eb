"""Where a field is to be taken: points of a head, each with the tetrahedron that speaks for it."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.arrays import sealed
from femtms.errors import FemtmsError
from femtms.kernels.places import points_in
from femtms.mesh.locate import TISSUE_REACH, checked_points
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import check_mm
from femtms.tissue import name_of

log = logging.getLogger("femtms")

_MOVED = 1e-6  # m: what was moved by less was rounded, as in files of single precision


@dataclass(frozen=True, eq=False)
class Places:
    """Points in a head, located once for any number of fields.

    points   (p,3) m, as they were given
    tets     (p,) the tetrahedron that holds each, or is nearest to it; -1 outside
    weights  (p,4) barycentric coordinates there of where the field is taken; NaN outside
    moved    (p,) bool: not in a tetrahedron that counts, but near enough to one to be taken to its nearest point
    tissue   name of the only tissue that counts; None for all
    """

    points: np.ndarray
    tets: np.ndarray
    weights: np.ndarray
    moved: np.ndarray
    tissue: str | None

    @classmethod
    def of(
        cls,
        mesh: TetMesh,
        points: np.ndarray,
        tissue: int | str | None = None,
        reach: float | None = None,
        what: str = "points",
    ) -> "Places":
        """Those of points (p,3) m; tissue and reach (m) as for `TetMesh.locate`.

        `what` is how messages call the points.  One log warning says how many are outside, and where the first is.
        Raises FemtmsError when all are, and for what `locate` refuses.
        """
        points = checked_points(points)
        check_mm(points, mesh.extent, what)
        tets, weights = mesh.locate(points, tissue, reach)
        moved = np.zeros(len(points), bool)
        held = np.flatnonzero(tets >= 0)
        shift = points_in(mesh.nodes, mesh.tets, tets[held], weights[held]) - points[held]
        moved[held] = np.linalg.norm(shift, axis=1) > _MOVED
        name = None if tissue is None else name_of(mesh.present_tag(tissue))
        places = cls(sealed(points.copy()), sealed(tets), sealed(weights), sealed(moved), name)
        places._report(what, 1e3 * (TISSUE_REACH if reach is None else reach))
        return places

    @property
    def outside(self) -> np.ndarray:
        """(p,) bool: where there is no field."""
        return self.tets < 0

    def counts(self) -> dict[str, int]:
        """How many points there are, and are inside, moved and outside, for JSON."""
        outside, moved = int(self.outside.sum()), int(self.moved.sum())
        return {"points": len(self.tets), "inside": len(self.tets) - outside - moved, "moved": moved} | {
            "outside": outside
        }

    def _report(self, what: str, reach_mm: float) -> None:
        """Say what is outside, and what was moved."""
        where = "in the head" if self.tissue is None else f"in {self.tissue}, or within {reach_mm:g} mm of it"
        outside, count = np.flatnonzero(self.outside), len(self.tets)
        if len(outside) == 0 and not self.moved.any():
            return
        if len(outside) == 0:
            log.info("%s of %s %s were taken to the nearest point", f"{self.moved.sum():,}", f"{count:,}", what)
            return
        x, y, z = 1e3 * self.points[outside[0]]
        first = f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
        if len(outside) == count:
            raise FemtmsError(
                f"at least one of the {count:,} {what} must be {where}; none is, the first is at {first}: "
                f"is it another head, or another unit than mm?"
            )
        log.warning(
            "%s of %s %s are not %s: their field is NaN; the first is number %d, at %s",
            *(f"{len(outside):,}", f"{count:,}", what, where, outside[0], first),
        )


def in_tissue(mesh: TetMesh, places: Places) -> list[Any]:
    """Name of the tissue (p,) at each place; None outside."""
    names = {int(tag): name_of(tag) for tag in mesh.tissues}
    return [None if t < 0 else names[int(mesh.tags[t])] for t in places.tets]
