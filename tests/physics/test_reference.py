"""The truth itself: closed forms against independent ways to the same numbers."""

import numpy as np
import pytest
from scipy.special import eval_legendre

from femtms import Coil, FemtmsError, Pose
from femtms.coil.elements import Dipoles
from femtms.coil.path import Circle
from femtms.kernels import cpu
from femtms.reference.coil_sphere import CoilFieldInSphere
from femtms.reference.loop import loop_potential
from femtms.reference.sphere import dipole_field_in_sphere, dipoles_field_in_sphere, layered_field

MU0_OVER_4PI = 1e-7
R0 = np.array([0.03, 0.02, 0.1])
DMDT = np.array([1.0, -2.0, 0.5])


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    r = rng.normal(size=(40, 3))
    return r * (rng.uniform(0.01, 0.085, 40) / np.linalg.norm(r, axis=1))[:, None]


def test_radial_component_is_zero(points):
    E = dipole_field_in_sphere(points, R0, DMDT)
    assert np.abs((E * points).sum(axis=1)).max() < 1e-14 * np.abs(E).max() * 0.085


def test_curl_is_that_of_the_coil(points):
    """∇×E = -∂B/∂t: the charges add a gradient only."""
    h = 1e-5
    E = [[dipole_field_in_sphere(points + s * h * np.eye(3)[d], R0, DMDT) for s in (-1, 1)] for d in range(3)]
    d = [(plus - minus) / (2 * h) for minus, plus in E]  # d[i][:, j] = ∂_i E_j
    curl = np.column_stack([d[1][:, 2] - d[2][:, 1], d[2][:, 0] - d[0][:, 2], d[0][:, 1] - d[1][:, 0]])
    a = points - R0
    n = np.linalg.norm(a, axis=1)[:, None]
    B = MU0_OVER_4PI * (3 * a * (a @ DMDT)[:, None] / n**5 - DMDT / n**3)
    np.testing.assert_allclose(curl, -B, atol=1e-6 * np.abs(B).max())


@pytest.mark.parametrize(
    "radii,sigma",
    [
        ([0.092], [0.3]),
        ([0.078, 0.080, 0.086, 0.092], [0.275, 1.654, 0.01, 0.465]),
        ([0.02, 0.05, 0.0921], [5.0, 1e-3, 1.0]),
    ],
)
def test_field_is_the_same_for_every_number_of_shells(points, radii, sigma):
    closed = dipole_field_in_sphere(points, R0, DMDT)
    series = layered_field(points, R0, DMDT, np.array(radii), np.array(sigma), degrees=200)
    np.testing.assert_allclose(series, closed, atol=1e-12 * np.abs(closed).max())


def test_radial_dipole_makes_no_charges(points):
    E = dipole_field_in_sphere(points, R0, 3.0 * R0)
    a = points - R0
    dadt = MU0_OVER_4PI * np.cross(3.0 * R0, a) / np.linalg.norm(a, axis=1)[:, None] ** 3
    np.testing.assert_allclose(E, -dadt, atol=1e-14 * np.abs(dadt).max())


def test_reciprocity_with_the_magnetic_field_of_a_current_dipole(points):
    """E·q = -∂m/∂t·B, with B of a current dipole q in a sphere from its surface potential (Geselowitz 1970)."""
    radius, sigma = 0.09, 0.33
    rng = np.random.default_rng(1)
    for r in 0.6 * points[:5]:  # not close to the surface, where the series needs many terms
        q = rng.normal(size=3)
        E = dipole_field_in_sphere(r[None], R0, DMDT)[0]
        B = magnetic_field_of_current_dipole(r, q, R0, radius, sigma)
        assert E @ q == pytest.approx(-DMDT @ B, rel=1e-9, abs=1e-12 * np.linalg.norm(E))


def magnetic_field_of_current_dipole(r, q, at, radius, sigma):
    """B (3,) in T at `at`: the primary current, and the surface that bounds the volume current."""
    cosines, weights = np.polynomial.legendre.leggauss(100)
    angle = 2 * np.pi * np.arange(200) / 200
    sines = np.sqrt(1 - cosines**2)
    n = np.stack(
        [np.outer(sines, np.cos(angle)), np.outer(sines, np.sin(angle)), np.outer(cosines, np.ones(200))], -1
    ).reshape(-1, 3)
    area = np.repeat(weights, 200) * (2 * np.pi / 200) * radius**2

    b, e = np.linalg.norm(r), r / np.linalg.norm(r)
    x = n @ e
    V = np.zeros_like(x)
    for l in range(1, 90):
        p, below = eval_legendre(l, x), eval_legendre(l - 1, x)
        slope = l * (below - x * p) / np.maximum(1 - x**2, 1e-12)
        along = l * p * (q @ e) + slope * (n @ q - x * (q @ e))
        V += (2 * l + 1) / l * (b / radius) ** (l - 1) / radius**2 * along
    V /= 4 * np.pi * sigma

    d = at - r
    primary = MU0_OVER_4PI * np.cross(q, d) / np.linalg.norm(d) ** 3
    d = at - radius * n
    kernel = np.cross(n, d) / np.linalg.norm(d, axis=1)[:, None] ** 3
    return primary - MU0_OVER_4PI * sigma * ((area * V)[:, None] * kernel).sum(axis=0)


def test_dipoles_superpose(points):
    positions, moments = np.array([R0, -R0]), np.array([DMDT, 2 * DMDT])
    total = dipoles_field_in_sphere(points, positions, moments)
    parts = sum(dipole_field_in_sphere(points, p, m) for p, m in zip(positions, moments))
    np.testing.assert_allclose(total, parts, rtol=1e-14)


def test_series_of_a_coil_is_the_sum_of_its_dipoles(points):
    coil = Coil("two dipoles", (Dipoles(np.array([R0, [-0.01, 0.01, 0.11]]), np.array([DMDT, [0.0, 1.0, 2.0]])),))
    motion = np.eye(4)
    motion[:3, :3] = [[0.36, -0.48, 0.8], [0.8, 0.6, 0.0], [-0.48, 0.64, 0.6]]
    field = CoilFieldInSphere.of(coil, Pose(motion), 3.0, 0.085, 110)
    moved = coil.moved(Pose(motion))
    exact = dipoles_field_in_sphere(points, moved.positions, 3.0 * moved.elements[0].vectors)
    np.testing.assert_allclose(field(points), exact, atol=1e-9 * np.abs(exact).max())
    with pytest.raises(FemtmsError, match="within 85 mm"):
        field(points * 10)


def test_dipole_inside_the_sphere_is_refused(points):
    with pytest.raises(FemtmsError, match="outside the sphere"):
        dipole_field_in_sphere(points, 0.01 * R0, DMDT)


def test_loop_of_current_elements_converges_to_the_elliptic_integrals():
    rng = np.random.default_rng(2)
    radius = 0.043
    points = rng.normal(size=(300, 3)) * 0.06
    clear = np.hypot(np.hypot(points[:, 0], points[:, 1]) - radius, points[:, 2]) > 0.005
    exact = loop_potential(points[clear], radius)
    elements = Circle(np.zeros(3), np.array([0, 0, 1.0]), radius).currents(0.005, 1e-3)
    made = cpu.current_potential(points[clear], elements.positions, elements.vectors)
    assert np.abs(made - exact).max() < 1e-3 * np.abs(exact).max()
    deep = points[clear][:, 2] > 0.012  # where heads are
    assert np.abs(made - exact)[deep].max() < 1e-6 * np.abs(exact).max()


def test_small_loop_is_a_dipole():
    points = np.array([[0.1, 0.02, 0.05], [-0.03, 0.09, 0.02]])
    radius = 1e-4
    moment = np.array([[0, 0, np.pi * radius**2]])
    expected = cpu.dipole_potential(points, np.zeros((1, 3)), moment)
    np.testing.assert_allclose(loop_potential(points, radius), expected, rtol=1e-4)
