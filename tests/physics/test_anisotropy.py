"""Anisotropic conductivity against solutions that are known."""

import numpy as np
import pytest
from conductivity.diffusion import along, centred, centres, fsl_components, rotation
from nibabel import Nifti1Image, save
from physics.manufactured import Manufactured, l2, quadrature_points, shaken_box

from femtms import LayeredSphere, Pose, Simulator, TensorVolume, TetMesh, anisotropic, mesh_head, read_tensors
from femtms.backend import backend
from femtms.conductivity.tensor import components_of
from femtms.fem.p1 import P1
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


def solved(mesh, tensors, dadt, device="cpu"):
    """φ (n,) V at the nodes and E (m,3) V/m at the centroids for ∂A/∂t (m,3) there."""
    p1, stiffness = P1.build(mesh, components_of(tensors), backend(device))
    on_device = p1.backend.xp.asarray(dadt)
    phi = PotentialSolver.build(stiffness, None, p1.backend).solve(p1.load(on_device)[:, None], rtol=1e-11).phi[:, 0]
    phi = p1.backend.xp.ascontiguousarray(phi)
    E = p1.field(on_device, phi)
    return p1.in_mesh_order(phi), np.asarray(E if device == "cpu" else E.get())


@pytest.mark.parametrize("sigma", [constant, winding])
def test_manufactured_solution_is_reached_at_the_order_of_the_elements(sigma):
    problem = Manufactured(sigma)
    sizes, of_E, of_phi = [], [], []
    for cells in (4, 8, 16):
        mesh = shaken_box(cells)
        dadt = problem.dadt(mesh.centroids)
        phi, E = solved(mesh, sigma(mesh.centroids), dadt)
        points = quadrature_points(mesh)
        exact = problem.grad_phi(points.reshape(-1, 3)).reshape(points.shape)
        # ∂A/∂t is known at every point: the error of E is that of ∇φ
        of_E.append(l2(mesh, -(E + dadt)[:, None, :] - exact) / l2(mesh, exact))
        at_nodes = problem.phi(mesh.nodes)
        of_phi.append(np.std(phi - at_nodes) / np.std(at_nodes))
        sizes.append(1 / cells)
    assert np.polyfit(np.log(sizes), np.log(of_E), 1)[0] > 0.93, of_E
    assert np.polyfit(np.log(sizes), np.log(of_phi), 1)[0] > 1.8, of_phi
    assert of_E[-1] < 0.07 and of_phi[-1] < 0.006, (of_E, of_phi)


def test_transposed_or_swapped_axes_do_not_reach_it():
    """The same test finds a tensor that is turned the wrong way."""
    problem, mesh = Manufactured(winding), shaken_box(8)
    dadt = problem.dadt(mesh.centroids)
    wrong = winding(mesh.centroids)[:, [1, 0, 2]][:, :, [1, 0, 2]]
    phi, _ = solved(mesh, wrong, dadt)
    assert np.std(phi - problem.phi(mesh.nodes)) > 0.1 * np.std(problem.phi(mesh.nodes))


def stretched(mesh, sigma):
    """The mesh with x = σ^(1/2) x', and σ^(1/2): where the head is isotropic in x', it has σ in x."""
    values, vectors = np.linalg.eigh(sigma)
    root = vectors * np.sqrt(values) @ vectors.T
    return TetMesh(mesh.nodes @ root, mesh.tets, mesh.tags), root


def test_stretching_the_coordinates_makes_a_medium_isotropic(device):
    """∇ = σ^(-1/2) ∇': the potentials are equal, E = σ^(-1/2) E'."""
    ball = mesh_head(LayeredSphere((92.0,), (2,)), 25.0)
    long, root = stretched(ball, TRANSVERSE)
    dadt = np.random.default_rng(1).normal(size=(len(ball.tets), 3))
    m = len(ball.tets)
    phi, E = solved(ball, np.tile(np.eye(3), (m, 1, 1)), dadt, device)
    phi_long, E_long = solved(long, np.tile(TRANSVERSE, (m, 1, 1)), dadt @ np.linalg.inv(root), device)
    np.testing.assert_allclose(phi_long - phi_long.mean(), phi - phi.mean(), atol=1e-8 * np.ptp(phi))
    np.testing.assert_allclose(E_long, E @ np.linalg.inv(root), atol=1e-7 * np.abs(E).max())


def test_transversely_anisotropic_ellipsoid_has_the_field_of_the_stretched_sphere(dipole_coil, vertex_pose):
    """The closed form of the sphere, in other coordinates, is that of an ellipsoid of fibres."""
    posed = dipole_coil.moved(vertex_pose)
    sizes, errors = [], []
    for size_mm in (14.0, 10.0, 7.0):
        ball = mesh_head(LayeredSphere((92.0,), (2,)), size_mm)
        long, root = stretched(ball, TRANSVERSE)
        back = np.linalg.inv(root)
        dadt = 1e6 * posed.vector_potential(ball.centroids) @ back
        _, E = solved(long, np.tile(TRANSVERSE, (len(ball.tets), 1, 1)), dadt)
        exact = dipoles_field_in_sphere(ball.centroids, posed.positions, 1e6 * posed.elements[0].vectors) @ back
        weight = (long.volumes * (ball.centroids[:, 2] > 0.02))[:, None]
        errors.append(np.sqrt((weight * (E - exact) ** 2).sum() / (weight * exact**2).sum()))
        sizes.append((ball.volumes.sum() / len(ball.tets)) ** (1 / 3))
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] > 0.85, errors
    assert errors[-1] < 0.1, errors


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
