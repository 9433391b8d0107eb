"""What linear and quadratic elements have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from femtms.backend import Backend


@dataclass(frozen=True, eq=False)
class Element(ABC):
    """A discrete conductivity problem: P1 and P2 are its kinds.  Arrays live on the device of `backend`.

    nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m; the unknowns (N,) are numbered in Morton order, starts (N+1,)
    and meeting say which tetrahedra meet at each, and permutation (N,) gives the mesh's node, or n plus an edge.
    """

    backend: Backend
    nodes: Any
    tets: Any
    sigma: Any
    starts: Any
    meeting: Any
    permutation: Any

    @property
    def unknowns(self) -> int:
        """How many there are."""
        return len(self.permutation)

    @abstractmethod
    def loads(self, dadt: Any) -> Any:
        """b (N,k) in A from ∂A/∂t (k,q,3) in V/m at the quadrature points."""

    def load(self, dadt: Any) -> Any:
        """b (N,) in A from ∂A/∂t (q,3) in V/m at the quadrature points."""
        return self.loads(dadt[None])[:, 0]

    def in_mesh_order(self, phi: Any) -> Any:
        """φ (N,) or (N,k) of our unknowns in the order of the mesh: nodes, then edges."""
        result = self.backend.xp.empty_like(phi)
        result[self.permutation] = phi
        return result
