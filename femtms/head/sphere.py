"""A head of concentric spherical layers: the case whose field is known exactly."""

from dataclasses import dataclass

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.electrodes import sphere_surface, ten_ten
from femtms.tissue import Tissue


@dataclass(frozen=True)
class LayeredSphere:
    """Concentric layers about the origin.

    radii_mm  outer radius of each layer, ascending, in mm
    tags      tissue number of each layer, from the inside out

    The default is the four-layer head of EEG and TMS benchmarks: brain, CSF, skull, scalp.
    Raises FemtmsError when the radii do not ascend from above zero or the numbers of radii and tags differ.
    """

    radii_mm: tuple[float, ...] = (78.0, 80.0, 86.0, 92.0)
    tags: tuple[int, ...] = (Tissue.GM, Tissue.CSF, Tissue.BONE, Tissue.SCALP)
    name: str = "sphere"

    def __post_init__(self) -> None:
        object.__setattr__(self, "radii_mm", tuple(float(r) for r in self.radii_mm))
        object.__setattr__(self, "tags", tuple(int(t) for t in self.tags))
        if not self.radii_mm or len(self.radii_mm) != len(self.tags):
            raise FemtmsError(f"a sphere needs one tag for each radius; got radii {self.radii_mm}, tags {self.tags}")
        inner = (0.0, *self.radii_mm[:-1])
        if not all(np.isfinite(r) and r > r_in for r_in, r in zip(inner, self.radii_mm)):
            raise FemtmsError(f"radii of a sphere must be > 0 and ascend outward; got {self.radii_mm} mm")

    @property
    def landmarks(self) -> dict[str, np.ndarray]:
        """10-10 positions (mm) with the fiducials on the axes."""
        r = self.radii_mm[-1]
        fiducials = {
            "Nz": np.array([0, r, 0.0]),
            "Iz": np.array([0, -r, 0.0]),
            "LPA": np.array([-r, 0, 0.0]),
            "RPA": np.array([r, 0, 0.0]),
        }
        return ten_ten(sphere_surface(r), fiducials)
