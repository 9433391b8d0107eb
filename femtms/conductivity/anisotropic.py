"""Conductivity tensors of the brain from diffusion tensors."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from femtms.arguments import checks_kinds
from femtms.arrays import sealed
from femtms.conductivity.anisotropic_conductivity import AnisotropicConductivity, TensorCounts
from femtms.conductivity.isotropic import conductivity_of, sigma_by_tag
from femtms.conductivity.normalise import check_normalisation, common_factor, conductivities, geometric_mean
from femtms.conductivity.tensor import components_of, full_tensors
from femtms.conductivity.tensor_volume import TensorVolume
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import SIGMA
from femtms.tissue import name_of, tag_of

log = logging.getLogger("femtms")

DEFAULT_TISSUES = ("wm", "gm")
DEFAULT_RATIO = 10.0
DEFAULT_SIGMA = 2.0  # S/m; CSF has 1.65
_LARGEST_RATIO = 1000.0  # a wire, not a tissue
_WORTH_A_WARNING = 0.1  # of the tetrahedra


def check_limits(max_ratio: float, max_sigma: float) -> None:
    """Raise FemtmsError for limits that mean nothing."""
    if not 1 <= max_ratio <= _LARGEST_RATIO:
        raise FemtmsError(f"max_ratio of eigenvalues must be from 1 to {_LARGEST_RATIO:g}; got {max_ratio}")
    if not 0 < max_sigma < np.inf:
        raise FemtmsError(f"max_sigma must be > 0 and finite in S/m; got {max_sigma}")
    SIGMA.check(max_sigma, "max_sigma")


@checks_kinds
def anisotropic(
    mesh: TetMesh,
    tensors: TensorVolume,
    normalisation: str = "vn",
    sigma: Mapping[int | str, float] | None = None,
    max_ratio: float = DEFAULT_RATIO,
    max_sigma: float = DEFAULT_SIGMA,
    tissues: Sequence[int | str] = DEFAULT_TISSUES,
) -> AnisotropicConductivity:
    """The conductivity of a head whose brain has diffusion tensors: `Simulator(mesh, anisotropic(mesh, tensors))`.

    normalisation  "vn" (each tensor has the geometric mean of its tissue's isotropic σ), "dir" (one factor for all) or
                   "mc" (the geometric means of "dir", without directions): see `conductivities`
    sigma          {tissue number or name: S/m} in place of the built-in isotropic values
    max_ratio      of the largest to the smallest eigenvalue: smaller ones are lifted, before they are normalised
    max_sigma      S/m: larger eigenvalues are lowered, after that
    tissues        numbers or names of those that have tensors; those that the head lacks are left out

    A tensor is taken at the centroid of each tetrahedron.  Where there is none, or it is not finite, the tissue's
    isotropic value stands; a tensor that is not positive definite is repaired.  The result has the counts, and a log
    line says them.

    Raises FemtmsError for another normalisation, limits that mean nothing, a head that has none of the tissues, tensors
    of which none is in them, and when more than half of the tensors are not positive definite.
    """
    check_normalisation(normalisation)
    check_limits(max_ratio, max_sigma)
    isotropic = conductivity_of(mesh, sigma)[:, 0]
    by_tag = sigma_by_tag(sigma or {})
    tags = _tags_of(mesh, tissues)
    for tag in tags:
        if by_tag[tag] > max_sigma:
            raise FemtmsError(
                f"max_sigma must be at least the isotropic value of each tissue with tensors; got {max_sigma:g} S/m, "
                f"and {name_of(tag)} has {by_tag[tag]:g}"
            )

    tets = np.flatnonzero(np.isin(mesh.tags, tags))
    state = _State.of(tensors.at(mesh.centroids[tets]), max_ratio)
    _check_useful(state, tensors, mesh.centroids[tets], tags)
    own = tets[state.usable]
    factor = None
    if normalisation != "vn":
        factor = common_factor(_mean_by_tissue(mesh, own, geometric_mean(state.eigenvalues)), by_tag)
    values = conductivities(state.eigenvalues, normalisation, isotropic[own], factor or 1.0)
    too_large = values > max_sigma
    values = np.minimum(values, max_sigma)

    if normalisation == "mc":
        result = isotropic[:, None].copy()
        result[own] = values[:, :1]
    else:
        result = components_of(np.eye(3)) * isotropic[:, None]
        result[own] = components_of((state.vectors * values[:, None, :]) @ state.vectors.transpose(0, 2, 1))
    is_limited = np.zeros(len(tets), bool)
    is_limited[state.usable] = too_large.any(axis=1)
    found = AnisotropicConductivity(
        sigma=sealed(result),
        tags=mesh.tags,
        centroids=mesh.centroids,
        normalisation=normalisation,
        factor=factor,
        max_ratio=float(max_ratio),
        max_sigma=float(max_sigma),
        counts={name_of(tag): state.counts(mesh.tags[tets] == tag, is_limited) for tag in tags},
        source=tensors.name,
    )
    in_doubt = sum(c.isotropic + c.repaired for c in found.counts.values()) > _WORTH_A_WARNING * len(tets)
    log.log(logging.WARNING if in_doubt else logging.INFO, "%r", found)
    return found


@dataclass(frozen=True, eq=False)
class _State:
    """What the tensors at p centroids are like, and of the usable ones (u,) the eigenvalues and vectors.

    eigenvalues (u,3) ascending, within the ratio; vectors (u,3,3), in columns.
    """

    missing: np.ndarray
    not_finite: np.ndarray
    negative: np.ndarray
    repaired: np.ndarray
    limited: np.ndarray
    usable: np.ndarray
    eigenvalues: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, components: np.ndarray, max_ratio: float) -> "_State":
        missing = (components == 0).all(axis=1)
        not_finite = ~np.isfinite(components).all(axis=1)
        there = np.flatnonzero(~missing & ~not_finite)
        eigenvalues, vectors = np.linalg.eigh(full_tensors(components[there]))
        positive = eigenvalues[:, 2] > 0
        usable = there[positive]
        eigenvalues, vectors = eigenvalues[positive], vectors[positive]
        least = eigenvalues[:, 2:] / max_ratio
        is_repaired = eigenvalues[:, 0] <= 0
        is_limited = ~is_repaired & (eigenvalues[:, 0] < least[:, 0] * (1 - 1e-12))

        def mask(rows: np.ndarray) -> np.ndarray:
            result = np.zeros(len(components), bool)
            result[rows] = True
            return result

        return cls(
            missing=missing,
            not_finite=not_finite,
            negative=mask(there[~positive]),
            repaired=mask(usable[is_repaired]),
            limited=mask(usable[is_limited]),
            usable=usable,
            eigenvalues=np.maximum(eigenvalues, least),
            vectors=vectors,
        )

    def counts(self, own: np.ndarray, limited_sigma: np.ndarray) -> TensorCounts:
        """Of the tetrahedra of one tissue, a mask (p,)."""
        masks = (own, self.missing, self.not_finite, self.negative, self.repaired, self.limited, limited_sigma)
        return TensorCounts(*(int((own & mask).sum()) for mask in masks))


def _tags_of(mesh: TetMesh, tissues: Sequence[int | str]) -> list[int]:
    """The numbers of those of the tissues that the mesh has."""
    if isinstance(tissues, str):
        raise FemtmsError(f"tissues must be a list of names or numbers; got '{tissues}'")
    wanted = {tag_of(tissue): tissue for tissue in tissues}
    tags = [tag for tag in wanted if tag in mesh.tissues]
    if not tags:
        there = ", ".join(name_of(t) for t in mesh.tissues)
        asked = " or ".join(map(str, wanted.values())) or "none"
        raise FemtmsError(f"the head must have a tissue that tensors are for; it has {there}, not {asked}")
    return tags


def _mean_by_tissue(mesh: TetMesh, tets: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Tissue -> mean of the values (p,) at some tetrahedra (p,), by volume."""
    tags, volumes = mesh.tags[tets], mesh.volumes[tets]
    return {int(t): float(np.average(values[tags == t], weights=volumes[tags == t])) for t in np.unique(tags)}


def _check_useful(state: _State, tensors: TensorVolume, centroids: np.ndarray, tags: Sequence[int]) -> None:
    """Raise FemtmsError when there are no tensors to speak of, or most of them cannot be tensors of diffusion."""
    names, number = " and ".join(map(name_of, tags)), len(centroids)
    there = number - int((state.missing | state.not_finite).sum())
    if there == 0:
        raise FemtmsError(
            f"{tensors.name}: tensors must cover the head; none of {number:,} tets of {names} has one: they lie "
            f"within {_box(1e3 * centroids)} mm, the grid of the tensors within {_box(tensors.corners_mm)} mm (is it "
            f"registered to the head?)"
        )
    bad = int((state.negative | state.repaired).sum())
    if 2 * bad > there:
        raise FemtmsError(
            f"{tensors.name}: tensors must be positive definite; {bad:,} of {there:,} in {names} are not: are the "
            f"components in the order xx, xy, xz, yy, yz, zz of `dtifit --save_tensor`?"
        )


def _box(points_mm: np.ndarray) -> str:
    """The limits of points (p,3) as x -70…70, y …, z …."""
    low, high = points_mm.min(axis=0), points_mm.max(axis=0)
    return ", ".join(f"{axis} {a:.0f}…{b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
