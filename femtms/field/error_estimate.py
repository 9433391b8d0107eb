"""How wrong E may be, from what a better field says: theory.md (40)-(42)."""

from typing import Any

import numpy as np

from femtms.field.statistics import TissueTets


def relative_error(E: Any, change: Any, tets: TissueTets, xp: Any = np) -> Any:
    """√(Σ V |ΔE|²) / √(Σ V |E|²), a share and not percent, on the device: theory.md (41).

    E, change  (r,3) V/m in the tetrahedra of one tissue: the field, and what a better one has more
    tets       of that tissue

    0 where both are zero, huge where E alone is.
    """
    volumes = tets.volumes[:, None]
    least = np.finfo(np.float64).tiny
    return ((volumes * change * change).sum() / xp.maximum((volumes * E * E).sum(), least)) ** 0.5
