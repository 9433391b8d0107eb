"""A of a coil as samples on a grid, interpolated by cubic polynomials."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from femtms.arrays import frozen
from femtms.coil.pose import IDENTITY, Pose
from femtms.errors import FemtmsError
from femtms.kernels.magnetic import sampled_flux
from femtms.kernels.sampled import ON_THE_RIM

_FEWEST = 4  # samples along an axis, for a cubic
_LARGEST = 1e6  # T·m per A that no coil has by far: it is garbage, and sums of it may overflow

OUTSIDE = ("error", "zero")


@dataclass(frozen=True, eq=False)
class SampledField:
    """A for 1 A at the points of a grid.

    values      (nx,ny,nz,3) in T·m per A, vectors in the grid's frame
    affine      (4,4) from voxel indices to m in that frame
    outside     what A is outside the grid: "error", or "zero"
    stimulator  which of the coil's stimulators drives it
    pose        the grid's frame in that of the coil or, once moved, of the head

    Between the samples A is a tensor product of cubic polynomials through the four nearest samples along each axis, at
    the rim those at the rim, so the error falls with the fourth power of the voxel's size everywhere in the grid
    (Lagrange's formula: Abramowitz & Stegun 1964, 25.2.13).
    Raises FemtmsError for wrong shapes, values that are not finite or absurdly large, fewer than 4 samples along an
    axis, and an affine that is none.
    """

    values: np.ndarray
    affine: np.ndarray
    outside: str = "error"
    stimulator: int = 0
    pose: Pose = IDENTITY

    def __post_init__(self) -> None:
        values, affine = np.asarray(self.values, np.float64), np.array(self.affine, np.float64)
        if values.ndim != 4 or values.shape[3] != 3 or min(values.shape[:3]) < _FEWEST:
            raise FemtmsError(
                f"a sampled A must be (nx,ny,nz,3) with at least {_FEWEST} samples along each axis; got {values.shape}"
            )
        if not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values).all(axis=-1))[0].tolist()
            raise FemtmsError(f"a sampled A must be finite; at voxel {bad} it is not")
        if np.abs(values).max() > _LARGEST:
            raise FemtmsError(f"a sampled A must be in T·m per A; its largest component is {np.abs(values).max():.3g}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-30:
            raise FemtmsError("the affine of a sampled A must be an invertible 4×4 matrix")
        if not np.array_equal(affine[3], [0, 0, 0, 1]):
            last = " ".join(f"{x:g}" for x in affine[3])
            raise FemtmsError(f"the last row of the affine of a sampled A must be 0 0 0 1; got {last}")
        if self.outside not in OUTSIDE:
            raise FemtmsError(f"outside must be one of {', '.join(OUTSIDE)}; got '{self.outside}'")
        object.__setattr__(self, "values", frozen(values))
        object.__setattr__(self, "affine", frozen(affine))

    def __len__(self) -> int:
        return int(np.prod(self.values.shape[:3]))

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers that A depends on, for hashes."""
        return self.values, self.affine, self.pose.matrix

    def moved(self, pose: Pose) -> "SampledField":
        """The same field in head coordinates."""
        return replace(self, pose=Pose(pose.matrix @ self.pose.matrix))

    def scaled(self, factor: float) -> "SampledField":
        """The field of `factor` amperes."""
        return replace(self, values=factor * self.values)

    def driven_by(self, stimulator: int) -> "SampledField":
        """The same field, driven by another stimulator."""
        return replace(self, stimulator=stimulator)

    def overhang(self, points: np.ndarray) -> np.ndarray:
        """How far (n,) in m points (n,3) m are outside the grid; 0 inside."""
        matrix, offset = self._to_indices()
        index = points @ matrix.T + offset
        last = np.array(self.values.shape[:3]) - 1.0
        beyond = index - np.clip(index, 0, last)
        beyond[np.abs(beyond) < ON_THE_RIM] = 0
        distance: np.ndarray = np.linalg.norm(beyond @ self.affine[:3, :3].T, axis=1)
        return distance

    def check_covers(self, points: np.ndarray, what: str = "the points") -> None:
        """Raise FemtmsError when points (n,3) m are outside the grid, unless `outside` is "zero"."""
        if self.outside == "zero":
            return
        overhang = self.overhang(points)
        if overhang.max(initial=0) > 0:
            raise FemtmsError(
                f"the grid of the coil's sampled A must hold all of {what}; {np.count_nonzero(overhang):,} of "
                f"{len(points):,} points are outside, up to {1e3 * overhang.max():.1f} mm: use a larger grid, or "
                f"--outside zero (outside='zero') to take A as 0 there"
            )

    def potential(self, points: Any, kernels: Any) -> Any:
        """A (n,3) in T·m for 1 A, at points (n,3) m on the kernels' device; 0 outside the grid."""
        return kernels.cubic_potential(points, *self._to_indices(), self.values, self.pose.rotation)

    def flux_density(self, points: np.ndarray) -> np.ndarray:
        """B (n,3) in T for 1 A, at points (n,3) m: the curl of the cubics; 0 outside the grid."""
        return np.asarray(sampled_flux(points, *self._to_indices(), self.values, self.pose.rotation))

    def _to_indices(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix (3,3) and offset (3,) that make voxel indices of points in m: index = matrix @ point + offset."""
        inverse = np.linalg.inv(self.affine)
        matrix = inverse[:3, :3] @ self.pose.rotation.T
        return matrix, inverse[:3, 3] - matrix @ self.pose.centre
