"""Studies that take a second: a coarse sphere and a coil of a few dipoles."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from femtms import Coil, Surface, write_coil
from femtms.coil.elements import Dipoles
from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)

SIZE_MM = 14.0
PLACES = (
    StudyPlace("C3", "C3", "CP3"),
    StudyPlace("C3 (10, -5)", "C3", "CP3", (10.0, -5.0)),
    StudyPlace("Fz", "Fz"),
)


def small_coil(path: Path, casing: Surface | None = None, apart_mm: float = 60.0) -> str:
    """A file with two opposite patches of dipoles, like a small figure-8 coil."""
    offsets = np.array([[x, y, 0.0] for x in (-0.01, 0, 0.01) for y in (-0.01, 0, 0.01)])
    positions = np.concatenate([offsets + [side * 0.5e-3 * apart_mm, 0, -0.005] for side in (-1, 1)])
    moments = np.repeat([[0, 0, -1e-4], [0, 0, 1e-4]], 9, axis=0) + np.array([1e-5, 0, 0])
    write_coil(Coil("two patches", (Dipoles(positions, moments),), casing=casing), path)
    return str(path)


def small_design(coil: str, **changes) -> Design:
    """One of everything, three places, two angles and two distances: twelve cases."""
    design = Design(
        name="small",
        heads=(StudyHead("ball", "sphere", (60.0, 70.0, 81.0, 92.0)),),
        conductivities=(StudyConductivity("standard"),),
        options=(StudyOption("coarse", size_mm=SIZE_MM),),
        coils=(StudyCoil("patches", coil),),
        places=PLACES,
        angles=(0.0, 50.0),
        distances_mm=(6.0, 11.0),
        results=StudyResults(tissues=("gm", "wm", "bone")),
    )
    return replace(design, **changes)
