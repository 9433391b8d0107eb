"""Anisotropic conductivity: one symmetric positive-definite tensor per tetrahedron, and its six components."""

import numpy as np

from femtms.errors import FemtmsError

ROWS, COLUMNS = np.triu_indices(3)  # of the components xx, xy, xz, yy, yz, zz
_PLACES = [0, 1, 2, 1, 3, 4, 2, 4, 5]  # of the nine entries among them


def components_of(tensors: np.ndarray) -> np.ndarray:
    """Components (…,6) = xx, xy, xz, yy, yz, zz of symmetric tensors (…,3,3)."""
    return np.ascontiguousarray(tensors[..., ROWS, COLUMNS])


def full_tensors(components: np.ndarray) -> np.ndarray:
    """Symmetric tensors (…,3,3) of components (…,6)."""
    full: np.ndarray = components[..., _PLACES].reshape(*components.shape[:-1], 3, 3)
    return full


def turned(components: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Components (…,6) of the tensors R D Rᵀ: D with respect to axes that are the columns of R (3,3).

    The type of the components is kept; NaN and infinity in one component spread over all six.
    """
    first, second = axes[ROWS], axes[COLUMNS]  # D'_ij = Σ_kl R_ik R_jl D_kl, and k ≠ l are there twice
    both = first[:, ROWS] * second[:, COLUMNS] + (ROWS != COLUMNS) * first[:, COLUMNS] * second[:, ROWS]
    with np.errstate(invalid="ignore"):
        result: np.ndarray = components @ both.T.astype(components.dtype)
    return result


def tensor_components(sigma: np.ndarray) -> np.ndarray:
    """(m,6) = xx, xy, xz, yy, yz, zz of tensors (m,3,3) in S/m.

    Raises FemtmsError unless every tensor is finite, symmetric and positive definite.
    """
    if not np.isfinite(sigma).all():
        bad = np.flatnonzero(~np.isfinite(sigma).all(axis=(1, 2)))
        raise FemtmsError(
            f"conductivity tensors must be finite; {len(bad):,} are not, the first is of tet {int(bad[0])}"
        )
    size = np.abs(sigma).max(axis=(1, 2))
    skew = np.abs(sigma - sigma.transpose(0, 2, 1)).max(axis=(1, 2))
    bad = np.flatnonzero(skew > 1e-6 * size)
    if len(bad):
        first = int(bad[0])
        raise FemtmsError(f"conductivity tensors must be symmetric; {len(bad):,} are not, the first is of tet {first}")
    smallest = np.linalg.eigvalsh(sigma)[:, 0]
    bad = np.flatnonzero(smallest <= 0)
    if len(bad):
        first = int(bad[0])
        raise FemtmsError(
            f"conductivity tensors must be positive definite; {len(bad):,} are not, the first is of tet {first} "
            f"with eigenvalue {smallest[first]:.3g} S/m"
        )
    return components_of(sigma)
