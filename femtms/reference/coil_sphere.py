"""The exact field of any coil in a sphere, at any point: what windings are measured against."""

from dataclasses import dataclass

import numpy as np

from femtms.analysis.sphere import ToroidalField
from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.reference.solid_harmonics import SolidHarmonics


@dataclass(frozen=True, eq=False)
class CoilFieldInSphere:
    """E inside a sphere about the origin, whatever its layers: theory.md (24), which is x × ∇ψ with a harmonic ψ.

    stream  ψ in V for the rate of change of the current that it was made for
    """

    stream: SolidHarmonics

    @classmethod
    def of(cls, coil: Coil, pose: Pose, didt: float, radius: float, degree: int) -> "CoilFieldInSphere":
        """That of a coil outside, as a series up to a degree, for points up to `radius` m from the origin.

        What is left out falls like (radius / distance of the nearest element from the origin)^degree.
        """
        # with the alternating sign of scipy's functions; orders m and -m mirror each other
        toroidal = 1e-6 * didt * ToroidalField.of(coil, pose, radius, degree).coefficients
        orders = np.arange(degree + 1)
        c = toroidal * np.where(orders % 2, -1, 1) * np.where(orders, 2, 1)
        return cls(SolidHarmonics(c, np.zeros(3), radius))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """E (n,3) in V/m at points (n,3) m.  Raises FemtmsError for points outside the radius."""
        farthest = np.linalg.norm(points, axis=1).max(initial=0)
        if farthest > self.stream.radius * (1 + 1e-9):
            raise FemtmsError(
                f"points must be within {1e3 * self.stream.radius:g} mm of the centre; one is at {1e3 * farthest:g} mm"
            )
        E: np.ndarray = np.cross(points, self.stream.gradient(points))
        return E
