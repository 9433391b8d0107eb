"""A coil in numbers, for JSON and for people."""

from typing import Any

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.extent import bounds
from femtms.coil.plane import is_clear_of, plane_before
from femtms.coil.sampled import SampledField
from femtms.errors import FemtmsError

_KINDS = {"current_elements": Currents, "dipoles": Dipoles, "samples_of_A": SampledField}


def coil_summary(coil: Coil, z_mm: float = 10.0) -> dict[str, Any]:
    """What a coil is made of, what drives it, how large it is, and A, E and B on the plane z = z_mm.

    Raises FemtmsError for a plane on which nothing is known of A.
    """
    if not np.isfinite(z_mm):
        raise FemtmsError(f"the plane must be at a finite z in mm; got {z_mm}")
    low, high = bounds(coil)
    casing, inductance = coil.casing, coil.inductance
    plane = plane_before(coil, 1e-3 * z_mm)
    strongest, e_at = plane.largest(plane.magE)
    densest, b_at = plane.largest(plane.magB)
    return {
        "name": coil.name,
        "brand": coil.brand,
        "source": coil.source,
        "elements": {
            name: sum(len(group) for group in coil.elements if isinstance(group, kind)) for name, kind in _KINDS.items()
        },
        "stimulators": [
            {
                "name": stimulator.name,
                "brand": stimulator.brand,
                "max_didt_A_per_s": stimulator.max_didt,
                "waveforms": [waveform.name for waveform in stimulator.waveforms],
            }
            for stimulator in coil.stimulators
        ],
        "max_didt_A_per_s": coil.max_didt,
        "inductance_uH": None if inductance is None else round(1e6 * inductance, 3),
        "low_mm": _mm(low),
        "high_mm": _mm(high),
        "casing": None
        if casing is None
        else {
            "triangles": len(casing.triangles),
            "area_cm2": round(1e4 * casing.area, 3),
            "watertight": casing.is_watertight,
        },
        "plane": {
            "z_mm": z_mm,
            "cuts_the_coil": not is_clear_of(coil, 1e-3 * z_mm),
            "max_A_T_m_per_A": 1e-6 * strongest,
            "max_E_V_per_m_per_A_per_us": strongest,
            "max_E_at_mm": _mm(e_at),
            "max_B_T_per_A": densest,
            "max_B_at_mm": _mm(b_at),
        },
    }


def _mm(point: np.ndarray) -> list[float]:
    return [round(float(x), 3) for x in 1e3 * point]
