"""Anisotropic conductivity: one symmetric positive-definite tensor per tetrahedron."""

import numpy as np

from femtms.errors import FemtmsError


def tensor_components(sigma: np.ndarray) -> np.ndarray:
    """(m,6) = xx, xy, xz, yy, yz, zz of tensors (m,3,3) in S/m.

    Raises FemtmsError unless every tensor is finite, symmetric and positive definite.
    """
    if not np.isfinite(sigma).all():
        first = int(np.flatnonzero(~np.isfinite(sigma).all(axis=(1, 2)))[0])
        raise FemtmsError(f"conductivity tensors must be finite; that of tet {first} is not")
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
    row, column = np.triu_indices(3)
    return np.ascontiguousarray(sigma[:, row, column])
