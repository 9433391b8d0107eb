"""∇φ anywhere in a tetrahedron, from φ at the unknowns of linear and quadratic elements."""

import numpy as np

from femtms.mesh.tetmesh import TetMesh

# Which edge, in the order 01 12 02 03 13 23, joins each corner with the three others, and these.
_EDGES = np.array([[0, 2, 3], [0, 1, 4], [2, 1, 5], [3, 4, 5]])
_OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def corner_values(
    mesh: TetMesh, potential: np.ndarray, order: int, tets: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """c (p,4) in V such that ∇φ = Σ_a c_a ∇λ_a at barycentric coordinates λ = weights (p,4) in tetrahedra (p,).

    potential (n,) V of linear elements, where c is φ at the corners; (n + e,) of quadratic ones (order 2), where
    theory.md (30) gives c_a = (4λ_a - 1) φ_a + 4 Σ_b λ_b φ_ab with the sum over the other corners.
    """
    values: np.ndarray = potential[mesh.tets[tets]]
    if order == 1:
        return values
    on_edges = potential[len(mesh.nodes) + mesh.tet_edges[tets]]
    coupled = np.einsum("pab,pab->pa", weights[:, _OTHERS], on_edges[:, _EDGES])
    return (4 * weights - 1) * values + 4 * coupled
