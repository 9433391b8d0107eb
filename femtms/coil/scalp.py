"""The scalp that coils are placed on: where one touches it, how it lies there, and the way along it to other places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.kernels.triangles import walk
from femtms.mesh.surface import triangle_normals
from femtms.mesh.tetmesh import TetMesh
from femtms.mesh.triangle_tree import TriangleTree

# A coil lies on a patch of scalp of about this radius; it also averages the facets of a coarse mesh.
PATCH_MM = 15.0
_LEAST_CLEAR = 0.1  # |mean normal| / mean |normal|: cavities that open to the outside have walls whose normals cancel
_STEP_MM = 1.0  # along the scalp


@dataclass(frozen=True, eq=False)
class Seat:
    """A place on the scalp, and how a coil lies there.

    foot     (3,) m
    outward  (3,) unit normal
    y        (3,) unit vector along the scalp: the coil's y
    """

    foot: np.ndarray
    outward: np.ndarray
    y: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The coil's x: y × z, with z into the head."""
        return np.cross(self.y, -self.outward)

    def turned(self, degrees: float) -> "Seat":
        """The same place with the coil turned about its z, right-handed: seen from outside, clockwise."""
        a = np.radians(degrees)
        return Seat(self.foot, self.outward, np.cos(a) * self.y - np.sin(a) * self.x)


@dataclass(frozen=True, eq=False)
class Scalp:
    """The outer faces of a head, made ready once for any number of places.

    tree     of the faces
    centres  (f,3) m of the faces, and their area vectors (f,3) in m², outward
    """

    tree: TriangleTree
    centres: cKDTree
    areas: np.ndarray

    @classmethod
    def of(cls, mesh: TetMesh) -> "Scalp":
        """That of a mesh."""
        areas = triangle_normals(mesh.nodes, mesh.outer_faces)
        triangles = mesh.nodes[mesh.outer_faces]
        return cls(TriangleTree.build(triangles), cKDTree(triangles.mean(axis=1)), areas)

    def outward(self, foot: np.ndarray, shown: str) -> np.ndarray:
        """Unit normal (3,) at a point (3,) m of the scalp: the mean over the scalp within 15 mm.

        Raises FemtmsError where there is none; it calls the place what `shown` says.
        """
        # at least the triangle underneath, however coarse the mesh
        radius = max(1e-3 * PATCH_MM, 2 * float(self.centres.query(foot)[0]))
        patch = self.centres.query_ball_point(foot, radius)
        # weights that fade out: otherwise a facet that just makes it into the patch would tilt the coil
        fade = 1 - ((self.centres.data[patch] - foot) ** 2).sum(axis=1) / radius**2
        outward: np.ndarray = fade @ self.areas[patch]
        # cavities that open to the outside have walls whose normals cancel; they must not decide
        if np.linalg.norm(outward) <= _LEAST_CLEAR * (fade @ np.linalg.norm(self.areas[patch], axis=1)):
            raise FemtmsError(f"the surface around {shown} has no clear normal; choose a place on the scalp")
        outward /= np.linalg.norm(outward)
        return outward

    def moved(self, seat: Seat, offset_mm: Sequence[float]) -> Seat:
        """The seat at offset_mm (u, v) along the scalp: u in its y, v in its x, straight on.

        The discrete exponential map: √(u² + v²) mm in steps along the tangent and down to the scalp, and y is taken
        along without a turn (parallel transport).  So places around one point have directions that fit together.
        Raises FemtmsError where the scalp does not go on.
        """
        u, v = 1e-3 * np.asarray(offset_mm, dtype=np.float64)
        length = float(np.hypot(u, v))
        if length == 0:
            return seat
        foot, along, outward, left = walk(
            seat.foot,
            (u * seat.y + v * seat.x) / length,
            length,
            1e-3 * _STEP_MM,
            1e-3 * PATCH_MM,
            _LEAST_CLEAR,
            self.tree.triangles,
            self.tree.low,
            self.tree.high,
        )
        if left > 1e-6 * length:
            x, y, z = 1e3 * foot
            raise FemtmsError(
                f"the scalp must go on for {1e3 * length:.1f} mm from the place to the offset ({1e3 * u:g}, "
                f"{1e3 * v:g}) mm; it ends after {1e3 * (length - left):.1f} mm, at ({x:.1f}, {y:.1f}, {z:.1f}) mm"
            )
        # y has kept its angle with the way
        return Seat(foot, outward, (u * along - v * np.cross(outward, along)) / length)

    def pose(self, seat: Seat, gap_mm: float) -> Pose:
        """The pose of a coil whose origin is gap_mm from the nearest point of the scalp, outward of the seat.

        Raises FemtmsError where no such point is.
        """
        y, z = seat.y, -seat.outward
        matrix = np.eye(4)
        matrix[:3, :3] = np.column_stack([np.cross(y, z), y, z])
        matrix[:3, 3] = 1e3 * self._lifted(seat, 1e-3 * gap_mm)
        return Pose(matrix)

    def _lifted(self, seat: Seat, gap: float) -> np.ndarray:
        """The point (3,) on the ray outward of the seat whose nearest point of the scalp is `gap` away; in m."""
        # from well outside inwards: the distance bounds how far a step can go without passing the surface
        height = gap + 2e-3 * PATCH_MM
        for _ in range(200):
            lifted: np.ndarray = seat.foot + height * seat.outward
            excess = float(self.tree.nearest(lifted[None])[1][0]) - gap
            height -= excess
            if abs(excess) < 1e-7:
                return lifted
        raise FemtmsError(f"no point above this place is {1e3 * gap:g} mm from the scalp; choose another place or gap")
