"""What drives a coil: the stimulator's limit and its pulses."""

from dataclasses import dataclass

import numpy as np

from femtms.arrays import sealed
from femtms.errors import FemtmsError


@dataclass(frozen=True, eq=False)
class Waveform:
    """One pulse: a signal (t,) in any unit, such as dI/dt relative to its peak, at times (t,) in s.

    fit  (t,) a smooth version of the signal, or None.  Raises FemtmsError unless the lengths agree and all is finite.
    """

    name: str
    time: np.ndarray
    signal: np.ndarray
    fit: np.ndarray | None = None

    def __post_init__(self) -> None:
        for key in ("time", "signal", "fit"):
            if getattr(self, key) is None and key == "fit":
                continue
            value = np.array(getattr(self, key), dtype=np.float64)
            if value.ndim != 1 or len(value) == 0 or value.shape != np.shape(self.time):
                raise FemtmsError(
                    f"{key} of waveform '{self.name}' must be (t,) with a value for each time; got {value.shape}"
                )
            if not np.isfinite(value).all():
                raise FemtmsError(f"{key} of waveform '{self.name}' must be finite; it has NaN or infinite values")
            object.__setattr__(self, key, sealed(value))


@dataclass(frozen=True, eq=False)
class Stimulator:
    """A stimulator, or one channel of it.

    max_didt  the largest rate of change of the current that it gives through the coil, A/s; None where not known
    """

    name: str = ""
    brand: str = ""
    max_didt: float | None = None
    waveforms: tuple[Waveform, ...] = ()

    def __post_init__(self) -> None:
        if self.max_didt is not None and not 0 < self.max_didt < np.inf:
            raise FemtmsError(f"max_didt of stimulator '{self.name}' must be > 0 in A/s; got {self.max_didt}")
