"""The result of one solve: the field, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.field.statistics import TissueSummary, TissueTets, magnitude, statistics
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import name_of


@dataclass(frozen=True, eq=False, repr=False)
class Field:
    """The electric field of one coil in one place.

    mesh        where it is
    E           (m,3) V/m at the centroids of the tetrahedra: theory.md (12)
    potential   φ (n,) V at the nodes, whose mean is zero; of quadratic elements (n + e,), then in the
                middle of the edges
    coil, pose  what made it
    didt        rate of change of the coil's current, A/s
    iterations  of the linear solver, and its relative residual
    seconds     stage -> seconds of this solve; a block's time is shared equally among its columns
    device      what it was computed on
    sigma       σ (m,1) or (m,6) in S/m, see Simulator
    order       of the elements, 1 or 2
    """

    mesh: TetMesh
    E: np.ndarray
    potential: np.ndarray
    coil: Coil
    pose: Pose
    didt: float
    iterations: int
    residual: float
    seconds: Mapping[str, float]
    device: str
    sigma: np.ndarray
    order: int = 1

    @cached_property
    def magnE(self) -> np.ndarray:
        """|E| (m,) in V/m."""
        magnE: np.ndarray = magnitude(self.E)
        return magnE

    @property
    def J(self) -> np.ndarray:
        """Current density σE (m,3) in A/m²."""
        if self.sigma.shape[1] == 1:
            return self.sigma * self.E
        xx, xy, xz, yy, yz, zz = self.sigma.T
        x, y, z = self.E.T
        return np.column_stack([xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z])

    @overload
    def summary(self, tissue: int | str) -> TissueSummary: ...

    @overload
    def summary(self, tissue: None = None) -> dict[str, TissueSummary]: ...

    def summary(self, tissue: int | str | None = None) -> TissueSummary | dict[str, TissueSummary]:
        """Statistics of |E| in one tissue (TissueSummary), or in every tissue as {name: TissueSummary}.

        tissue  number or name, such as "gm".  Raises FemtmsError when the mesh has no such tissue.
        """
        if tissue is None:
            return {name_of(tag): self._summary(int(tag)) for tag in self.mesh.tissues}
        return self._summary(self.mesh.present_tag(tissue))

    def _summary(self, tag: int) -> TissueSummary:
        tets = TissueTets.of(self.mesh, tag)
        return tets.summary(statistics(self.magnE, tets))

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the field with its mesh: .vtu (ParaView) or .msh (Gmsh 2.2, with `E` and `magnE` per element).

        Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
        """
        # the one place where a data class reaches forward: users expect to save what they hold
        from femtms.io.results import save_field

        save_field(self, Path(path), overwrite)

    def __repr__(self) -> str:
        return (
            f"Field({self.coil.name}, {1e-6 * self.didt:g} A/µs, {len(self.E):,} tets, "
            f"peak {self.magnE.max():.4g} V/m; "
            f"{self.iterations} iterations, residual {self.residual:.1e}, {self.device})"
        )
