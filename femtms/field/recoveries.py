"""The recoveries of a head: one for each tissue, made when it is first asked for and then kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from femtms.backend import Backend, cpu_backend, to_host
from femtms.errors import FemtmsError
from femtms.field.recovery import METHODS, TissueRecovery
from femtms.mesh.tetmesh import TetMesh

RAW = "raw"
FOR_ERRORS = "harmonic"  # the recovery that errors of raw fields are estimated by


def check_recovery(recovery: str) -> None:
    """Raise FemtmsError for a method that there is none of."""
    if recovery not in (RAW, *METHODS):
        raise FemtmsError(f"recovery must be one of {', '.join((RAW, *METHODS))}; got '{recovery}'")


@dataclass(frozen=True, eq=False)
class Recoveries:
    """What makes a continuous ∇φ of φ in each tissue of a mesh, shared by all fields of a Simulator.

    method   of a recovered field, "harmonic" or "spr", or "raw": errors of a raw field are estimated by "harmonic"
    order    of the elements
    sigma    (m,1) or (m,6) S/m: only where it is one number in a tissue, φ is harmonic there
    backend  the device of the fields
    made     by tissue number and method; state
    """

    mesh: TetMesh
    method: str
    order: int
    sigma: np.ndarray
    backend: Backend
    made: dict[tuple[int, str], TissueRecovery] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """For copies and other processes: what is on a device stays there, and is made again on the CPU when needed."""
        return _on_cpu, (self.mesh, self.method, self.order, self.sigma)

    def of(self, tag: int) -> TissueRecovery:
        """That of a tissue number."""
        method = FOR_ERRORS if self.method == RAW else self.method
        if (tag, method) not in self.made:
            isotropic = _is_one_number(self.sigma[self.mesh.tags == tag])
            recovery = TissueRecovery.build(self.mesh, self.order, method, tag, isotropic, self.backend)
            self.made[tag, method] = recovery
        return self.made[tag, method]

    def in_block(self, tags: Iterable[int], potentials: Any) -> dict[int, Any]:
        """Tissue number -> recovered ∇φ at nodes (q,c,k) for a block φ (N,k): one sparse product for each tissue."""
        return {tag: self.of(tag).gradients(potentials) for tag in tags}

    def change(self, tag: int, potential: Any) -> Any:
        """Recovered minus raw E (r,3) in V/m at the centroids of a tissue; ∂A/∂t is the same in both.

        potential  φ (N,) V in the order of the mesh's nodes and edges, on the device
        """
        recovery = self.of(tag)
        return recovery.raw_at_centroids(potential) - recovery.at_centroids(recovery.gradients(potential))

    def squares(self, tag: int, potential: Any) -> Any:
        """Mean (r,) of |recovered - raw E|² in V²/m² over each tetrahedron of a tissue; φ as for `change`."""
        recovery, column = self.of(tag), potential[:, None]
        return recovery.squared_changes(recovery.gradients(column), column)[0]

    def at(self, potential: np.ndarray, tets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Recovered ∇φ (p,3) in V/m at points in tetrahedra (p,) of the mesh with barycentric coordinates (p,4).

        potential  φ (N,) V in the order of the mesh's nodes and edges; all arrays on the host
        """
        xp, gradients = self.backend.xp, np.empty((len(tets), 3))
        for tag in np.unique(self.mesh.tags[tets]):
            recovery, own = self.of(int(tag)), self.mesh.tags[tets] == tag
            local = np.searchsorted(to_host(recovery.rows), tets[own])
            at_nodes = recovery.gradients(xp.asarray(potential))
            gradients[own] = to_host(recovery.at(at_nodes, xp.asarray(local), xp.asarray(weights[own])))
        return gradients

    def at_nodes(self, tag: int, potential: np.ndarray) -> np.ndarray:
        """Recovered ∇φ (q,3) in V/m at the nodes of a tissue, which ascend; arrays on the host."""
        return to_host(self.of(tag).gradients(self.backend.xp.asarray(potential)))[:, :3]


def _is_one_number(sigma: np.ndarray) -> bool:
    """Whether the conductivity (r,1) or (r,6) of a tissue is the same everywhere and in all directions."""
    if not (sigma == sigma[0]).all():
        return False
    if sigma.shape[1] == 1:
        return True
    xx, xy, xz, yy, yz, zz = sigma[0]
    return bool(xy == xz == yz == 0 and np.allclose([yy, zz], xx, rtol=1e-12, atol=0))


def _on_cpu(mesh: TetMesh, method: str, order: int, sigma: np.ndarray) -> Recoveries:
    return Recoveries(mesh, method, order, sigma, cpu_backend())
