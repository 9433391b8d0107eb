"""Conductivity that came from diffusion tensors, and what had to be put right on the way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from femtms.conductivity.tensor import full_tensors
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh

_ROUNDING = 1e-6  # m: of a mesh that went through a file


@dataclass(frozen=True)
class TensorCounts:
    """How many tetrahedra of a tissue there are, and of how many the tensor was not taken as it is.

    missing        no voxel there, or one of zeros: isotropic instead
    not_finite     NaN or infinite: isotropic instead
    negative       no positive eigenvalue: isotropic instead
    repaired       not positive definite: eigenvalues below the largest one over max_ratio lifted to that
    limited_ratio  the same for tensors that are positive definite
    limited_sigma  eigenvalues above max_sigma lowered to that
    """

    tets: int
    missing: int
    not_finite: int
    negative: int
    repaired: int
    limited_ratio: int
    limited_sigma: int

    @property
    def isotropic(self) -> int:
        """How many have the isotropic conductivity of the tissue."""
        return self.missing + self.not_finite + self.negative


@dataclass(frozen=True, eq=False, repr=False)
class AnisotropicConductivity:
    """The conductivity of every tetrahedron of a mesh from diffusion tensors; a Simulator of that mesh takes it.

    sigma          (m,6) xx, xy, xz, yy, yz, zz in S/m in head coordinates; (m,1) for "mc", which has no directions
    tags           (m,) tissue numbers, and
    centroids      (m,3) m, of the tetrahedra that it is of
    normalisation  "vn", "dir" or "mc"
    factor         S/m for one unit of diffusion; None for "vn", where each tensor has its own
    max_ratio      of the largest to the smallest eigenvalue, and
    max_sigma      S/m, as they were applied
    counts         tissue -> TensorCounts
    source         name of the tensors
    """

    sigma: np.ndarray
    tags: np.ndarray
    centroids: np.ndarray
    normalisation: str
    factor: float | None
    max_ratio: float
    max_sigma: float
    counts: Mapping[str, TensorCounts]
    source: str

    @property
    def tensors(self) -> np.ndarray:
        """(m,3,3) in S/m."""
        return full_tensors(self.sigma) if self.sigma.shape[1] == 6 else self.sigma[:, :, None] * np.eye(3)

    def check_of(self, mesh: TetMesh) -> None:
        """Raise FemtmsError unless it is that of this mesh, or of one with the same tissues at the same places."""
        must, m = f"conductivity from tensors ({self.source}) must be that of this mesh", len(mesh.tets)
        if len(self.sigma) != m:
            raise FemtmsError(f"{must}, of {m:,} tets; got that of another one, of {len(self.sigma):,}")
        moved = (np.abs(mesh.centroids - self.centroids) > _ROUNDING).any(axis=1)
        for where, what in ((moved, "at other places"), (mesh.tags != self.tags, "of other tissues")):
            if where.any():
                raise FemtmsError(
                    f"{must}; got that of another one, of as many tets: {where.sum():,} of {m:,} are {what}, "
                    f"the first is tet {where.argmax()}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Settings and counts for JSON."""
        return {
            "normalisation": self.normalisation,
            "factor_S_per_m": self.factor,
            "max_ratio": self.max_ratio,
            "max_sigma_S_per_m": self.max_sigma,
            "tissues": {name: asdict(counts) for name, counts in self.counts.items()},
        }

    def __repr__(self) -> str:
        all_of = {f.name: sum(getattr(c, f.name) for c in self.counts.values()) for f in fields(TensorCounts)}
        words = {
            "missing": "without a tensor (isotropic)",
            "not_finite": "NaN or infinite (isotropic)",
            "negative": "without a positive eigenvalue (isotropic)",
            "repaired": "not positive definite (repaired)",
            "limited_ratio": f"limited to ratio {self.max_ratio:g}",
            "limited_sigma": f"limited to {self.max_sigma:g} S/m",
        }
        said = [f"{all_of[key]:,} {what}" for key, what in words.items() if all_of[key]]
        return (
            f"AnisotropicConductivity({self.source}, {self.normalisation}; {all_of['tets']:,} tets of "
            f"{' and '.join(self.counts)}: {', '.join(said) or 'all as measured'})"
        )
