"""The conductivity problem in quadratic elements, assembled by scikit-fem: for tests of what is made from φ."""

import numpy as np
import skfem
from scipy import sparse
from skfem.helpers import dot, grad

from femtms.backend import cpu_backend
from femtms.conductivity.isotropic import conductivity_of
from femtms.solver.potential import PotentialSolver


def quadratic_potential(mesh, dadt, rtol=1e-9):
    """φ (n+e,) in V, given the function dadt of points (p,3) in m: theory.md (6) with quadratic elements."""
    basis = skfem.Basis(skfem.MeshTet(mesh.nodes.T, mesh.tets.T.astype(np.int64)), skfem.ElementTetP2(), intorder=2)
    points = np.asarray(basis.global_coordinates())
    a = dadt(np.ascontiguousarray(points.reshape(3, -1).T)).T.reshape(points.shape)
    sigma = np.broadcast_to(conductivity_of(mesh, None), points.shape[1:])
    stiffness = skfem.BilinearForm(lambda u, v, w: w["sigma"] * dot(grad(u), grad(v))).assemble(basis, sigma=sigma)
    load = skfem.LinearForm(lambda v, w: -w["sigma"] * dot(w["a"], grad(v))).assemble(basis, sigma=sigma, a=a)
    stiffness = sparse.csr_array(stiffness)
    stiffness.sort_indices()
    solver = PotentialSolver.build(stiffness, None, cpu_backend(), None, 0)
    return np.ascontiguousarray(solver.solve(np.ascontiguousarray(load[:, None]), rtol).phi[:, 0])


def quadratic_gradient(mesh, potential):
    """∇φ (m,3) in V/m at the centroids: Σ_a ∇λ_a Σ (φ of the edges at corner a)."""
    x = mesh.nodes[mesh.tets]
    slopes = np.zeros((len(x), 4, 3))
    slopes[:, 1:] = np.linalg.inv(x[:, 1:] - x[:, :1]).transpose(0, 2, 1)
    slopes[:, 0] = -slopes.sum(axis=1)
    along = potential[len(mesh.nodes) + mesh.tet_edges]
    at_corners = np.stack([along[:, e].sum(axis=1) for e in ([0, 2, 3], [0, 1, 4], [1, 2, 5], [3, 4, 5])], axis=1)
    return np.einsum("ma,mad->md", at_corners, slopes)
