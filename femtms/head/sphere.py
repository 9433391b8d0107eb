"""A head of concentric spherical layers: the case whose field is known exactly."""

from dataclasses import dataclass

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.electrodes import sphere_surface, ten_ten
from femtms.plausible import HEAD
from femtms.tissue import Tissue

_USUAL_TAGS = {
    1: (Tissue.GM,),
    2: (Tissue.GM, Tissue.SCALP),
    3: (Tissue.GM, Tissue.BONE, Tissue.SCALP),
    4: (Tissue.GM, Tissue.CSF, Tissue.BONE, Tissue.SCALP),
}


@dataclass(frozen=True)
class LayeredSphere:
    """Concentric layers about the origin.

    radii_mm  outer radius of each layer, ascending, in mm
    tags      tissue number of each layer, from the inside out; the usual ones if none are given: brain; brain, scalp;
              brain, skull, scalp; brain, CSF, skull, scalp

    The default radii are those of the four-layer head of EEG and TMS benchmarks.
    Raises FemtmsError when the radii do not ascend from above zero or the numbers of radii and tags differ.
    """

    radii_mm: tuple[float, ...] = (78.0, 80.0, 86.0, 92.0)
    tags: tuple[int, ...] = ()
    name: str = "sphere"

    def __post_init__(self) -> None:
        object.__setattr__(self, "radii_mm", tuple(float(r) for r in self.radii_mm))
        if not self.tags and len(self.radii_mm) not in _USUAL_TAGS:
            raise FemtmsError(f"a sphere must have 1 to 4 layers, or tags; got {len(self.radii_mm)} radii without tags")
        tags = self.tags or _USUAL_TAGS[len(self.radii_mm)]
        object.__setattr__(self, "tags", tuple(int(t) for t in tags))
        if len(self.radii_mm) != len(tags):
            raise FemtmsError(f"a sphere needs one tag for each radius; got radii {self.radii_mm}, tags {self.tags}")
        inner = (0.0, *self.radii_mm[:-1])
        if not all(np.isfinite(r) and r > r_in for r_in, r in zip(inner, self.radii_mm)):
            raise FemtmsError(f"radii of a sphere must be > 0 and ascend outward; got {self.radii_mm} mm")
        HEAD.checked(2 * self.radii_mm[-1], self.name)

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

    @property
    def landmarks_mm(self) -> dict[str, np.ndarray]:
        """The same as landmarks."""
        return self.landmarks
