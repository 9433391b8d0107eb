"""How wrong E may be, from what a better field says: theory.md (40)-(42)."""

from typing import Any

import numpy as np

from femtms.field.statistics import TissueTets, magnitude


def relative_error(E: Any, squares: Any, tets: TissueTets, xp: Any = np) -> Any:
    """√(∫|ΔE|²) / √(∫|E|²) in a tissue, a share and not percent, on the device: theory.md (41).

    E        (r,3) V/m at the centroids of its tetrahedra
    squares  (r,) V²/m², the mean of |ΔE|² over each: see TissueRecovery.squared_changes
    tets     of that tissue

    0 where both are zero, huge where E alone is.
    """
    return relative_to(magnitude(E, xp), squares, tets, xp)


def relative_to(magnE: Any, squares: Any, tets: TissueTets, xp: Any = np) -> Any:
    """The same from |E| (r,) in V/m."""
    whole = (tets.volumes * magnE * magnE).sum()
    return ((tets.volumes * squares).sum() / xp.maximum(whole, np.finfo(np.float64).tiny)) ** 0.5
