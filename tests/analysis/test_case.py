"""What a coil must be driven with for a wanted field."""

from dataclasses import replace

import numpy as np
import pytest

from femtms import Coil, Dipoles, load_coil
from femtms.analysis.case import Case
from femtms.analysis.sphere import sphere_metrics


@pytest.fixture(scope="module")
def case():
    coil = load_coil("figure8-70mm")
    return Case.of(coil, "standard sphere", 0.005, sphere_metrics(coil))


def test_the_target_is_reached_at_its_didt(case):
    assert 1e-6 * case.didt_for(60.0) * case.E_brain == pytest.approx(60.0)
    assert case.share_for(60.0) * case.coil.max_didt == pytest.approx(case.didt_for(60.0))
    assert case.E_limit * case.share_for(60.0) == pytest.approx(60.0)


def test_energy_grows_with_the_square_of_target_and_period(case):
    energy = case.energy_for(60.0, 300e-6)
    assert case.energy_for(120.0, 300e-6) == pytest.approx(4 * energy)
    assert case.energy_for(60.0, 600e-6) == pytest.approx(4 * energy)
    current = case.didt_for(60.0) * 300e-6 / (2 * np.pi)
    assert energy == pytest.approx(0.5 * case.coil.inductance * current**2)


def test_nothing_is_made_up_for_a_coil_of_which_little_is_known(case):
    unknown = replace(case, coil=Coil("?", (Dipoles(np.zeros((1, 3)), np.ones((1, 3))),)), E_scalp=None)
    assert unknown.E_limit is unknown.share_for(60.0) is unknown.energy_for(60.0, 3e-4) is unknown.scalp_ratio is None
    assert unknown.didt_for(60.0) == case.didt_for(60.0)
