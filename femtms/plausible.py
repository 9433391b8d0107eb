"""What numbers can be: one table of ranges, with the units that were probably meant where they are not in it.

femtms warns of what is odd and refuses what is absurd.  The ranges are wide: heads of animals, implants and coils at a
distance are possible.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from femtms.errors import FemtmsError

log = logging.getLogger("femtms")


@dataclass(frozen=True)
class Quantity:
    """A physical quantity as users give it.

    what      its name in messages
    unit      of the numbers below
    possible  (low, high): outside is absurd
    usual     (low, high) of what is not worth a word
    odd       (low, high) within the usual that is more probably something else in another unit
    units     (unit, how many of `unit` it is), of those that numbers come in by mistake
    meant     (low, high) of what was probably meant in such a unit; the usual range if none is given
    """

    what: str
    unit: str
    possible: tuple[float, float]
    usual: tuple[float, float]
    odd: tuple[float, float] = (0.0, 0.0)
    units: tuple[tuple[str, float], ...] = ()
    meant: tuple[float, float] | None = None

    def check(self, value: float, where: str = "") -> None:
        """Raise FemtmsError where the value is absurd; `where` it is from begins the message."""
        low, high = self.possible
        if not low <= value <= high:  # NaN, too
            raise FemtmsError(
                f"{where}{': ' if where else ''}{self.what} must be in {self.unit}, from {low:g} to {high:g}; "
                f"got {value:.4g} {self.unit}{self.hint(value)}"
            )

    def doubt(self, value: float) -> str | None:
        """A clause on a value that is possible and odd; None for a usual one."""
        is_odd = self.odd[0] < value < self.odd[1]
        if self.usual[0] <= value <= self.usual[1] and not is_odd:
            return None
        return f"{self.what} is {value:.4g} {self.unit}, which is unusual{self.hint(value)}"

    def checked(self, value: float, where: str = "") -> None:
        """`check`, and a log warning for an odd value."""
        self.check(value, where)
        doubt = self.doubt(value)
        if doubt is not None:
            log.warning("%s%s", f"{where}: " if where else "", doubt)

    def hint(self, value: float) -> str:
        """The unit in which the value would be usual, as a question; nothing where there is none."""
        low, high = self.meant or self.usual
        for unit, size in self.units:
            if low <= value * size <= high:
                return f" (is it in {unit}?)"
        return ""


# Of a place from the scalp: farther than this, coordinates were meant for another head or another unit.
FARTHEST_MM = 30.0

_LENGTHS = (("m", 1e3), ("µm", 1e-3), ("cm", 10.0))  # in mm

# A head of 18 to 25 cm in cm is odd as one of 18 to 25 mm, a size at which few animals are; a mouse of 14 mm is not.
HEAD = Quantity("the extent of a head", "mm", (1.0, 2500.0), (4.0, 600.0), (16.0, 26.0), _LENGTHS, (30.0, 600.0))
FROM_ORIGIN = Quantity("the distance of a head from the origin", "mm", (0.0, 1e5), (0.0, 2e3))
GAP = Quantity(
    "gap_mm, the distance from the scalp,", "mm", (0.02, 500.0), (0.1, 60.0), units=_LENGTHS, meant=(1.0, 30.0)
)
DISTANCE = Quantity("the distance of the coil from the scalp", "mm", (0.0, 1e7), (0.0, 300.0))
# Silver has 6.3e7.  Usual is what tissues of a body have: sea water has 5, CSF 1.7, cortical bone 0.005.
SIGMA = Quantity("sigma", "S/m", (1e-15, 1e8), (1e-4, 10.0), units=(("mS/m", 1e-3),))
# Stimulators reach 2e8 A/s; 0 to 1 A/s is a field for a unit of the current.
DIDT = Quantity(
    "didt, the rate of change of the current,", "A/s", (0.0, 1e12), (0.0, 1e9), (1.0, 1e4), (("A/µs", 1e6),)
)
# Of 1 A in a coil, all its elements together.
MOMENT = Quantity("the magnetic moment of the coil per ampere", "A·m²", (1e-15, 1e3), (1e-9, 10.0))
WIRE = Quantity("the length of the coil's wires", "m", (1e-9, 1e6), (1e-2, 1e5), units=(("mm", 1e-3),))
SAMPLED_A = Quantity("the largest sampled A per ampere", "T·m", (1e-20, 1e6), (1e-12, 1e-2))
COIL = Quantity("the extent of the coil", "m", (0.0, 10.0), (1e-3, 1.5), units=(("mm", 1e-3),))
GRID = Quantity("the extent of the grid", "mm", (1.0, 5000.0), (5.0, 3000.0), units=_LENGTHS)
PERIOD = Quantity("the period of a pulse", "s", (1e-6, 1.0), (2e-5, 5e-3), units=(("µs", 1e-6), ("ms", 1e-3)))
TARGET = Quantity("the field that is asked for", "V/m", (1e-3, 1e5), (0.5, 2000.0), units=(("V/mm", 1e3),))


def check_mm(points: Any, extent: float, what: str) -> None:
    """Raise FemtmsError for points (p,3) that are so near the origin of a head that they were given in m for mm.

    extent  of the head, in the unit of the points; points in the origin itself are possible
    """
    largest = float(np.abs(points).max(initial=0.0))
    if 0 < largest < 1.5e-3 * extent:
        raise FemtmsError(f"{what} must be in mm; all is at the origin of the head (is it in m?)")
