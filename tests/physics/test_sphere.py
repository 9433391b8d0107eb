"""The field in spheres against the closed form."""

import numpy as np
import pytest

from femtms import LayeredSphere, Simulator, mesh_head
from femtms.reference.sphere import dipoles_field_in_sphere


def relative_error_in_brain(field, coil, pose):
    """Relative L2 error of E at 60-72 mm from the centre on the coil's side."""
    mesh, posed = field.mesh, coil.moved(pose)
    radius = np.linalg.norm(mesh.centroids, axis=1)
    shell = (radius > 0.060) & (radius < 0.072) & (mesh.centroids[:, 2] > 0.02)
    exact = dipoles_field_in_sphere(mesh.centroids[shell], posed.positions, 1e6 * posed.elements[0].vectors)
    weight = mesh.volumes[shell][:, None]
    return np.sqrt((weight * (field.E[shell] - exact) ** 2).sum() / (weight * exact**2).sum())


def error_in_brain(radii, tags, coil, pose, size_mm, device="cpu", order=1):
    """Mean size of the tetrahedra, and that error."""
    mesh = mesh_head(LayeredSphere(radii, tags), size_mm)
    field = Simulator(mesh, order=order, device=device).solve(coil, pose, 1e6)
    size = (mesh.volumes.sum() / len(mesh.tets)) ** (1 / 3)  # what came out, not what was asked for
    return size, relative_error_in_brain(field, coil, pose)


@pytest.mark.parametrize(
    "radii,tags", [((92.0,), (2,)), ((74.0, 79.0, 85.0, 92.0), (2, 3, 4, 5))], ids=["1 shell", "4 shells"]
)
def test_p1_error_falls_with_h(radii, tags, dipole_coil, vertex_pose):
    runs = [error_in_brain(radii, tags, dipole_coil, vertex_pose, h) for h in (12.0, 8.0, 5.5)]
    sizes, errors = zip(*runs)
    order = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert order > 0.9, (order, errors)
    assert errors[-1] < 0.08, errors


def test_p2_error_falls_with_h_squared(dipole_coil, vertex_pose):
    runs = [error_in_brain((92.0,), (2,), dipole_coil, vertex_pose, h, order=2) for h in (16.0, 11.0, 8.0)]
    sizes, errors = zip(*runs)
    order = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert order > 1.9, (order, errors)
    assert errors[-1] < 0.002, errors


def test_p2_in_four_shells_is_within_half_a_percent(dipole_coil, vertex_pose):
    """On tetrahedra of 12 mm where the layers are not thinner than that; and in few iterations.

    A wrong scale between the two orders would take ten times as many, and converge all the same.
    """
    mesh = mesh_head(LayeredSphere((74.0, 79.0, 85.0, 92.0), (2, 3, 4, 5)), 12.0)
    fields = [Simulator(mesh, order=order, device="cpu").solve(dipole_coil, vertex_pose) for order in (1, 2)]
    linear, quadratic = (relative_error_in_brain(field, dipole_coil, vertex_pose) for field in fields)
    assert quadratic < 0.005
    assert linear > 5 * quadratic, (linear, quadratic)
    assert fields[1].iterations <= 18


def test_every_device_reaches_the_same_error(dipole_coil, vertex_pose, device):
    _, error = error_in_brain((92.0,), (2,), dipole_coil, vertex_pose, 9.0, device)
    _, on_cpu = error_in_brain((92.0,), (2,), dipole_coil, vertex_pose, 9.0, "cpu")
    assert error == pytest.approx(on_cpu, rel=1e-4)


def test_field_has_no_radial_component_at_the_scalp(dipole_coil, vertex_pose):
    """n·σE = 0 outside: charges cancel what the coil pushes through the surface."""
    mesh = mesh_head(LayeredSphere((92.0,), (2,)), 6.0)
    field = Simulator(mesh, device="cpu").solve(dipole_coil, vertex_pose, 1e6)
    outer = np.linalg.norm(mesh.centroids, axis=1) > 0.088
    normal = mesh.centroids[outer] / np.linalg.norm(mesh.centroids[outer], axis=1)[:, None]
    radial = np.abs((field.E[outer] * normal).sum(axis=1))
    coil_only = -1e6 * dipole_coil.moved(vertex_pose).vector_potential(mesh.centroids[outer])
    pushed = np.abs((coil_only * normal).sum(axis=1))
    weight = mesh.volumes[outer]
    assert np.average(radial, weights=weight) < 0.3 * np.average(pushed, weights=weight)
