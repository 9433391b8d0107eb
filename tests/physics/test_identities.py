"""What must hold on any mesh, whatever the numbers are."""

import numpy as np
import pytest
import skfem
from lagrange import STILL, at, gradient_of_potential, prescribed, quadrature
from scipy.sparse.linalg import splu
from skfem.helpers import dot, grad

from femtms import LayeredSphere, Pose, Simulator, TetMesh, mesh_head
from femtms.backend import backend
from femtms.fem.p1 import P1
from femtms.solver.potential import PotentialSolver


def random_tensors(m, rng):
    """Symmetric positive-definite (m,3,3), and their six components."""
    a = rng.normal(size=(m, 3, 3))
    return a @ a.transpose(0, 2, 1) + 0.1 * np.eye(3)


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.fixture(scope="module")
def small():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=25.0)


def sigma_of(kind, m, rng):
    if kind == "isotropic":
        return rng.uniform(0.01, 2.0, (m, 1))
    row, column = np.triu_indices(3)
    return np.ascontiguousarray(random_tensors(m, rng)[:, row, column])


@pytest.mark.parametrize("kind", ["isotropic", "tensor"])
def test_uniform_dadt_induces_no_field(small, kind, device):
    rng = np.random.default_rng(1)
    p1, stiffness = P1.build(small, sigma_of(kind, len(small.tets), rng), backend(device))
    uniform = np.array([0.3, -1.1, 0.7])
    dadt = p1.backend.xp.asarray(np.tile(uniform, (len(small.tets), 1)))
    solver = PotentialSolver.build(stiffness, None, p1.backend)
    phi = solver.solve(p1.load(dadt)[:, None], rtol=1e-12).phi
    E = p1.field(dadt, p1.backend.xp.ascontiguousarray(phi[:, 0]))
    assert abs(E).max() < 1e-9 * np.linalg.norm(uniform)


@pytest.mark.parametrize("kind", ["isotropic", "tensor"])
def test_stiffness_is_symmetric_with_zero_row_sums(small, kind):
    sigma = sigma_of(kind, len(small.tets), np.random.default_rng(2))
    _, stiffness = P1.build(small, sigma, backend("cpu"))
    size = abs(stiffness).max()
    assert abs(stiffness - stiffness.T).max() < 1e-14 * size
    assert abs(stiffness.sum(axis=1)).max() < 1e-13 * size
    assert stiffness.has_sorted_indices


def test_constants_are_the_only_null_vectors_of_the_stiffness():
    ball = mesh_head(LayeredSphere((92.0,), (2,)), size_mm=30.0)
    _, stiffness = P1.build(ball, sigma_of("tensor", len(ball.tets), np.random.default_rng(2)), backend("cpu"))
    eigenvalues = np.linalg.eigvalsh(stiffness.toarray())
    assert abs(eigenvalues[0]) < 1e-12 * eigenvalues[-1] < eigenvalues[1]


@pytest.mark.parametrize("kind", ["isotropic", "tensor"])
def test_assembly_agrees_with_scikit_fem(small, kind):
    rng = np.random.default_rng(3)
    sigma = sigma_of(kind, len(small.tets), rng)
    p1, stiffness = P1.build(small, sigma, backend("cpu"))
    dadt = rng.normal(size=(len(small.tets), 3))

    full = sigma[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]] if kind == "tensor" else sigma * np.eye(3).ravel()
    full = full.reshape(-1, 3, 3)
    basis = skfem.Basis(skfem.MeshTet(p1.nodes.T, p1.tets.T), skfem.ElementTetP1())
    constant = full.transpose(1, 2, 0)[..., None]

    @skfem.BilinearForm
    def form(u, v, w):
        return np.einsum("ijeq,jeq,ieq->eq", constant * np.ones_like(w.x[0]), grad(u), grad(v))

    @skfem.LinearForm
    def load(v, w):
        flux = np.einsum("eij,ej->ie", full, dadt)[..., None] * np.ones_like(w.x[0])
        return -dot(flux, grad(v))

    assert abs(stiffness - form.assemble(basis)).max() < 1e-13 * abs(stiffness).max()
    b = p1.load(dadt)
    assert np.abs(b - load.assemble(basis)).max() < 1e-13 * np.abs(b).max()
    phi = rng.normal(size=len(p1.nodes))
    gradient = basis.interpolate(phi).grad[:, :, 0].T
    np.testing.assert_allclose(p1.field(0 * dadt, phi), -gradient, atol=1e-11 * np.abs(gradient).max())


def test_field_agrees_with_a_direct_solver(sphere_mesh, dipole_coil, vertex_pose, device):
    field = Simulator(sphere_mesh, device=device, rtol=1e-10).solve(dipole_coil, vertex_pose, 1e6)
    p1, stiffness = P1.build(sphere_mesh, Simulator(sphere_mesh, device="cpu").sigma, backend("cpu"))
    dadt = 1e6 * dipole_coil.moved(vertex_pose).vector_potential(sphere_mesh.centroids)
    phi = np.zeros(len(p1.nodes))
    phi[1:] = splu(stiffness.tocsc()[1:, 1:]).solve(p1.load(dadt)[1:])
    assert relative(field.E, p1.field(dadt, phi)) < 1e-8


def test_default_tolerance_bounds_the_error_of_the_field(sphere_mesh, dipole_coil, vertex_pose):
    loose = Simulator(sphere_mesh, device="cpu").solve(dipole_coil, vertex_pose)
    tight = Simulator(sphere_mesh, device="cpu", rtol=1e-12).solve(dipole_coil, vertex_pose)
    assert relative(loose.E, tight.E) < 1e-5
    assert loose.residual <= 1e-6 < loose.residual * 1e4
    assert loose.iterations < tight.iterations


def test_field_is_linear_in_didt(sphere_mesh, dipole_coil, vertex_pose, device):
    sim = Simulator(sphere_mesh, device=device, rtol=1e-12)
    one, three = (sim.solve(dipole_coil, vertex_pose, didt) for didt in (1e6, -3e6))
    assert relative(three.E, -3 * one.E) < 1e-10
    assert not sim.solve(dipole_coil, vertex_pose, 0.0).E.any()


@pytest.mark.parametrize("order", [1, 2])
def test_field_does_not_depend_on_the_grounding(sphere_mesh, dipole_coil, vertex_pose, order):
    far = int(sphere_mesh.nodes[:, 2].argmin())
    near = int(sphere_mesh.nodes[:, 2].argmax())
    fields = [
        Simulator(sphere_mesh, order=order, device="cpu", rtol=1e-12, ground=g).solve(dipole_coil, vertex_pose)
        for g in (None, far, near)
    ]
    for other in fields[1:]:
        assert relative(other.E, fields[0].E) < 1e-9
        # the potential is reported with zero mean, whatever was tied
        assert relative(other.potential, fields[0].potential) < 1e-9


def test_no_current_flows_to_ground(small):
    """φ at the grounded node is zero, so nothing flows through the tie that makes K definite."""
    p1, stiffness = P1.build(small, np.ones((len(small.tets), 1)), backend("cpu"))
    dadt = np.random.default_rng(4).normal(size=(len(small.tets), 3))
    phi = PotentialSolver.build(stiffness, 7, p1.backend).solve(p1.load(dadt)[:, None], 1e-12).phi
    assert abs(phi[7, 0]) < 1e-9 * np.ptp(phi)


def test_rigid_motion_of_head_and_coil_together_changes_nothing(sphere_mesh, dipole_coil, vertex_pose):
    rng = np.random.default_rng(5)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    shift = np.array([0.11, -0.07, 0.23])
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, 1e3 * shift

    moved = TetMesh(sphere_mesh.nodes @ rotation.T + shift, sphere_mesh.tets, sphere_mesh.tags)
    still = Simulator(sphere_mesh, device="cpu", rtol=1e-12).solve(dipole_coil, vertex_pose)
    after = Simulator(moved, device="cpu", rtol=1e-12).solve(dipole_coil, Pose(motion @ vertex_pose.matrix))
    assert relative(after.E, still.E @ rotation.T) < 1e-9


def test_isotropic_tensors_are_scalars(sphere_mesh, dipole_coil, vertex_pose):
    values = np.array([0.0, 0.126, 0.275, 1.654, 0.01, 0.465])[sphere_mesh.tags]
    by_tissue = Simulator(sphere_mesh, device="cpu", rtol=1e-10)
    by_tet = Simulator(sphere_mesh, values, device="cpu", rtol=1e-10)
    as_tensor = Simulator(sphere_mesh, values[:, None, None] * np.eye(3), device="cpu", rtol=1e-10)
    fields = [sim.solve(dipole_coil, vertex_pose) for sim in (by_tissue, by_tet, as_tensor)]
    for other in fields[1:]:
        assert relative(other.E, fields[0].E) < 1e-8
        assert relative(other.J, fields[0].J) < 1e-8


def test_rotated_anisotropy_gives_the_rotated_field(sphere_mesh, dipole_coil, vertex_pose):
    """A tensor turned with head and coil turns the field with it: rows and columns are where they belong."""
    rng = np.random.default_rng(6)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    tensors = np.tile(np.diag([1.0, 0.3, 0.1]), (len(sphere_mesh.tets), 1, 1))
    motion = np.eye(4)
    motion[:3, :3] = rotation
    turned = TetMesh(sphere_mesh.nodes @ rotation.T, sphere_mesh.tets, sphere_mesh.tags)
    still = Simulator(sphere_mesh, tensors, device="cpu", rtol=1e-11).solve(dipole_coil, vertex_pose)
    after = Simulator(turned, rotation @ tensors @ rotation.T, device="cpu", rtol=1e-11)
    E = after.solve(dipole_coil, Pose(motion @ vertex_pose.matrix)).E
    assert relative(E, still.E @ rotation.T) < 1e-8


def test_currents_are_conserved(sphere_mesh, dipole_coil, vertex_pose):
    """n·σE integrates to zero over every closed surface: tested with the weak form against each λ_i."""
    sim = Simulator(sphere_mesh, device="cpu", rtol=1e-12)
    field = sim.solve(dipole_coil, vertex_pose)
    p1, _ = P1.build(sphere_mesh, sim.sigma, backend("cpu"))
    divergence = p1.load(field.E)  # -∫ ∇λ_i·σE for every node
    scale = p1.load(np.abs(field.E))
    assert np.abs(divergence).max() < 1e-8 * np.abs(scale).max()


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("kind", ["isotropic", "tensor"])
def test_what_the_field_dissipates_is_what_the_coil_gives(small, kind, order):
    """∫ E·σE = -∫ ∂A/∂t·σE, as currents give nothing to a gradient: B is uniform."""
    sigma = sigma_of(kind, len(small.tets), np.random.default_rng(8))
    full = sigma[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]] if kind == "tensor" else sigma * np.eye(3).ravel()
    full = full.reshape(-1, 3, 3)
    sim = Simulator(small, full, order=order, device="cpu", rtol=1e-11)
    field = sim.solve(prescribed(uniform_B), STILL, 1.0)

    weights, shares = quadrature(2)  # ∂A/∂t and ∇φ are linear, so this is exact
    dadt = uniform_B(at(small, weights).reshape(-1, 3)).reshape(len(small.tets), -1, 3)
    E = -dadt - gradient_of_potential(small, field.potential, weights)
    J = np.einsum("mij,mqj->mqi", full, E)
    per_tet = small.volumes[:, None] * shares
    dissipated, given = (per_tet * (E * J).sum(axis=2)).sum(), -(per_tet * (dadt * J).sum(axis=2)).sum()
    assert dissipated == pytest.approx(given, rel=1e-9)
    # and it is the least: with no charges more would be dissipated
    without = (per_tet * np.einsum("mqi,mij,mqj->mq", dadt, full, dadt)).sum()
    assert dissipated < 0.9 * without


def uniform_B(points):
    """∂A/∂t (n,3) V/m of ∂B/∂t = (1, -2, 3) T/s, about a point that is no centre of the head."""
    return np.cross([1.0, -2.0, 3.0], points - [0.05, 0.02, -0.03]) / 2


@pytest.mark.parametrize("order", [1, 2])
def test_disconnected_pieces_are_solved_together(small, dipole_coil, vertex_pose, order):
    """Each piece floats: K has one null vector for each, and grounding ties them all."""
    n = len(small.nodes)
    both = TetMesh(
        np.concatenate([small.nodes, small.nodes + [0.3, 0, 0]]),
        np.concatenate([small.tets, small.tets + n]),
        np.concatenate([small.tags, small.tags]),
    )
    alone = Simulator(small, order=order, device="cpu", rtol=1e-11).solve(dipole_coil, vertex_pose)
    together = Simulator(both, order=order, device="cpu", rtol=1e-11).solve(dipole_coil, vertex_pose)
    assert relative(together.E[: len(small.tets)], alone.E) < 1e-8
