"""The tetrahedral mesh: frozen arrays, checked once when they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from femtms.arguments import checks_kinds
from femtms.arrays import frozen, sealed
from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.kernels.cpu import signed_volumes
from femtms.kernels.faces import OUTSIDE, face_neighbours
from femtms.mesh.cells import Cells
from femtms.mesh.edges import numbered_edges
from femtms.mesh.enclose import outer_surface
from femtms.mesh.halve import halved
from femtms.mesh.locate import located
from femtms.mesh.quality import Quality, quality_of
from femtms.mesh.surface import OUTWARD_FACES, Surface, without_cavities
from femtms.mesh.triangle_tree import TriangleTree
from femtms.tissue import is_within, name_of, tag_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class TetMesh:
    """A head as tetrahedra, each of one tissue.

    nodes      (n,3) float64, m, head coordinates (right, anterior, superior)
    tets       (m,4) int32, indices into nodes; positively oriented: det(x1-x0, x2-x0, x3-x0) > 0
    tags       (m,) int32, tissue number of each tetrahedron (see femtms.tissue)
    landmarks  name -> (3,) m, electrode positions and the like, where the head has them
    notes      one sentence for each thing that was dropped, repaired or noticed on the way to this mesh
    seconds    stage of meshing -> seconds, where the mesh was made here
    tissue_array  name of the array that gave the tissues, where the mesh is from a file
    labels_ml  tissue number -> mL by the labels, where it was made of a label volume

    Raises FemtmsError when an array has the wrong shape, a coordinate is not finite, an index is out of
    range, or a tetrahedron is inverted or has no volume.
    """

    nodes: np.ndarray
    tets: np.ndarray
    tags: np.ndarray
    landmarks: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    tissue_array: str = ""
    labels_ml: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kinds in (("nodes", "fiu"), ("tets", "iu"), ("tags", "iu")):
            given = np.asarray(getattr(self, name))
            if given.dtype.kind not in kinds:
                raise FemtmsError(f"{name} must be {'numbers' if 'f' in kinds else 'whole numbers'}; got {given.dtype}")
            if name != "nodes" and given.size and (given.min() < 0 or given.max() >= 2**31):
                raise FemtmsError(f"{name} must be from 0 to 2^31 - 1; got {given.min()} to {given.max()}")
            object.__setattr__(self, name, frozen(given, np.float64 if name == "nodes" else np.int32))
        object.__setattr__(self, "landmarks", dict(self.landmarks))
        self._check()

    def _check(self) -> None:
        n, m = len(self.nodes), len(self.tets)
        if self.nodes.ndim != 2 or self.nodes.shape[1] != 3:
            raise FemtmsError(f"nodes must be (n,3); got {self.nodes.shape}")
        if self.tets.ndim != 2 or self.tets.shape[1] != 4 or m == 0:
            raise FemtmsError(f"tets must be (m,4) with at least one tetrahedron; got {self.tets.shape}")
        if self.tags.shape != (m,):
            raise FemtmsError(f"tags must be ({m},), one for each tetrahedron; got {self.tags.shape}")
        if self.tags.min() < 1:
            raise FemtmsError(f"tags must be ≥ 1 (0 is air, which is not meshed); got {self.tags.min()}")
        if not np.isfinite(self.nodes).all():
            first = int(np.flatnonzero(~np.isfinite(self.nodes).all(axis=1))[0])
            raise FemtmsError(f"node coordinates must be finite; node {first} is {self.nodes[first]}")
        if self.tets.max() >= n:
            raise FemtmsError(f"tets must index the {n:,} nodes; got indices {self.tets.min()} to {self.tets.max()}")
        # A sliver whose volume is lost in rounding would put infinities into K.
        bad = np.flatnonzero(self.volumes <= 1e-12 * self.extent**3)  # few; no edge is longer than the mesh
        smallest = 1e-12 * self._longest_edges(bad) ** 3
        bad, smallest = bad[self.volumes[bad] <= smallest], smallest[self.volumes[bad] <= smallest]
        if len(bad):
            first = int(bad[0])
            kind = "inverted (negative volume)" if self.volumes[first] < -smallest[0] else "flat (zero volume)"
            x, y, z = 1e3 * self.nodes[self.tets[first]].mean(axis=0)
            raise FemtmsError(
                f"every tetrahedron must have a positive volume; {len(bad):,} of {m:,} have not: "
                f"tet {first} at ({x:.1f}, {y:.1f}, {z:.1f}) mm is {kind}"
            )

    @property
    def landmarks_mm(self) -> dict[str, np.ndarray]:
        """Name -> (3,) in mm, as `place` takes places; landmarks are in m."""
        return {name: 1e3 * position for name, position in self.landmarks.items()}

    @cached_property
    def volumes(self) -> np.ndarray:
        """Signed volumes (m,) in m³: det(x1-x0, x2-x0, x3-x0)/6."""
        return sealed(signed_volumes(self.nodes, self.tets))

    @cached_property
    def extent(self) -> float:
        """Longest side in m of the box around the nodes."""
        return float((self.nodes.max(axis=0) - self.nodes.min(axis=0)).max())

    @cached_property
    def centroids(self) -> np.ndarray:
        """Centroids (m,3) in m."""
        return sealed(sum((self.nodes[self.tets[:, i]] for i in range(1, 4)), self.nodes[self.tets[:, 0]]) / 4.0)

    @property
    def edges(self) -> np.ndarray:
        """Edges (e,2) as pairs of nodes, the lower first, in ascending order."""
        return self._edges[0]

    @property
    def tet_edges(self) -> np.ndarray:
        """Which edges (m,6) lie between the corners 01, 12, 02, 03, 13, 23 of each tetrahedron: scikit-fem's order."""
        return self._edges[1]

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        edges, tet_edges = numbered_edges(self.tets, len(self.nodes))
        return sealed(edges), sealed(tet_edges)

    def touched(self, chosen: np.ndarray) -> np.ndarray:
        """Mask (n,) of the nodes of the chosen (m,) tetrahedra."""
        mask = np.zeros(len(self.nodes), bool)
        mask[self.tets[chosen]] = True
        return mask

    @cached_property
    def behind(self) -> np.ndarray:
        """The tetrahedron (m,4) int32 behind the face opposite each corner: see `femtms.kernels.faces`."""
        return sealed(face_neighbours(self.tets, len(self.nodes))[0])

    @cached_property
    def outer_faces(self) -> np.ndarray:
        """Triangles (f,3) between the head and what is around it or in its cavities, oriented outward."""
        return self.faces_around(np.ones(len(self.tets), bool))

    def faces_around(self, chosen: np.ndarray) -> np.ndarray:
        """Triangles (f,3) between the chosen (m,) tetrahedra and all else, oriented outward."""
        tets = np.flatnonzero(chosen)
        behind = self.behind[tets]
        row, face = np.nonzero((behind == OUTSIDE) | ((behind >= 0) & ~chosen[behind]))
        return sealed(self.tets[tets[row, None], OUTWARD_FACES[face]])

    @cached_property
    def outer_nodes(self) -> np.ndarray:
        """Corners (s,3) in m of the outer faces, each once: no point of the head is beyond all of them."""
        return sealed(self.nodes[np.unique(self.outer_faces)])

    @cached_property
    def skin(self) -> TriangleTree:
        """The outer faces without those of closed cavities, to be asked how far something is from the head."""
        return TriangleTree.build(self.nodes[without_cavities(self.nodes, self.outer_faces)])

    @cached_property
    def cells(self) -> Cells:
        """The tetrahedra by the cells of a grid, for finding out which points are in the mesh."""
        return Cells.build(self.nodes, self.tets)

    def present_tag(self, tissue: int | str) -> int:
        """The number of a tissue of the mesh from its number or name.  Raises FemtmsError when it has no such one."""
        tag = tag_of(tissue)
        if tag not in self.tissues:
            present = ", ".join(name_of(t) for t in self.tissues)
            raise FemtmsError(f"the mesh must have the tissue that is asked for; it has {present}, not '{tissue}'")
        return tag

    def locate(
        self, points: np.ndarray, tissue: int | str | None = None, reach: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tetrahedron (p,) int32 that holds each of points (p,3) m, -1 outside, and barycentric coordinates (p,4).

        tissue  number or name: only its tetrahedra count, from one side of its interfaces; None for all
        reach   m; a point that no such tetrahedron holds is taken to the nearest point of the nearest one if that is
                less far away, and is outside otherwise.  None for 1 mm with a tissue (cortical surfaces poke out of
                grey matter), and for 0.1 µm without (rounding in files)

        On a shared face the lowest tetrahedron wins.  The coordinates are of the point where the field is to be taken:
        none is negative, they add up to 1, and they are NaN outside.  Points that are NaN or infinite are outside.
        All points in one call: it passes over all tetrahedra.
        Raises FemtmsError for another shape, a negative reach and a tissue that the mesh does not have.
        """
        tag = None if tissue is None else self.present_tag(tissue)
        return located(self.nodes, self.tets, self.tags, points, tag, reach)

    def surface(self, tissue: int | str, largest: bool = False) -> Surface:
        """The closed outer surface of a tissue and all that is inside it, as a Surface (m).

        tissue   number or name; the nesting is wm < gm < csf < bone < scalp (all bones alike, blood as csf), so "gm"
                 bounds white and grey matter together and "scalp" the whole mesh.  A tissue that has no place there,
                 such as the eyes or an unknown number, bounds just itself.
        largest  keep only the piece with the largest volume, without loose crumbs

        Cavities are filled: what cannot be reached from outside through faces of tetrahedra, such as ventricles or air
        sinuses.  Where the tetrahedra touch in a node or an edge only, nodes are there once for each side, and a few
        are added in the middle of an edge, so that every edge has exactly two triangles.
        Raises FemtmsError for an unknown name, a tissue that the mesh does not have, and tetrahedra that overlap.
        """
        tag = self.present_tag(tissue)
        within = [t for t in self.tissues if is_within(int(t), tag)]
        nodes, triangles = outer_surface(self.nodes, self.tets, np.isin(self.tags, within), largest)
        return Surface(nodes, triangles, name_of(tag))

    @property
    def longest_edges(self) -> np.ndarray:
        """An upper scale of each tetrahedron (m,) in m: the longest of the three edges at its node 0."""
        return self._longest_edges(slice(None))

    def _longest_edges(self, rows: np.ndarray | slice) -> np.ndarray:
        """Those of some tetrahedra."""
        tets = self.tets[rows]
        x0 = self.nodes[tets[:, 0]]
        edges = [np.einsum("md,md->m", d, d) for d in (self.nodes[tets[:, i]] - x0 for i in (1, 2, 3))]
        longest: np.ndarray = np.sqrt(np.maximum.reduce(edges))
        return longest

    @cached_property
    def tissues(self) -> np.ndarray:
        """Sorted tissue numbers that occur in the mesh."""
        return sealed(np.unique(self.tags))

    def refined(self, chosen: np.ndarray | None = None) -> "TetMesh":
        """The same head in smaller tetrahedra: those that are chosen have half their edges, or all if none are given.

        chosen  (m,) bool, or indices of tetrahedra; neighbours are cut as far as a conforming mesh of good shape needs

        Surfaces and interfaces stay where they are: this makes fields more accurate, not the geometry.
        Raises FemtmsError for what does not choose tetrahedra of this mesh.
        """
        m = len(self.tets)
        mask = np.ones(m, bool)
        if chosen is not None:
            chosen = np.asarray(chosen)
            chosen = chosen.astype(np.int64) if chosen.size == 0 else chosen
            is_mask = chosen.dtype == bool and chosen.shape == (m,)
            is_list = chosen.dtype.kind in "iu" and chosen.ndim == 1 and (chosen.size == 0 or 0 <= chosen.min())
            if not (is_mask or (is_list and (chosen.size == 0 or chosen.max() < m))):
                raise FemtmsError(
                    f"chosen must be a mask ({m},) or indices of tetrahedra from 0 to {m - 1}; got {chosen.dtype} "
                    f"{chosen.shape}"
                )
            mask = np.zeros(m, bool)
            mask[chosen] = True
        nodes, tets, counts = halved(self.nodes, self.tets, self.edges, self.tet_edges, mask)
        return TetMesh(nodes, tets, np.repeat(self.tags, counts), self.landmarks, self.notes, labels_ml=self.labels_ml)

    @checks_kinds
    def quality(self, labels: LabelVolume | None = None) -> Quality:
        """Shapes, topology, volumes and interfaces of the mesh, compared with the labels where they are given."""
        return quality_of(self.nodes, self.tets, self.tags, labels)

    def plot(self, title: str = "") -> "Figure":
        """Two cuts, a detail and the dihedral angles as a matplotlib Figure, which notebooks show."""
        from femtms.report.figures import SCREEN_DPI
        from femtms.report.mesh_picture import mesh_figure

        return mesh_figure(self, title, SCREEN_DPI)

    def _repr_html_(self) -> str:
        from femtms.report.notebook import html_of_mesh

        return html_of_mesh(self)

    def __repr__(self) -> str:
        names = ", ".join(name_of(t) for t in self.tissues[:6]) + (", …" if len(self.tissues) > 6 else "")
        return (
            f"TetMesh({len(self.nodes):,} nodes, {len(self.tets):,} tets, "
            f"{len(self.tissues)} tissues: {names}; {1e3 * self.volumes.sum():.2f} L)"
        )
