"""What a pulse costs."""

import numpy as np
import pytest

from femtms import FemtmsError
from femtms.coil.energy import pulse_energy


def test_energy_is_that_of_the_peak_current_of_a_sine():
    inductance, period, peak = 16e-6, 300e-6, 5000.0
    t = np.linspace(0, period, 100001)
    current = peak * np.sin(2 * np.pi * t / period)
    didt = np.gradient(current, t).max()
    assert pulse_energy(inductance, didt, period) == pytest.approx(0.5 * inductance * peak**2, rel=1e-6)


def test_energy_needs_an_inductance_and_a_period():
    for inductance, period in ((0, 1e-4), (1e-5, 0), (float("nan"), 1e-4)):
        with pytest.raises(FemtmsError, match="must be > 0; got"):
            pulse_energy(inductance, 1e8, period)
