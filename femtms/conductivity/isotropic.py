"""Conductivity of every tetrahedron from what the user says: by tissue, by tetrahedron, or as tensors."""

import logging
from collections.abc import Mapping

import numpy as np

from femtms.conductivity.anisotropic_conductivity import AnisotropicConductivity
from femtms.conductivity.tensor import tensor_components
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import SIGMA
from femtms.tissue import PROPERTIES, name_of, tag_of

log = logging.getLogger("femtms")

Conductivity = Mapping[int | str, float] | np.ndarray | AnisotropicConductivity | None


def conductivity_of(mesh: TetMesh, conductivity: Conductivity = None) -> np.ndarray:
    """σ in S/m as (m,1), or as (m,6) = xx, xy, xz, yy, yz, zz for tensors.

    conductivity  None: the values of femtms.tissue; a mapping {tissue number or name: S/m} that overrides them;
                  (m,) one value for each tetrahedron; (m,3,3) one symmetric positive-definite tensor each; or what
                  `anisotropic` made of diffusion tensors

    Raises FemtmsError for σ ≤ 0, wrong shapes, and tissues of the mesh without a conductivity.
    """
    if conductivity is None or isinstance(conductivity, Mapping):
        overrides = conductivity or {}
        absent = [str(tissue) for tissue in overrides if tag_of(tissue) not in mesh.tissues]
        if absent:
            log.warning("sigma is given for %s, which the head does not have", ", ".join(absent))
        by_tag = sigma_by_tag(overrides)
        for tissue, value in overrides.items():
            doubt = SIGMA.doubt(float(value))
            if doubt is not None and tag_of(tissue) in PROPERTIES:  # other numbers may be implants
                log.warning("tissue '%s': %s", tissue, doubt)
        return _by_tissue(mesh, by_tag)
    m = len(mesh.tets)
    if isinstance(conductivity, AnisotropicConductivity):
        conductivity.check_of(mesh)
        return conductivity.sigma
    sigma = np.asarray(conductivity)
    if sigma.dtype.kind not in "fiu":
        raise FemtmsError(f"conductivity must be a mapping or numbers in S/m; got {conductivity!r:.60}")
    sigma = sigma.astype(np.float64)
    if sigma.shape == (m,):
        _check_positive(mesh, sigma)
        _check_range(sigma)
        return sigma[:, None]
    if sigma.shape == (m, 3, 3):
        components = tensor_components(sigma)
        _check_range(np.trace(sigma, axis1=1, axis2=2) / 3)
        return components
    raise FemtmsError(f"conductivity must be a mapping, ({m},) or ({m}, 3, 3) for this mesh; got shape {sigma.shape}")


def sigma_by_tag(overrides: Mapping[int | str, float]) -> dict[int, float]:
    """The built-in conductivities (S/m) by tissue number with the given ones in their place."""
    sigma = {int(tag): p.sigma for tag, p in PROPERTIES.items()}
    given: dict[int, int | str] = {}
    for tissue, value in overrides.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not 0 < float(value) < np.inf:
            raise FemtmsError(f"sigma must be > 0 and finite in S/m; got {value} for tissue '{tissue}'")
        tag = tag_of(tissue)
        if tag in given:
            raise FemtmsError(f"sigma must be given once for each tissue; '{tissue}' is the same as '{given[tag]}'")
        given[tag] = tissue
        sigma[tag] = float(value)
        SIGMA.check(sigma[tag], f"tissue '{tissue}'")
    return sigma


def check_known(tags: np.ndarray, sigma: Mapping[int, float]) -> None:
    """Raise FemtmsError when a tissue number has no conductivity (S/m) in sigma."""
    unknown = [int(t) for t in tags if int(t) not in sigma]
    if unknown:
        shown = ", ".join(map(str, unknown[:8])) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        raise FemtmsError(
            f"every tissue needs a conductivity; none is known for tag {shown}: "
            f"give one by number, such as {{{unknown[0]}: 0.3}} or --sigma {unknown[0]}=0.3"
        )


def _by_tissue(mesh: TetMesh, sigma: Mapping[int, float]) -> np.ndarray:
    check_known(mesh.tissues, sigma)
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


def _check_range(sigma: np.ndarray) -> None:
    """Raise FemtmsError for values (m,) in S/m that nothing has."""
    for extreme in (sigma.min(initial=1.0), sigma.max(initial=1.0)):
        SIGMA.check(float(extreme))
