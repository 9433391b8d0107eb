"""How deep a place is in a brain: below its outer envelope, sulci closed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage as ndi

from femtms.arrays import sealed, transformed
from femtms.errors import FemtmsError
from femtms.mesh.locate import rasterised
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import Tissue

BRAIN = (int(Tissue.WM), int(Tissue.GM))
CLOSING_MM = 12.0  # sulci and fissures up to twice as wide count as inside
_GRID_MM = 1.0
_AROUND_MM = 10.0  # of a place, for the direction inward
_LEAST_SLOPE = 0.3  # of depth against distance: 1 near a surface, less where two are as near
# Distances between voxels start at their centres, the outermost of which lie up to half a voxel below the surface, in
# the mean over all directions of the surface about a fifth, measured on spheres.
_BELOW = 0.22


@dataclass(frozen=True, eq=False, repr=False)
class BrainEnvelope:
    """The outer envelope of white and grey matter: the brain after a morphological closing by a ball of CLOSING_MM.

    to_grid  (4,4), head coordinates in m -> indices of the grid
    below    (nx,ny,nz) float32, m below the envelope; above it negative, down to minus the radius of the ball

    With D the dilated brain, a place in the closed brain is the radius less deep than its distance from the outside of
    D: erosion by a ball takes off just that.  What does not reach the border of the grid, such as a ventricle, is
    inside.
    """

    to_grid: np.ndarray
    below: np.ndarray

    @classmethod
    def of(cls, mesh: TetMesh, closing_mm: float = CLOSING_MM) -> "BrainEnvelope":
        """That of a head.  Raises FemtmsError when it has neither white nor grey matter."""
        inside = np.isin(mesh.tags, BRAIN)
        if not inside.any():
            raise FemtmsError("the head must have white or grey matter (tissues 1, 2) for depths in the brain")
        tets = mesh.tets[inside]
        used = mesh.nodes[np.unique(tets)]
        step, radius = 1e-3 * _GRID_MM, 1e-3 * closing_mm
        margin = radius + 3 * step
        low = used.min(axis=0) - margin
        nx, ny, nz = np.ceil((used.max(axis=0) + margin - low) / step).astype(int) + 1
        affine = np.diag([step, step, step, 1.0])
        affine[:3, 3] = low
        brain = rasterised(mesh.nodes, tets, affine, (int(nx), int(ny), int(nz))) >= 0
        if not brain.any():
            raise FemtmsError(f"the brain must be larger than {_GRID_MM:g} mm; is the head in another unit?")
        outside = ndi.distance_transform_edt(~brain) * step >= radius
        pieces, _ = ndi.label(outside)
        below = ndi.distance_transform_edt(pieces != pieces[0, 0, 0]) * step - radius + _BELOW * step
        return cls(sealed(np.linalg.inv(affine)), sealed(below.astype(np.float32)))

    def depths(self, points: np.ndarray) -> np.ndarray:
        """m (n,) below the envelope of points (n,3) m; negative above it, not below minus the radius of the closing."""
        depths: np.ndarray = ndi.map_coordinates(
            self.below, transformed(points, self.to_grid).T, order=1, mode="nearest", output=np.float64
        )
        return depths

    def inward(self, point: np.ndarray) -> np.ndarray | None:
        """The direction (3,) in which depth grows around a point (3,) m; None where it does not, as in the innermost.

        It is the slope of the plane that fits the depths within _AROUND_MM best: folds that the closing left do not
        turn it.
        """
        axis = np.linspace(-_AROUND_MM, _AROUND_MM, 9)
        steps = 1e-3 * np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        steps = steps[np.linalg.norm(steps, axis=1) <= 1e-3 * _AROUND_MM]  # in opposite pairs: no constant to fit
        slope = self.depths(point + steps) @ steps / (steps**2).sum(axis=0)
        steepness = float(np.linalg.norm(slope))
        return slope / steepness if steepness > _LEAST_SLOPE else None

    @cached_property
    def deepest(self) -> float:
        """The depth in m of the innermost place."""
        return float(self.below.max())
