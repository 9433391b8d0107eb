"""Conductivity in a few numbers, by tissue."""

from typing import Any

import numpy as np

from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import name_of

_DIAGONAL, _BESIDE = [0, 3, 5], [1, 2, 4]  # of the components xx, xy, xz, yy, yz, zz
_ROUNDING = 1e-9


def conductivity_summary(mesh: TetMesh, sigma: np.ndarray) -> dict[str, float | dict[str, Any]]:
    """Tissue -> σ in S/m where it is one number, and otherwise its mean and whether it has directions.

    sigma (m,1) or (m,6) in S/m.  The mean is by volume, that of a tensor a third of its trace.

    >>> from femtms import LayeredSphere, mesh_head
    >>> ball = mesh_head(LayeredSphere((90.0,), (2,)), size_mm=40.0)
    >>> conductivity_summary(ball, np.full((len(ball.tets), 1), 0.275))
    {'gm': 0.275}
    >>> conductivity_summary(ball, np.tile([0.2, 0, 0, 0.2, 0, 0.5], (len(ball.tets), 1)))
    {'gm': {'mean': 0.3, 'min': 0.3, 'max': 0.3, 'anisotropic': True}}
    """
    return {name_of(tag): _of_tissue(sigma[mesh.tags == tag], mesh.volumes[mesh.tags == tag]) for tag in mesh.tissues}


def in_words(value: float | dict[str, Any]) -> str:
    """One entry of a summary for people.

    >>> in_words(0.275), in_words({"mean": 0.15, "min": 0.1, "max": 0.2, "anisotropic": True})
    ('0.275', '0.15 (tensors)')
    """
    if isinstance(value, dict):
        return f"{value['mean']:.4g} ({'tensors' if value['anisotropic'] else 'mean'})"
    return f"{value:g}"


def _of_tissue(sigma: np.ndarray, volumes: np.ndarray) -> float | dict[str, Any]:
    mean = sigma[:, 0] if sigma.shape[1] == 1 else sigma[:, _DIAGONAL].mean(axis=1)
    least, most = float(mean.min()), float(mean.max())
    has_directions = False
    if sigma.shape[1] == 6:
        uneven = np.maximum(np.ptp(sigma[:, _DIAGONAL], axis=1), np.abs(sigma[:, _BESIDE]).max(axis=1))
        has_directions = bool((uneven > _ROUNDING * mean).any())
    if not has_directions and most - least <= _ROUNDING * most:
        return float(sigma[0, 0])
    return {
        "mean": round(float(np.average(mean, weights=volumes)), 9),
        "min": round(least, 9),
        "max": round(most, 9),
        "anisotropic": has_directions,
    }
