"""Reciprocity: q·E of a coil dipole ṁ at r0 is -ṁ·B of the current dipole q at r0.

Lorentz; for the sphere Heller & van Hulsteyn 1992.
The current dipole is solved for with scikit-fem, on the same mesh but with nothing of what solves for the coil.
"""

from functools import cache

import numpy as np
import pytest
import skfem
from lagrange import ORDERS, STILL, at, gradient_of_potential
from scipy.sparse.linalg import splu
from skfem.helpers import grad
from test_identities import random_tensors

from femtms import Coil, LayeredSphere, Simulator, mesh_head
from femtms.coil.elements import Dipoles
from femtms.fem import lagrange

K = 1e-7  # μ0/4π, T·m/A
R0 = np.array([0.02, -0.03, 0.115])
DIPOLES = np.eye(3)  # ṁ along each axis, A·m²/s
QUADRATURE = {1: (np.full((1, 4), 0.25), np.ones(1)), 2: (lagrange.POINTS, lagrange.WEIGHTS)}  # those of the load


@cache
def ball():
    return mesh_head(LayeredSphere((70.0, 90.0), (2, 5)), size_mm=20.0)


def conductivities(kind):
    """σ (m,3,3) S/m."""
    tags = ball().tags
    if kind == "tensors":
        return random_tensors(len(tags), np.random.default_rng(3))
    return np.where(tags == 2, 0.33, 0.02)[:, None, None] * np.eye(3)


@cache
def reciprocal(order, kind):
    """Solves K V = b (N,), the shapes of scikit-fem, and where its unknowns are among those of the mesh."""
    mesh, sigma = ball(), conductivities(kind).transpose(1, 2, 0)[..., None]
    element = skfem.ElementTetP1() if order == 1 else skfem.ElementTetP2()
    basis = skfem.Basis(skfem.MeshTet(np.array(mesh.nodes.T), np.array(mesh.tets.T)), element)

    @skfem.BilinearForm
    def form(u, v, w):
        return np.einsum("ijeq,jeq,ieq->eq", sigma * np.ones_like(w.x[0]), grad(u), grad(v))

    of_mesh = mesh.tets if order == 1 else np.column_stack([mesh.tets, len(mesh.nodes) + mesh.tet_edges])
    theirs = np.empty(basis.N, np.int64)
    theirs[of_mesh.T] = basis.element_dofs
    return splu(form.assemble(basis).tocsc()[1:, 1:]), theirs


def potential_of_current_dipole(order, kind, tet, q):
    """V (N,) in V of q A·m in the middle of a tetrahedron, in the order of the mesh: ∫ σ∇V·∇v = q·∇v."""
    mesh = ball()
    factors, theirs = reciprocal(order, kind)
    middle, alone = np.full((1, 4), 0.25), slice(tet, tet + 1)
    own = mesh.tets[tet] if order == 1 else np.concatenate([mesh.tets[tet], len(mesh.nodes) + mesh.tet_edges[tet]])
    b = np.zeros(len(theirs))
    for i in own:
        one = np.zeros(len(theirs))
        one[i] = 1
        b[theirs[i]] = q @ gradient_of_potential(mesh, one, middle, alone)[0, 0]
    V = np.zeros(len(theirs))
    V[1:] = factors.solve(b[1:])
    return V[theirs]


def magnetic_field(order, kind, tet, q):
    """B (3,) in T at R0 of the current dipole and of the currents -σ∇V that close it: Biot & Savart."""
    mesh = ball()
    weights, shares = QUADRATURE[order]
    V = potential_of_current_dipole(order, kind, tet, q)
    current = -np.einsum("mij,mqj->mqi", conductivities(kind), gradient_of_potential(mesh, V, weights))
    current *= mesh.volumes[:, None, None] * shares[:, None]

    def biot_savart(moments, points):
        d = R0 - points
        return K * (np.cross(moments, d) / np.linalg.norm(d, axis=-1)[..., None] ** 3)

    return biot_savart(q, mesh.centroids[tet]) + biot_savart(current, at(mesh, weights)).sum(axis=(0, 1))


def sarvas(r_q, q):
    """B (3,) in T at R0 of a current dipole in a sphere about the origin: Sarvas 1987, eq. 25."""
    a, r = np.linalg.norm(R0 - r_q), np.linalg.norm(R0)
    along = (R0 - r_q) @ R0
    F = a * (r * a + r**2 - r_q @ R0)
    grad_F = (a**2 / r + along / a + 2 * a + 2 * r) * R0 - (a + 2 * r + along / a) * r_q
    return K / F**2 * (F * np.cross(q, r_q) - np.cross(q, r_q) @ R0 * grad_F)


@cache
def fields_of_coils(order, kind):
    """E (3,m,3) at the centroids of a dipole along each axis at R0, for 1 A·m²/s."""
    sim = Simulator(ball(), conductivities(kind), order=order, device="cpu", rtol=1e-12)
    coils = [Coil("dipole", (Dipoles(R0[None], m[None]),)) for m in DIPOLES]
    return np.stack([sim.solve(coil, STILL, 1.0).E for coil in coils])


def some_dipoles():
    """Tetrahedra 40 to 60 mm from the centre on the coil's side, and a moment q in each."""
    rng = np.random.default_rng(1)
    radius = np.linalg.norm(ball().centroids, axis=1)
    near = np.flatnonzero((radius > 0.04) & (radius < 0.06) & (ball().centroids[:, 2] > 0.02))
    return [(int(t), rng.normal(size=3)) for t in rng.choice(near, 5, replace=False)]


@pytest.mark.parametrize("kind", ["isotropic", "tensors"])
@pytest.mark.parametrize("order", ORDERS)
def test_field_of_a_coil_is_that_of_the_current_dipole_at_the_coil(order, kind):
    """On any mesh, however coarse: both are solutions of the same equations."""
    E = fields_of_coils(order, kind)
    for tet, q in some_dipoles():
        B = magnetic_field(order, kind, tet, q)
        np.testing.assert_allclose(E[:, tet] @ q, -DIPOLES @ B, atol=1e-8 * np.abs(E[:, tet]).max())


@pytest.mark.parametrize("order", ORDERS)
def test_current_dipole_in_a_sphere_has_the_field_of_sarvas(order):
    error, size = [], []
    for tet, q in some_dipoles():
        exact = sarvas(ball().centroids[tet], q)
        error.append(magnetic_field(order, "isotropic", tet, q) - exact)
        size.append(exact)
    assert np.linalg.norm(error) < (0.4, 0.02)[order - 1] * np.linalg.norm(size)
