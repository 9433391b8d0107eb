"""The result of one solve: the field, and how it came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from femtms.arguments import checks_kinds
from femtms.arrays import sealed
from femtms.backend import cpu_backend, to_host
from femtms.coil.coil import Coil
from femtms.coil.expansion import HarmonicBoxes
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.field.error_estimate import relative_error
from femtms.field.gradient import corner_values
from femtms.field.grid import E_on_grid, check_grid
from femtms.field.places import Places
from femtms.field.recoveries import RAW, Recoveries, check_recovery
from femtms.field.statistics import TissueSummary, TissueTets, magnitude, statistics
from femtms.field.surface_field import SurfaceField
from femtms.kernels.places import field_in, points_in
from femtms.mesh.locate import checked_points
from femtms.mesh.node_sums import sums_at_nodes
from femtms.mesh.surface import Surface
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import Tissue, name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    recoveries  how a better ∇φ is made of φ, for `recovered` and `error`; shared by the fields of a Simulator.  If none
                is given, that of raw elements, linear or quadratic by the size of φ
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
    recoveries: Recoveries = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.recoveries is None:
            order = 1 if len(self.potential) == len(self.mesh.nodes) else 2
            made = Recoveries(self.mesh, RAW, order, self.sigma, cpu_backend())
            object.__setattr__(self, "recoveries", made)

    @property
    def order(self) -> int:
        """Of the elements: 1 or 2."""
        return self.recoveries.order

    @property
    def recovery(self) -> str:
        """How E was made of φ: "raw", "spr" or "harmonic"."""
        return self.recoveries.method

    @cached_property
    def magnE(self) -> np.ndarray:
        """|E| (m,) in V/m."""
        magnE: np.ndarray = magnitude(self.E)
        return magnE

    @cached_property
    def error(self) -> np.ndarray:
        """Estimated |ΔE| (m,) in V/m, root mean square over each tetrahedron: how far recovered and raw E are from each
        other, theory.md (40).  At the centroid, where E is given, it is rather less.

        It is made to estimate the error of a raw field.  A recovered field is better, so there it is cautious.
        """
        error = np.empty(len(self.mesh.tets))
        for tag in self.mesh.tissues:
            error[self.mesh.tags == tag] = self.tissue_error(int(tag))
        return sealed(error)

    def tissue_error(self, tissue: int | str) -> np.ndarray:
        """The same in the tetrahedra of one tissue (r,), in their order: cheaper than of the whole head.

        tissue  number or name.  Raises FemtmsError when the mesh has no such tissue.
        """
        return np.sqrt(self._squares(self.mesh.present_tag(tissue)))

    def recovered(self, method: str = "harmonic") -> "Field":
        """The same solution with E from a ∇φ that is continuous in each tissue, and one-sided at interfaces.

        method  "harmonic": fitted by fields without curl and divergence, which ∇φ is where σ is constant; "spr": by any
                linear fields (superconvergent patch recovery, Zienkiewicz & Zhu 1992); see theory.md (36)-(39)

        Raises FemtmsError for another method, and for a field that is recovered already.
        """
        check_recovery(method)
        if method == RAW or self.recovery != RAW:
            raise FemtmsError(
                f"a raw field can be recovered, by harmonic or spr; got '{method}' for a {self.recovery} one"
            )
        better = replace(self, recoveries=replace(self.recoveries, method=method))
        E = self.E.copy()
        for tag in self.mesh.tissues:
            E[self.mesh.tags == tag] += better._change(int(tag))
        return replace(better, E=sealed(E))

    def _change(self, tag: int) -> np.ndarray:
        """Recovered minus raw E (r,3) in V/m at the centroids of a tissue."""
        backend = self.recoveries.backend
        return to_host(self.recoveries.change(tag, backend.xp.asarray(self.potential)))

    def _squares(self, tag: int) -> np.ndarray:
        """Mean (r,) of |ΔE|² in V²/m² over each tetrahedron of a tissue."""
        backend = self.recoveries.backend
        return to_host(self.recoveries.squares(tag, backend.xp.asarray(self.potential)))

    @property
    def J(self) -> np.ndarray:
        """Current density σE (m,3) in A/m²."""
        if self.sigma.shape[1] == 1:
            return self.sigma * self.E
        xx, xy, xz, yy, yz, zz = self.sigma.T
        x, y, z = self.E.T
        return np.column_stack([xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z])

    def at(self, points_mm: np.ndarray, tissue: int | str | None = None, reach_mm: float | None = None) -> np.ndarray:
        """E (p,3) in V/m at points (p,3) in mm, head coordinates: theory.md (1) with ∂A/∂t at the point itself.

        tissue    number or name: take the field of this side of its interfaces, and that of the nearest point of the
                  tissue for points beside it; None for the tissue that the point is in
        reach_mm  how far that may be; None for 1 mm with a tissue, and for rounding alone without

        NaN outside the head, or farther than that from the tissue; one log warning says how many points are, and
        where the first is.  All points in one call: each passes over all tetrahedra.  Raises FemtmsError when all are
        outside, for another shape, and for a tissue that the mesh does not have.
        """
        reach = None if reach_mm is None else 1e-3 * reach_mm
        points_mm = checked_points(points_mm, "mm")
        places = Places.of(self.mesh, 1e-3 * points_mm, tissue, reach)
        return self.E_in(places.tets, places.weights)

    @checks_kinds
    def on_surface(
        self, surface: Surface, tissue: int | str | None = "gm", reach_mm: float | None = None
    ) -> SurfaceField:
        """The field at the nodes of a surface: |E|, its components along and across, its angle.

        tissue, reach_mm  as for `at`; grey matter, as for a surface in the middle of the cortex

        Raises FemtmsError when all nodes are outside; otherwise as `at`.
        """
        reach = None if reach_mm is None else 1e-3 * reach_mm
        return self.on_placed(surface, Places.of(self.mesh, surface.nodes, tissue, reach, "nodes of the surface"))

    def on_placed(self, surface: Surface, places: Places) -> SurfaceField:
        """The same for a surface whose nodes are located already."""
        return SurfaceField(surface, sealed(self.E_in(places.tets, places.weights)), places)

    def on_grid(self, affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """E (nx,ny,nz,3) in V/m at the points of a grid, such as the voxels of an image; NaN outside the head.

        affine (4,4) from indices to mm in head coordinates, as images have it; shape (3,).  A point on an interface
        has the field of the tissue with the lowest tetrahedron there.
        Raises FemtmsError for an affine that is none, and for a shape other than three numbers.
        """
        affine, size = check_grid(affine, shape)
        E = np.full((size[0] * size[1] * size[2], 3), np.nan)
        for points, values in E_on_grid(self, affine, size):
            E[points] = values
        return E.reshape(*size, 3)

    def E_in(self, tets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """E (p,3) in V/m at points that are given by tetrahedra (p,) and barycentric coordinates (p,4).

        E = -∂A/∂t - ∇φ: ∂A/∂t is that of the coil at the point, and ∇φ is constant in a tetrahedron of linear elements
        and linear in one of quadratic elements, or the recovered one.  NaN where the tetrahedron is -1, as
        `TetMesh.locate` has it.  Raises FemtmsError for other numbers of them.
        """
        tets, weights = self._checked(tets, weights)
        E = np.full((len(tets), 3), np.nan)
        held = np.flatnonzero(tets >= 0)
        if len(held):
            own = tets[held]
            dadt = self.dadt_at(points_in(self.mesh.nodes, self.mesh.tets, own, weights[held]))
            if self.recovery == RAW:
                values = corner_values(self.mesh, self.potential, self.order, own, weights[held])
                E[held] = field_in(self.mesh.nodes, self.mesh.tets, own, values, dadt)
            else:
                E[held] = -dadt - self.recoveries.at(self.potential, own, weights[held])
        return E

    def at_nodes(self, tissue: int | str) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (q,) of a tissue, ascending, and E (q,3) in V/m there: one-sided, from this tissue's tetrahedra alone.

        Of a raw field it is the mean over the tetrahedra that meet in the node, weighted by volume; a recovered one has
        its values there.

        tissue  number or name.  Raises FemtmsError when the mesh has no such tissue.
        """
        tag = self.mesh.present_tag(tissue)
        own = np.flatnonzero(self.mesh.tags == tag)
        corners, volumes, count = self.mesh.tets[own], self.mesh.volumes[own, None, None], len(self.mesh.nodes)
        at_nodes = sums_at_nodes(corners, volumes, count)
        nodes = np.flatnonzero(at_nodes)
        if self.recovery == RAW:
            gradient = sums_at_nodes(corners, volumes * self._gradients_at_corners(own), count)[nodes] / at_nodes[nodes]
        else:
            gradient = self.recoveries.at_nodes(tag, self.potential)
        return nodes, -self.dadt_at(self.mesh.nodes[nodes]) - gradient

    def _gradients_at_corners(self, tets: np.ndarray) -> np.ndarray:
        """∇φ (m,4,3) at the corners of some tetrahedra; (m,1,3) for linear elements, where it is the same at each."""
        nothing = np.zeros((len(tets), 3))
        gradients = []
        for weights in np.eye(4) if self.order > 1 else np.eye(4)[:1]:
            at_corner = np.ascontiguousarray(np.broadcast_to(weights, (len(tets), 4)))
            values = corner_values(self.mesh, self.potential, self.order, tets, at_corner)
            gradients.append(-field_in(self.mesh.nodes, self.mesh.tets, tets, values, nothing))
        return np.stack(gradients, axis=1)

    @checks_kinds
    def relative_difference(self, other: "Field", tissue: int | str) -> float:
        """√(Σ V |E' - E|²) / √(Σ V |E'|²) in a tissue, E' that of another field of the same mesh, at the centroids.

        From linear to quadratic elements it tells the error of the linear ones: theory.md (42).
        tissue  number or name.  Raises FemtmsError for another mesh, and when the mesh has no such tissue.
        """
        if not np.array_equal(other.mesh.tets, self.mesh.tets):
            raise FemtmsError("fields must be of one mesh to be compared tetrahedron by tetrahedron; these are not")
        tets = TissueTets.of(self.mesh, self.mesh.present_tag(tissue))
        squares = ((other.E[tets.rows] - self.E[tets.rows]) ** 2).sum(axis=1)
        return float(relative_error(other.E[tets.rows], squares, tets))

    def dadt_at(self, points: np.ndarray) -> np.ndarray:
        """∂A/∂t (p,3) in V/m of the coil at points (p,3) m in head coordinates: theory.md (2, 3)."""
        boxes = HarmonicBoxes.build(points, cpu_backend())
        dadt: np.ndarray = self.didt * boxes.vector_potentials(self.coil, [self.pose])[0]
        return dadt

    def _checked(self, tets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tets, weights = np.asarray(tets), np.ascontiguousarray(weights, dtype=np.float64)
        if tets.ndim != 1 or tets.dtype.kind not in "iu" or weights.shape != (len(tets), 4):
            raise FemtmsError(
                f"tetrahedra must be (p,) whole numbers and barycentric coordinates (p,4); got {tets.shape} of "
                f"{tets.dtype} and {weights.shape}"
            )
        m = len(self.mesh.tets)
        if len(tets) and not -1 <= tets.min() <= tets.max() < m:
            raise FemtmsError(f"tetrahedra must be from -1 (outside) to {m - 1:,}; got {tets.min()} to {tets.max()}")
        return tets, weights

    @overload
    def summary(self, tissue: int | str) -> TissueSummary: ...

    @overload
    def summary(self, tissue: None = None) -> dict[str, TissueSummary]: ...

    def summary(self, tissue: int | str | None = None) -> TissueSummary | dict[str, TissueSummary]:
        """Statistics of |E| in one tissue (TissueSummary), or in every tissue as {name: TissueSummary}.

        tissue  number or name, such as "gm".  Raises FemtmsError when the mesh has no such tissue.

        The relative error is estimated for the tissue that is asked for; of all tissues, for grey matter.  It is that
        of the raw field also in the summary of a recovered one, whose `error_of` says so.
        """
        if tissue is None:
            return {name_of(tag): self._summary(int(tag), tag == Tissue.GM) for tag in self.mesh.tissues}
        return self._summary(self.mesh.present_tag(tissue), True)

    def _summary(self, tag: int, with_error: bool) -> TissueSummary:
        """Made once: tables and pictures ask for it again."""
        if (tag, with_error) not in self._summaries:
            tets = TissueTets.of(self.mesh, tag)
            error = self._relative_error(tets) if with_error else None
            found = tets.summary(statistics(self.magnE, tets), error, self.recovery == RAW)
            self._summaries[tag, with_error] = found
        return self._summaries[tag, with_error]

    @cached_property
    def _summaries(self) -> dict[tuple[int, bool], TissueSummary]:
        return {}

    def relative_error(self, tissue: int | str) -> float:
        """Estimated √(∫|ΔE|²) / √(∫|E|²) in a tissue, a share and not percent: theory.md (41); see `error`.

        tissue  number or name.  Raises FemtmsError when the mesh has no such tissue.
        """
        return self._relative_error(TissueTets.of(self.mesh, self.mesh.present_tag(tissue)))

    def _relative_error(self, tets: TissueTets) -> float:
        return float(relative_error(self.E[tets.rows], self._squares(tets.tag), tets))

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the field with its mesh: .vtu (ParaView) or .msh (Gmsh 2.2, with `E` and `magnE` per element).

        Raises FemtmsError for another suffix, or when the file exists and overwrite is False.
        """
        # here and below a data class reaches forward: users expect to save and see what they hold
        from femtms.io.results import save_field

        save_field(self, Path(path), overwrite)

    def plot(self, panels: Sequence[str] | None = None, title: str = "") -> "Figure":
        """The picture of the command line as a matplotlib Figure, which notebooks show: brain, coil, cuts at the peak.

        panels  some of "coil", "side", "above", "front", "axial", "coronal", "sagittal"; None for the usual six
        Raises FemtmsError for others.
        """
        from femtms.report.field_picture import figure_of
        from femtms.report.figures import SCREEN_DPI

        return figure_of(self, title, panels=panels, dpi=SCREEN_DPI)

    def show(self, tissue: int | str = "gm") -> Any:
        """|E| on the surface of a tissue and the coil, to turn around; what `pyvista.Plotter.show` returns.

        tissue  number or name; what is inside it is drawn with it
        Raises FemtmsError without pyvista (pip install 'femtms[view]'), and when the mesh has no such tissue.
        """
        from femtms.report.view import plotter_of

        return plotter_of(self, self.mesh.present_tag(tissue)).show()

    def _repr_html_(self) -> str:
        from femtms.report.notebook import html_of_field

        return html_of_field(self)

    def __repr__(self) -> str:
        peak = int(self.magnE.argmax())
        return (
            f"Field({self.coil.name}, {1e-6 * self.didt:g} A/µs, {len(self.E):,} tets, "
            f"peak {self.magnE[peak]:.4g} V/m in {name_of(self.mesh.tags[peak])}; "
            f"{self.iterations} iterations, residual {self.residual:.1e}, {self.device})"
        )
