"""Anisotropic conductivity against solutions that are known."""

import numpy as np
import pytest
import skfem
from conductivity.diffusion import along, centred, centres, fsl_components, rotation
from nibabel import Nifti1Image, save
from physics.manufactured import Manufactured, shaken_box

from femtms import LayeredSphere, Pose, Simulator, TensorVolume, TetMesh, anisotropic, mesh_head, read_tensors
from femtms.backend import backend, to_host
from femtms.conductivity.tensor import components_of
from femtms.fem.p1 import P1
from femtms.fem.p2 import P2
from femtms.reference.sphere import dipoles_field_in_sphere
from femtms.solver.potential import PotentialSolver

TURN = rotation([0.4, -0.2, 0.9], 0.8)
TRANSVERSE = TURN @ np.diag([1.0, 0.1, 0.1]) @ TURN.T  # S/m: fibres ten times better along than across
ORTHOTROPIC = TURN @ np.diag([1.2, 0.4, 0.05]) @ TURN.T


def constant(x):
    return np.broadcast_to(ORTHOTROPIC, (len(x), 3, 3))


def winding(x):
    """Fibres that turn about z on the way up, and conduct better to the right."""
    angle, better = x[:, 2] / 0.05, 1 + 0.5 * np.sin(x[:, 0] / 0.03)
    u = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle + 0.5])
    u /= np.linalg.norm(u, axis=1)[:, None]
    return better[:, None, None] * (0.1 * np.eye(3) + 0.9 * u[:, :, None] * u[:, None, :])


ELEMENTS = {1: (P1, skfem.ElementTetP1), 2: (P2, skfem.ElementTetP2)}


def solved(mesh, tensors, dadt, order=1, device="cpu"):
    """φ (N,) V in the order of the mesh and E (m,3) V/m at the centroids for ∂A/∂t at points (p,3): (p,3)."""
    elements = ELEMENTS[order][0]
    fem, stiffness = elements.build(mesh, components_of(tensors), backend(device))
    on_device = fem.backend.xp.asarray(dadt(elements.quadrature_points(mesh)))
    phi = PotentialSolver.build(stiffness, None, fem.backend).solve(fem.load(on_device)[:, None], rtol=1e-11).phi[:, 0]
    phi = fem.backend.xp.ascontiguousarray(phi)
    return to_host(fem.in_mesh_order(phi)), to_host(fem.field(fem.at_centroids(on_device), phi))


def error_of_gradient(problem, mesh, phi, order):
    """Relative L2 error of ∇φ, and so of E, over the whole mesh; scikit-fem evaluates it."""
    skfem_mesh = skfem.MeshTet(np.array(mesh.nodes.T), np.array(mesh.tets.T, np.int64))
    basis = skfem.Basis(skfem_mesh, ELEMENTS[order][1](), intorder=4)
    x = np.array(basis.global_coordinates())
    exact = problem.grad_phi(x.reshape(3, -1).T).T.reshape(x.shape)
    error = basis.interpolate(phi).grad - exact
    return np.sqrt((basis.dx * (error**2).sum(axis=0)).sum() / (basis.dx * (exact**2).sum(axis=0)).sum())


# With σ constant in each tetrahedron, tensors that vary are met at first order whatever the elements are.
@pytest.mark.parametrize(
    "sigma, order, cells, least_order, most",
    [(constant, 1, (4, 8, 16), 0.93, 0.07), (winding, 1, (4, 8, 16), 0.93, 0.07)]
    + [(constant, 2, (3, 6, 9), 1.85, 0.006), (winding, 2, (3, 6, 9), 0.9, 0.14)],
    ids=["constant, P1", "winding, P1", "constant, P2", "winding, P2"],
)
def test_manufactured_solution_is_reached_at_the_order_of_the_elements(sigma, order, cells, least_order, most):
    problem, errors, errors_of_phi = Manufactured(sigma), [], []
    for number in cells:
        mesh = shaken_box(number)
        phi, _ = solved(mesh, sigma(mesh.centroids), problem.dadt, order)
        errors.append(error_of_gradient(problem, mesh, phi, order))
        at_nodes, phi = problem.phi(mesh.nodes), phi[: len(mesh.nodes)]
        errors_of_phi.append(np.std(phi - at_nodes) / np.std(at_nodes))
    sizes = 1 / np.array(cells)
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] > least_order, errors
    assert np.polyfit(np.log(sizes), np.log(errors_of_phi), 1)[0] > 1.8, errors_of_phi
    assert errors[-1] < most, errors


def test_transposed_or_swapped_axes_do_not_reach_it():
    """The same test finds a tensor that is turned the wrong way."""
    problem, mesh = Manufactured(winding), shaken_box(8)
    wrong = winding(mesh.centroids)[:, [1, 0, 2]][:, :, [1, 0, 2]]
    phi, _ = solved(mesh, wrong, problem.dadt)
    assert np.std(phi - problem.phi(mesh.nodes)) > 0.1 * np.std(problem.phi(mesh.nodes))


def root_of(sigma):
    """σ^(1/2)."""
    values, vectors = np.linalg.eigh(sigma)
    return vectors * np.sqrt(values) @ vectors.T


def stretched(mesh, sigma):
    """The mesh with x = σ^(1/2) x': where the head is isotropic in x', it has σ in x."""
    return TetMesh(mesh.nodes @ root_of(sigma), mesh.tets, mesh.tags)


@pytest.mark.parametrize("order", [1, 2])
def test_stretching_the_coordinates_makes_a_medium_isotropic(order, device):
    """∇ = σ^(-1/2) ∇': the potentials are equal, E = σ^(-1/2) E'."""
    ball = mesh_head(LayeredSphere((92.0,), (2,)), 25.0)
    long, m = stretched(ball, TRANSVERSE), len(ball.tets)
    back = np.linalg.inv(root_of(TRANSVERSE))

    def dadt(x):
        return np.column_stack([np.sin(30 * x[:, 1]), np.cos(20 * x[:, 2] * x[:, 0]), 10 * x[:, 0]])

    phi, E = solved(ball, np.tile(np.eye(3), (m, 1, 1)), dadt, order, device)
    phi_long, E_long = solved(long, np.tile(TRANSVERSE, (m, 1, 1)), lambda x: dadt(x @ back) @ back, order, device)
    np.testing.assert_allclose(phi_long - phi_long.mean(), phi - phi.mean(), atol=1e-8 * np.ptp(phi))
    np.testing.assert_allclose(E_long, E @ back, atol=1e-7 * np.abs(E).max())


@pytest.mark.parametrize("order, least_order, most", [(1, 0.85, 0.1), (2, 1.5, 0.02)])
def test_transversely_anisotropic_ellipsoid_has_the_field_of_the_stretched_sphere(
    order, least_order, most, dipole_coil, vertex_pose
):
    """The closed form of the sphere, in other coordinates, is that of an ellipsoid of fibres."""
    posed = dipole_coil.moved(vertex_pose)
    back = np.linalg.inv(root_of(TRANSVERSE))

    def dadt(x):
        return 1e6 * posed.vector_potential(x @ back) @ back

    sizes, errors = [], []
    for size_mm in (14.0, 10.0, 7.0):
        ball = mesh_head(LayeredSphere((92.0,), (2,)), size_mm)
        long = stretched(ball, TRANSVERSE)
        tensors = np.tile(TRANSVERSE, (len(ball.tets), 1, 1))
        _, E = solved(long, tensors, dadt, order)
        exact = dipoles_field_in_sphere(ball.centroids, posed.positions, 1e6 * posed.elements[0].vectors) @ back
        radius = np.linalg.norm(ball.centroids, axis=1)
        weight = (long.volumes * ((ball.centroids[:, 2] > 0.02) & (radius < 0.08)))[:, None]
        errors.append(np.sqrt((weight * (E - exact) ** 2).sum() / (weight * exact**2).sum()))
        sizes.append((ball.volumes.sum() / len(ball.tets)) ** (1 / 3))
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] > least_order, errors
    assert errors[-1] < most, errors


@pytest.fixture(scope="module")
def brain():
    """White matter, grey matter, scalp."""
    return mesh_head(LayeredSphere((50.0, 70.0, 92.0), (1, 2, 5)), size_mm=14.0)


SHAPE = (16, 17, 18)
GRID = centred(rotation([1, 0.2, 0.1], 0.3) @ np.diag([-1, 1, 1]), [11, 10, 9], SHAPE)


def curved_fibres(affine):
    """A tensor (nx,ny,nz,3,3) in each voxel, in head coordinates."""
    x, y, z = (centres(affine, SHAPE) / 70).reshape(-1, 3).T
    tensors = [along(direction) for direction in np.column_stack([1 + y, x - z, 0.3 + x * y])]
    return np.array(tensors).reshape(*SHAPE, 3, 3)


def field_of(mesh, path, coil, pose, normalisation="vn"):
    conductivity = anisotropic(mesh, read_tensors(path), normalisation)
    return Simulator(mesh, conductivity, device="cpu", rtol=1e-11).solve(coil, pose)


@pytest.mark.parametrize("normalisation", ["vn", "dir", "mc"])
def test_field_turns_with_head_tensors_and_coil(normalisation, brain, tmp_path, dipole_coil, vertex_pose):
    """The numbers in the file stay what they are when scanner, head and coil turn: only the affine changes."""
    data = fsl_components(curved_fibres(GRID), GRID)
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = TURN, [30, -20, 10]
    save(Nifti1Image(data, GRID), tmp_path / "still.nii")
    save(Nifti1Image(data, motion @ GRID), tmp_path / "turned.nii")
    moved = TetMesh(brain.nodes @ TURN.T + 1e-3 * motion[:3, 3], brain.tets, brain.tags)
    still = field_of(brain, tmp_path / "still.nii", dipole_coil, vertex_pose, normalisation)
    after = field_of(moved, tmp_path / "turned.nii", dipole_coil, Pose(motion @ vertex_pose.matrix), normalisation)
    np.testing.assert_allclose(after.E, still.E @ TURN.T, atol=1e-6 * still.magnE.max())  # affines have 24 bits


def test_field_does_not_depend_on_how_the_grid_is_stored(brain, tmp_path, dipole_coil, vertex_pose):
    """Radiological or neurological, axes in another order: the same voxels, and FSL's components with them."""
    tensors = curved_fibres(GRID)
    save(Nifti1Image(fsl_components(tensors, GRID), GRID), tmp_path / "a.nii")
    reference = field_of(brain, tmp_path / "a.nii", dipole_coil, vertex_pose)
    mirrored = GRID.copy()  # i the other way: neurological
    mirrored[:3, 3] += (SHAPE[0] - 1) * GRID[:3, 0]
    mirrored[:3, 0] *= -1
    swapped = GRID[:, [2, 0, 1, 3]]
    for affine, stored in ((mirrored, tensors[::-1]), (swapped, tensors.transpose(2, 0, 1, 3, 4))):
        save(Nifti1Image(fsl_components(stored, affine), affine), tmp_path / "b.nii")
        other = field_of(brain, tmp_path / "b.nii", dipole_coil, vertex_pose)
        np.testing.assert_allclose(other.E, reference.E, atol=1e-6 * reference.magnE.max())
        (tmp_path / "b.nii").unlink()


def test_isotropic_tensors_give_the_field_of_the_tissues(brain, dipole_coil, vertex_pose):
    round_ones = TensorVolume(components_of(np.broadcast_to(0.7e-3 * np.eye(3), (*SHAPE, 3, 3))), GRID)
    by_tissue = Simulator(brain, device="cpu", rtol=1e-11).solve(dipole_coil, vertex_pose)
    as_tensors = Simulator(brain, anisotropic(brain, round_ones), device="cpu", rtol=1e-11).solve(
        dipole_coil, vertex_pose
    )
    np.testing.assert_allclose(as_tensors.E, by_tissue.E, atol=1e-8 * by_tissue.magnE.max())
    np.testing.assert_allclose(as_tensors.J, by_tissue.J, atol=1e-8 * np.abs(by_tissue.J).max())


def test_current_density_is_the_tensor_times_the_field(brain, dipole_coil, vertex_pose):
    conductivity = anisotropic(brain, TensorVolume(components_of(curved_fibres(GRID)), GRID))
    field = Simulator(brain, conductivity, device="cpu").solve(dipole_coil, vertex_pose)
    np.testing.assert_allclose(field.J, np.einsum("mij,mj->mi", conductivity.tensors, field.E), rtol=1e-12, atol=1e-15)
    along_E = np.einsum("mi,mi->m", field.J, field.E) / field.magnE**2
    low, _, high = np.linalg.eigvalsh(conductivity.tensors).T
    assert (along_E > low * (1 - 1e-9)).all() and (along_E < high * (1 + 1e-9)).all()


def test_anisotropy_matters_in_white_matter_and_leaves_the_scalp(brain, dipole_coil, vertex_pose):
    """What the tensors are for: 5 to 6 : 1 fibres change E where they are, and less where they are not."""
    tensors = TensorVolume(components_of(curved_fibres(GRID)), GRID)
    plain = Simulator(brain, device="cpu").solve(dipole_coil, vertex_pose)
    fibres = Simulator(brain, anisotropic(brain, tensors, tissues=["wm"]), device="cpu").solve(dipole_coil, vertex_pose)
    change = np.linalg.norm(fibres.E - plain.E, axis=1) / plain.magnE
    in_wm, in_scalp = (np.median(change[brain.tags == tag]) for tag in (1, 5))
    assert in_wm > 0.05 > 2 * in_scalp
