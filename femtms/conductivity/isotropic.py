"""Conductivity of every tetrahedron from what the user says: by tissue, by tetrahedron, or as tensors."""

import logging
from collections.abc import Mapping

import numpy as np

from femtms.conductivity.tensor import tensor_components
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import PROPERTIES, name_of, tag_of

log = logging.getLogger("femtms")

Conductivity = Mapping[int | str, float] | np.ndarray | None


def conductivity_of(mesh: TetMesh, conductivity: Conductivity = None) -> np.ndarray:
    """σ in S/m as (m,1), or as (m,6) = xx, xy, xz, yy, yz, zz for tensors.

    conductivity  None: the values of femtms.tissue; a mapping {tissue number or name: S/m} that overrides them;
                  (m,) one value for each tetrahedron; or (m,3,3) one symmetric positive-definite tensor each

    Raises FemtmsError for σ ≤ 0, wrong shapes, and tissues of the mesh without a conductivity.
    """
    if conductivity is None or isinstance(conductivity, Mapping):
        return _by_tissue(mesh, sigma_by_tag(conductivity or {}))
    sigma, m = np.asarray(conductivity), len(mesh.tets)
    if sigma.dtype.kind not in "fiu":
        raise FemtmsError(f"conductivity must be a mapping or numbers in S/m; got {conductivity!r:.60}")
    sigma = sigma.astype(np.float64)
    if sigma.shape == (m,):
        _check_positive(mesh, sigma)
        return sigma[:, None]
    if sigma.shape == (m, 3, 3):
        return tensor_components(sigma)
    raise FemtmsError(f"conductivity must be a mapping, ({m},) or ({m}, 3, 3) for this mesh; got shape {sigma.shape}")


def sigma_by_tag(overrides: Mapping[int | str, float]) -> dict[int, float]:
    """The built-in conductivities (S/m) by tissue number with the given ones in their place."""
    sigma = {int(tag): p.sigma for tag, p in PROPERTIES.items()}
    for tissue, value in overrides.items():
        if not isinstance(value, (int, float, np.number)) or not 0 < float(value) < np.inf:
            raise FemtmsError(f"sigma must be > 0 and finite in S/m; got {value} for tissue '{tissue}'")
        sigma[tag_of(tissue)] = float(value)
    return sigma


def _by_tissue(mesh: TetMesh, sigma: Mapping[int, float]) -> np.ndarray:
    unknown = [int(t) for t in mesh.tissues if int(t) not in sigma]
    if unknown:
        counts = ", ".join(f"{t} ({(mesh.tags == t).sum():,} tets)" for t in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        raise FemtmsError(
            f"every tissue needs a conductivity; none is known for tag {counts}{more}: "
            f"give one by number, such as {{{unknown[0]}: 0.3}} or --sigma {unknown[0]}=0.3"
        )
    present, position = np.unique(mesh.tags, return_inverse=True)
    return np.array([sigma[int(t)] for t in present])[position][:, None]


def _check_positive(mesh: TetMesh, sigma: np.ndarray) -> None:
    bad = np.flatnonzero(~((sigma > 0) & np.isfinite(sigma)))
    if len(bad):
        first = int(bad[0])
        raise FemtmsError(
            f"sigma must be > 0 and finite in S/m; got {sigma[first]:g} for tissue '{name_of(mesh.tags[first])}' "
            f"({len(bad):,} tets, first {first})"
        )
