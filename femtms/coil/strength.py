"""Whether a coil can be one: how strong it is for 1 A, and how large."""

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import CoilElements, Currents, Dipoles
from femtms.errors import FemtmsError
from femtms.plausible import COIL, MOMENT, SAMPLED_A, WIRE, Quantity


def measures_of(coil: Coil) -> list[tuple[Quantity, float]]:
    """What tells how strong a coil is and how large, with its values: see femtms.plausible."""
    of_kind = {MOMENT: Dipoles, WIRE: Currents}
    found = [
        (quantity, sum(_total(group) for group in coil.elements if isinstance(group, kind)))
        for quantity, kind in of_kind.items()
        if any(isinstance(group, kind) for group in coil.elements)
    ]
    if coil.sampled:
        found.append((SAMPLED_A, max(float(np.abs(field.values).max()) for field in coil.sampled)))
    if len(coil.positions):
        found.append((COIL, float(np.ptp(coil.positions, axis=0).max())))
    return found


def check_strength(coil: Coil, where: str = "") -> list[tuple[Quantity, float]]:
    """The measures of a coil.  Raises FemtmsError for one without a field, or of a strength or extent that none has.

    where  it is from, for messages
    """
    place = f"{where or 'coil ' + repr(coil.name)}"
    measures = measures_of(coil)
    strengths = [value for quantity, value in measures if quantity is not COIL]
    if strengths and not any(strengths):
        raise FemtmsError(f"{place}: a coil must make a field in the brain; all its moments are zero")
    for quantity, value in measures:
        if value:
            quantity.check(value, place)
    return measures


def _total(group: CoilElements) -> float:
    """Sum of the sizes of the vectors."""
    with np.errstate(over="ignore"):  # infinite is more than any coil has
        return float(np.linalg.norm(group.vectors, axis=1).sum())
