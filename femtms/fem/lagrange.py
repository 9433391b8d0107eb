"""Quadratic Lagrange elements on the reference tetrahedron; shape functions and their numbers are scikit-fem's."""

from functools import cache

import numpy as np

from femtms.mesh.tetmesh import TetMesh

# Barycentric coordinates (q,4) and weights (q,) of a rule that is exact for cubic polynomials (Zienkiewicz & Taylor;
# Keast 1986, rule 3).  Its first point is the centroid, where the field is wanted as well.
POINTS = np.full((5, 4), 1 / 6)
POINTS[0] = 1 / 4
POINTS[np.arange(1, 5), np.arange(4)] = 1 / 2
WEIGHTS = np.array([-4 / 5, 9 / 20, 9 / 20, 9 / 20, 9 / 20])


@cache
def gradients() -> np.ndarray:
    """Coefficients (q,10,3) of ∇λ_1, ∇λ_2 and ∇λ_3 in the ∇N_k at the POINTS: theory.md (30)."""
    import skfem  # here, so that linear elements need not wait for it

    element, x = skfem.ElementTetP2(), np.ascontiguousarray(POINTS[:, 1:].T)  # reference coordinates are λ_1, λ_2, λ_3
    return np.ascontiguousarray(np.stack([element.lbasis(x, k)[1].T for k in range(10)], axis=1))


@cache
def stiffness_table() -> np.ndarray:
    """(10,10,6): what V ∇λ_a·σ∇λ_b with ab = 11, 12, 13, 22, 23, 33 contributes to K_kl: theory.md (31)."""
    d = gradients()
    full = np.einsum("q,qka,qlb->klab", WEIGHTS, d, d)
    row, column = np.triu_indices(3)
    # σ is symmetric: ab and ba are one number
    return np.ascontiguousarray(
        np.where(row == column, 1, 2) * (full + full.transpose(0, 1, 3, 2))[..., row, column] / 2
    )


def quadratic_dofs(mesh: TetMesh, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Unknowns (m,10) int32 of tetrahedra: their nodes, and their edges numbered after all nodes."""
    return np.hstack([mesh.tets[rows], mesh.tet_edges[rows] + np.int32(len(mesh.nodes))])


def quadratic_points(mesh: TetMesh) -> np.ndarray:
    """Where the unknowns are, (n + e, 3) m: the nodes and the middles of the edges."""
    return np.concatenate([mesh.nodes, (mesh.nodes[mesh.edges[:, 0]] + mesh.nodes[mesh.edges[:, 1]]) / 2])


def quadrature_points(mesh: TetMesh) -> np.ndarray:
    """The POINTS of each tetrahedron, (q m, 3) m, tetrahedron by tetrahedron."""
    points = np.empty((len(mesh.tets), len(POINTS), 3))
    corners = [mesh.nodes[mesh.tets[:, a]] for a in range(4)]
    for q, weights in enumerate(POINTS):
        points[:, q] = sum(weight * x for weight, x in zip(weights, corners))
    return points.reshape(-1, 3)
