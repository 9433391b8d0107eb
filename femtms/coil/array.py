"""Several coils, or several channels of one, that are driven at the same time: their fields add up."""

from collections.abc import Sequence

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import CoilElements
from femtms.coil.pose import Pose
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.errors import FemtmsError
from femtms.mesh.surface import Surface, joined
from femtms.plausible import DIDT

Didt = float | Sequence[float]


def check_didt(didt: Didt) -> None:
    """Raise FemtmsError unless a rate of change, or each of several, is a finite number that currents reach."""
    try:
        finite = bool(np.isfinite(np.asarray(didt, dtype=np.float64)).all()) and np.ndim(didt) <= 1
    except (TypeError, ValueError):
        finite = False
    if not finite:
        raise FemtmsError(f"didt must be finite, in A/s; got {didt}")
    for rate in np.ravel(np.abs(np.asarray(didt, dtype=np.float64))):
        DIDT.check(float(rate))


def driven_at(coil: Coil, didt: Didt) -> tuple[Coil, float]:
    """A coil with didt (A/s) of its own for each stimulator, as a coil of one reference current and dI/dt of that.

    A single number counts for all stimulators.  The reference is the current that changes fastest.
    Raises FemtmsError unless there is one finite number, or one for each stimulator.
    """
    check_didt(didt)
    if np.ndim(didt) == 0:
        return coil, float(np.asarray(didt, dtype=np.float64))
    rates = np.atleast_1d(np.asarray(didt, dtype=np.float64))
    if len(rates) != len(coil.stimulators):
        raise FemtmsError(
            f"coil '{coil.name}' needs one didt, or one for each of its {len(coil.stimulators)} stimulators; "
            f"got {len(rates)}"
        )
    reference = _fastest(rates)
    return coil.driven(list(rates / reference if reference else np.ones(len(rates)))), reference


def superposed(parts: Sequence[tuple[Coil, Pose, Didt]]) -> tuple[Coil, float]:
    """Coils in their poses, each driven at its own didt (A/s), as one coil in head coordinates and its didt.

    Its A is that of all coils together for 1 A of a reference current, the one that changes fastest; `max_didt` is how
    fast that may change before the first stimulator is at its limit.  Elements, outlines, casings and stimulators
    are those of all coils.  Raises FemtmsError without coils, and for what `driven_at` refuses.
    """
    if not parts:
        raise FemtmsError("there must be at least one coil to superpose; got none")
    for part in parts:
        if not (isinstance(part, tuple | list) and len(part) == 3) or not isinstance(part[0], Coil):
            raise FemtmsError(f"each part must be a femtms.Coil, its femtms.Pose and its didt in A/s; got {part!r:.80}")
    driven = [(*driven_at(coil, didt), pose) for coil, pose, didt in parts]
    reference = _fastest(np.array([didt for _, didt, _ in driven]))
    elements: list[CoilElements | SampledField] = []
    outlines: list[np.ndarray] = []
    casings: list[Surface] = []
    stimulators: list[Stimulator] = []
    limits: list[float] = []
    for coil, didt, pose in driven:
        share = didt / reference if reference else 1.0
        moved = coil.moved(pose)
        elements += [
            group.scaled(share).driven_by(len(stimulators) + group.stimulator)  # counted on through all coils
            for group in moved.elements
        ]
        outlines += moved.outlines
        casings += [] if moved.casing is None else [moved.casing]
        stimulators += coil.stimulators
        limits += [coil.max_didt / abs(share)] if coil.max_didt is not None and share else []
    together = Coil(
        name=" + ".join(coil.name for coil, _, _ in parts),
        elements=tuple(elements),
        outlines=tuple(outlines),
        max_didt=min(limits, default=None),
        source="; ".join(dict.fromkeys(coil.source for coil, _, _ in parts if coil.source)),
        brand="; ".join(dict.fromkeys(coil.brand for coil, _, _ in parts if coil.brand)),
        casing=joined(casings),
        stimulators=tuple(stimulators),
    )
    return together, reference


def _fastest(rates: np.ndarray) -> float:
    """The one of rates (k,) that is largest in size, with its sign."""
    return float(rates[np.abs(rates).argmax()])
