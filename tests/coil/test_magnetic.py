"""B of coils, against A, Ampère's law and closed forms."""

import numpy as np
import pytest
from rings import ring

from femtms import Coil, Currents, Dipoles, FemtmsError, Pose, load_coil
from femtms.coil.path import Circle
from femtms.coil.sampled import SampledField

MU0 = 4e-7 * np.pi


def loop(centre, radius, turns=1):
    """Current elements on a circle, good to 1e-6 beyond 12 mm."""
    return Circle(np.array(centre), np.array([0, 0, 1.0]), radius, turns).currents(0.012, 1e-7)


def curl(potential, points, step):
    """∇×A by central differences of fourth order."""
    slope = np.empty((len(points), 3, 3))  # ∂A_i/∂x_j
    for j, h in enumerate(step * np.eye(3)):
        near, far = (potential(points + s * h) - potential(points - s * h) for s in (1, 2))
        slope[:, :, j] = (8 * near - far) / (12 * step)
    return np.stack([slope[:, i, j] - slope[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1)


def sampled(pose):
    """A smooth A on an oblique grid with voxels of three sizes, moved by a pose."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in (14, 13, 12)], indexing="ij"), axis=-1)
    c, s = np.cos(0.4), np.sin(0.4)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag([0.01, 0.012, -0.011])
    affine[:3, 3] = [-0.05, -0.08, 0.06]
    x = index @ affine[:3, :3].T + affine[:3, 3]
    values = 1e-6 * np.stack([np.sin(20 * x[..., 1]), np.cos(15 * x[..., 2]) * x[..., 0], x[..., 0] * x[..., 1]], -1)
    return Coil("grid", (SampledField(values, affine),)).moved(pose)


@pytest.fixture(scope="module")
def oblique():
    matrix = np.eye(4)
    c, s = np.cos(0.7), np.sin(0.7)
    matrix[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    matrix[:3, 3] = [10, 20, -5]
    return Pose(matrix)


@pytest.mark.parametrize("kind", ["figure8", "dipoles", "sampled", "mixed"])
def test_flux_density_is_the_curl_of_the_potential(kind, oblique):
    rng = np.random.default_rng(4)
    dipoles = Dipoles(rng.normal(0, 0.03, (9, 3)), rng.normal(0, 1e-3, (9, 3)))
    currents = Currents(rng.normal(0, 0.03, (9, 3)), rng.normal(0, 1e-2, (9, 3)))
    coil = {
        "figure8": load_coil("figure8-70mm"),
        "dipoles": Coil("dipoles", (dipoles,)),
        "sampled": sampled(oblique),
        "mixed": Coil("mixed", (dipoles, currents, *sampled(oblique).elements)),
    }[kind]
    points = oblique.in_head(rng.uniform([-0.02, -0.02, -0.02], [0.03, 0.01, 0.03], (40, 3)))
    if kind == "figure8":
        points = np.abs(points) + [0, 0, 0.005]  # away from the wire
    step = 2e-5 if kind != "sampled" else 1e-4
    close = np.array([np.linalg.norm(coil.positions - p, axis=1).min(initial=1) for p in points]) < 2e-3
    points = points[~close]
    assert len(points) > 20
    b = coil.magnetic_field(points)
    # between samples the slopes of A jump a little from voxel to voxel, and the differences reach across
    atol = 1e-4 if kind == "sampled" else 2e-6
    np.testing.assert_allclose(b, curl(coil.vector_potential, points, step), atol=atol * np.abs(b).max())


def test_on_the_axis_of_a_loop_is_its_closed_form():
    radius, z = 0.043, np.linspace(-0.1, 0.1, 9)
    b = Coil("loop", (ring(0.01, radius, turns=3),)).magnetic_field(np.column_stack([0 * z, 0 * z, z + 0.01]))
    np.testing.assert_allclose(b[:, 2], 3 * MU0 / 2 * radius**2 / (radius**2 + z**2) ** 1.5, rtol=1e-10)
    np.testing.assert_allclose(b[:, :2], 0, atol=1e-12 * b.max())


def circulation(coil, centre, radius, u, v):
    """∮ B·dl in T·m around a circle, by the trapezoidal rule."""
    angle = 2 * np.pi * np.arange(720) / 720
    points = centre + radius * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
    dl = radius * 2 * np.pi / 720 * (np.cos(angle)[:, None] * v - np.sin(angle)[:, None] * u)
    return np.einsum("id,id->", coil.magnetic_field(points), dl)


def test_circulation_of_b_around_a_wire_is_the_current_in_it():
    coil = Coil("loop", (ring(0, 0.04, turns=7),))
    u, v = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    # the current is along y at x = +R; u × v = -y
    assert circulation(coil, np.array([0.04, 0, 0]), 0.03, u, v) == pytest.approx(-7 * MU0, rel=1e-4)
    assert circulation(coil, np.array([0.0, 0, 0]), 0.02, u, v) == pytest.approx(0, abs=1e-6 * MU0)
    # both sides of the loop together
    assert circulation(coil, np.zeros(3), 0.09, u, v) == pytest.approx(0, abs=1e-6 * MU0)


def test_dipoles_far_from_a_loop_have_its_flux():
    points = np.array([[0.3, 0.1, 0.2], [-0.2, 0.4, 0.1], [0, 0, 0.5]])
    loop = Coil("loop", (ring(0, 0.01),)).magnetic_field(points)
    dipole = Coil("dipole", (Dipoles([[0, 0, 0]], [[0, 0, np.pi * 0.01**2]]),)).magnetic_field(points)
    np.testing.assert_allclose(dipole, loop, atol=2e-3 * np.abs(loop).max())


def test_moved_coil_carries_its_flux_with_it(oblique):
    coil = load_coil("figure8-70mm")
    points = np.random.default_rng(0).uniform(0.01, 0.08, (20, 3))
    expected = coil.magnetic_field(points) @ oblique.rotation.T
    np.testing.assert_allclose(coil.moved(oblique).magnetic_field(oblique.in_head(points)), expected, rtol=1e-9)


def test_flux_outside_the_grid_is_zero_or_an_error(oblique):
    far = [[1.0, 0, 0]]
    coil = sampled(oblique)
    with pytest.raises(FemtmsError, match="outside"):
        coil.magnetic_field(far)
    field = coil.elements[0]
    forgiving = Coil("grid", (SampledField(field.values, field.affine, "zero"),))
    assert not forgiving.magnetic_field(far).any()
    with pytest.raises(FemtmsError, match=r"points must be \(n,3\)"):
        coil.magnetic_field([1.0, 2, 3])
