"""What a pulse costs: the energy of the coil's magnetic field."""

from math import pi

from femtms.errors import FemtmsError

PERIOD_S = 300e-6  # of the biphasic pulses of common stimulators


def pulse_energy(inductance: float, didt: float, period: float = PERIOD_S) -> float:
    """Energy ½ L I² in J at the peak of the current.

    inductance  L of the coil in H
    didt        largest rate of change of the current, A/s
    period      of the current in s: a biphasic pulse is one cycle of a sine, so that I = didt · period / 2π

    Raises FemtmsError unless the inductance and the period are > 0.
    """
    if not (inductance > 0 and period > 0):
        raise FemtmsError(f"inductance in H and period in s must be > 0; got {inductance} and {period}")
    return 0.5 * inductance * (didt * period / (2 * pi)) ** 2
