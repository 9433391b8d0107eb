"""What coils are made of: magnetic dipoles and current elements, each for 1 A in the coil."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from femtms.arrays import sealed
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.kernels.magnetic import current_flux, dipole_flux


@dataclass(frozen=True, eq=False)
class CoilElements:
    """positions (d,3) in m and one vector (d,3) at each; the unit of the vectors is the subclass's.

    stimulator  which of the coil's stimulators drives them, from 0
    """

    positions: np.ndarray
    vectors: np.ndarray
    stimulator: int = 0

    def __post_init__(self) -> None:
        for name in ("positions", "vectors"):
            value = np.array(getattr(self, name), dtype=np.float64, order="C")
            if value.ndim != 2 or value.shape[1] != 3:
                raise FemtmsError(f"{name} of coil elements must be (d,3); got {value.shape}")
            if not np.isfinite(value).all():
                bad = int(np.flatnonzero(~np.isfinite(value).all(axis=1))[0])
                raise FemtmsError(f"{name} of coil elements must be finite; element {bad} is {value[bad]}")
            object.__setattr__(self, name, sealed(value))
        if len(self.positions) != len(self.vectors):
            raise FemtmsError(
                f"each coil element must have a position and a vector; "
                f"got {len(self.positions)} positions and {len(self.vectors)} vectors"
            )
        if len(self.positions) == 0:
            raise FemtmsError("a coil needs at least one element; got none")

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers that A depends on, for hashes."""
        return self.positions, self.vectors

    def moved(self, pose: Pose) -> "CoilElements":
        """The same elements in head coordinates."""
        return replace(self, positions=pose.in_head(self.positions), vectors=self.vectors @ pose.rotation.T)

    def scaled(self, factor: float) -> "CoilElements":
        """The elements with `factor` amperes in them."""
        return replace(self, vectors=factor * self.vectors)

    def driven_by(self, stimulator: int) -> "CoilElements":
        """The same elements, driven by another stimulator."""
        return replace(self, stimulator=stimulator)

    def potential(self, points: Any, kernels: Any) -> Any:
        """A (n,3) in T·m for 1 A, at points (n,3) m on the kernels' device."""
        raise NotImplementedError

    def flux_density(self, points: np.ndarray) -> np.ndarray:
        """B (n,3) in T for 1 A, at points (n,3) m."""
        raise NotImplementedError


class Dipoles(CoilElements):
    """Magnetic dipoles; vectors are the moments per ampere, A·m²/A = m²."""

    def potential(self, points: Any, kernels: Any) -> Any:
        """A (n,3) in T·m for 1 A: theory.md (2)."""
        return kernels.dipole_potential(points, self.positions, self.vectors)

    def flux_density(self, points: np.ndarray) -> np.ndarray:
        """B (n,3) in T for 1 A: the curl of theory.md (2)."""
        return np.asarray(dipole_flux(points, self.positions, self.vectors))


class Currents(CoilElements):
    """Current elements; vectors are the pieces dl of the wire in m."""

    def potential(self, points: Any, kernels: Any) -> Any:
        """A (n,3) in T·m for 1 A: theory.md (3)."""
        return kernels.current_potential(points, self.positions, self.vectors)

    def flux_density(self, points: np.ndarray) -> np.ndarray:
        """B (n,3) in T for 1 A: the curl of theory.md (3)."""
        return np.asarray(current_flux(points, self.positions, self.vectors))
