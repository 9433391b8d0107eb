"""Diffusion tensors in voxels, and what they are at a point."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from femtms.arrays import frozen, transformed
from femtms.conductivity.frames import check_affine, tensor_axes
from femtms.conductivity.tensor import turned
from femtms.errors import FemtmsError


@dataclass(frozen=True, eq=False, repr=False)
class TensorVolume:
    """A symmetric tensor in each voxel; a voxel with six zeros has none.

    components  (nx,ny,nz,6) xx, xy, xz, yy, yz, zz with respect to the axes of head coordinates (right, anterior,
                superior); of diffusion in any unit
    affine      (4,4) voxel indices -> head coordinates in mm
    name        for messages and reports

    Raises FemtmsError for another shape, an affine that is not an invertible 4×4 matrix, and no voxel with a tensor.
    """

    components: np.ndarray
    affine: np.ndarray
    name: str = "tensors"

    def __post_init__(self) -> None:
        given = np.asarray(self.components)
        if given.ndim != 4 or given.shape[3] != 6 or 0 in given.shape:
            raise FemtmsError(
                f"{self.name}: tensors must have three dimensions and six components in each voxel; "
                f"got shape {given.shape}"
            )
        if given.dtype.kind not in "fiu":
            raise FemtmsError(f"{self.name}: tensors must be numbers; got {given.dtype}")
        dtype = given.dtype if given.dtype in (np.float32, np.float64) else np.float64
        object.__setattr__(self, "components", frozen(given, dtype))
        affine = np.asarray(self.affine, dtype=np.float64)
        check_affine(affine, self.name)
        object.__setattr__(self, "affine", frozen(affine))
        if not self.voxels:
            raise FemtmsError(
                f"{self.name}: at least one voxel must have a tensor; all {np.prod(given.shape[:3]):,} are zero or NaN"
            )

    @classmethod
    def in_frame(
        cls, components: np.ndarray, affine: np.ndarray, frame: str = "fsl", name: str = "tensors"
    ) -> "TensorVolume":
        """Of components (nx,ny,nz,6) that refer to other axes: see `tensor_axes` for the frames."""
        return cls(turned(components, tensor_axes(affine, frame)), affine, name)

    @property
    def voxels(self) -> int:
        """How many voxels have a tensor."""
        return int(self._usable(self.components).sum())

    @property
    def affine_mm(self) -> np.ndarray:
        """The same as affine."""
        return self.affine

    @property
    def voxel_mm(self) -> np.ndarray:
        """Voxel edge lengths (3,) in mm."""
        lengths: np.ndarray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def corners_mm(self) -> np.ndarray:
        """The eight corners (8,3) of the grid in mm."""
        ends = [(-0.5, n - 0.5) for n in self.components.shape[:3]]
        return transformed(np.array(list(product(*ends))), self.affine)

    def at(self, points: np.ndarray) -> np.ndarray:
        """Components (p,6) at points (p,3) in m; zeros where there is no tensor, NaN where the voxel's is not finite.

        Trilinear between the centres of the voxels, component by component: a linear field of tensors comes out as it
        is, and a mean of positive-definite tensors is one again.  Voxels without a finite tensor have no weight.
        Whether there is a tensor at all, the voxel that holds the point decides: the brain does not grow.
        """
        grid = transformed(1e3 * np.asarray(points, np.float64), np.linalg.inv(self.affine))
        shape = np.array(self.components.shape[:3])
        result = np.zeros((len(grid), 6))
        inside = np.flatnonzero(((grid > -0.5) & (grid < shape - 0.5)).all(axis=1))
        own = self.components[tuple(np.rint(grid[inside]).astype(np.intp).T)]
        has = self._usable(own)
        result[inside[~has & ~np.isfinite(own).all(axis=1)]] = np.nan
        inside = inside[has]

        lower = np.floor(grid[inside]).astype(np.intp)
        part = grid[inside] - lower
        total, weights = np.zeros((len(inside), 6)), np.zeros((len(inside), 1))
        for corner in product((0, 1), repeat=3):
            there = lower + corner
            on_grid = ((there >= 0) & (there < shape)).all(axis=1)
            value = self.components[tuple(np.clip(there, 0, shape - 1).T)]
            usable = on_grid & self._usable(value)
            weight = np.where(usable, np.where(corner, part, 1 - part).prod(axis=1), 0)[:, None]
            total += weight * np.where(usable[:, None], value, 0)
            weights += weight
        result[inside] = total / weights  # the voxel that holds the point has at least 1/8 of the weight
        return result

    @staticmethod
    def _usable(components: np.ndarray) -> np.ndarray:
        """Whether there is a tensor, and a finite one."""
        usable: np.ndarray = np.isfinite(components).all(axis=-1) & (components != 0).any(axis=-1)
        return usable

    def __repr__(self) -> str:
        nx, ny, nz = self.components.shape[:3]
        dx, dy, dz = self.voxel_mm
        return (
            f"TensorVolume({self.name}: {nx}×{ny}×{nz} voxels of {dx:.3g}×{dy:.3g}×{dz:.3g} mm, "
            f"{self.voxels:,} with a tensor)"
        )
