"""A coil: the sources of A in the coil's own frame."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from femtms.coil.elements import CoilElements
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.kernels import cpu


@dataclass(frozen=True, eq=False, repr=False)
class Coil:
    """A stimulation coil for 1 A.

    name      for messages and reports
    elements  Dipoles and Currents in m; in the coil's frame z points into the head and z = 0 faces it
    outlines  polylines (p,3) m of the windings, for pictures only
    max_didt  largest rate of change of the current its stimulator gives, A/s; None where not known
    source    where the model is from
    """

    name: str
    elements: tuple[CoilElements, ...]
    outlines: tuple[np.ndarray, ...] = ()
    max_didt: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.elements:
            raise FemtmsError(f"coil '{self.name}' must have at least one element; got none")

    @property
    def positions(self) -> np.ndarray:
        """Positions (d,3) in m of all elements."""
        return np.concatenate([group.positions for group in self.elements])

    def moved(self, pose: Pose) -> "Coil":
        """The same coil in head coordinates."""
        return replace(
            self,
            elements=tuple(group.moved(pose) for group in self.elements),
            outlines=tuple(pose.in_head(line) for line in self.outlines),
        )

    def vector_potential(self, points: Any, kernels: Any = cpu) -> Any:
        """A (n,3) in T·m for a current of 1 A, at points (n,3) m in the frame of the coil: theory.md (2, 3).

        -∂A/∂t in V/m is this times -dI/dt in A/s.  Infinite at an element.
        """
        if kernels is cpu:
            points = np.ascontiguousarray(points, dtype=np.float64)
            if points.ndim != 2 or points.shape[1] != 3:
                raise FemtmsError(f"points must be (n,3) in m; got {points.shape}")
        return sum(group.potential(points, kernels) for group in self.elements)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{len(group):,} {type(group).__name__.lower()}" for group in self.elements)
        low, high = 1e3 * self.positions.min(axis=0), 1e3 * self.positions.max(axis=0)
        size = "×".join(f"{d:.0f}" for d in high - low)
        limit = "" if self.max_didt is None else f"; at most {1e-6 * self.max_didt:.4g} A/µs"
        return f"Coil({self.name}: {kinds}; {size} mm{limit})"
