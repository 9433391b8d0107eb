"""From tensors of diffusion to tensors of conductivity, by their eigenvalues: theory.md (43)-(48).

A tensor keeps its axes; what its eigenvalues become is what the normalisations differ in.
"""

from collections.abc import Mapping

import numpy as np

from femtms.errors import FemtmsError

NORMALISATIONS = ("vn", "dir", "mc")


def check_normalisation(normalisation: str) -> None:
    """Raise FemtmsError for one that there is not."""
    if normalisation not in NORMALISATIONS:
        raise FemtmsError(f"the normalisation of tensors must be vn, dir or mc; got '{normalisation}'")


def geometric_mean(eigenvalues: np.ndarray) -> np.ndarray:
    """The radius (p,) of the sphere with the volume of the ellipsoid that has these half-axes (p,3)."""
    return np.exp(np.log(eigenvalues).mean(axis=1))  # a product of three diffusivities in m²/s could underflow


def common_factor(means: Mapping[int, float], isotropic: Mapping[int, float]) -> float:
    """s = Σ_t d_t σ_t / Σ_t d_t²: makes Σ_t (s d_t - σ_t)² least.  Tuch et al. 2001, Rullmann et al. 2009; (46).

    means      tissue -> d_t, the mean of the geometric means of its tensors, in the unit of diffusion
    isotropic  tissue -> σ_t in S/m
    """
    return sum(d * isotropic[t] for t, d in means.items()) / sum(d * d for d in means.values())


def conductivities(eigenvalues: np.ndarray, normalisation: str, isotropic: np.ndarray, factor: float) -> np.ndarray:
    """Eigenvalues (p,3) in S/m of the conductivity tensors that have the axes of the diffusion tensors.

    eigenvalues    (p,3) > 0 of the diffusion tensors
    normalisation  "vn": the geometric mean becomes that of the tissue (Güllmar et al. 2010, Opitz et al. 2011; (44));
                   "dir": all are multiplied by one factor (Tuch et al. 2001, Rullmann et al. 2009; (45));
                   "mc": the same, and spheres of the same volume in place of the ellipsoids (Opitz et al. 2011; (47))
    isotropic      (p,) S/m of the tissue, for "vn"
    factor         S/m for one unit of diffusion, for "dir" and "mc"
    """
    mean = geometric_mean(eigenvalues)[:, None]
    if normalisation == "vn":
        return eigenvalues / mean * isotropic[:, None]
    if normalisation == "dir":
        return factor * eigenvalues
    return np.repeat(factor * mean, 3, axis=1)
