"""Spheres about different centres: the reference against what is known of it, and the field against the reference."""

from functools import cache

import numpy as np
import pytest
from lagrange import ORDERS
from numpy.polynomial.legendre import leggauss

from femtms import Coil, FemtmsError, LayeredSphere, Pose, Simulator, TetMesh, mesh_head
from femtms.coil.elements import Dipoles
from femtms.reference.eccentric import EccentricSpheres, eccentric_field
from femtms.reference.solid_harmonics import SolidHarmonics
from femtms.reference.sphere import dipole_field_in_sphere

R0 = np.array([0.05, 0.02, 0.13])  # m, 49 mm from the scalp
DMDT = np.array([1.0, -2.0, 0.5])
COIL = Coil("dipole", (Dipoles(R0[None], DMDT[None]),))
RADII, SIGMA = (0.07, 0.092), (0.33, 0.03)


def dadt(points):
    return COIL.vector_potential(points)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    r = rng.normal(size=(300, 3))
    return r * (rng.uniform(0.01, 0.09, 300) / np.linalg.norm(r, axis=1))[:, None]


def largest(difference, of):
    return np.abs(difference).max() / np.abs(of).max()


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("degree", [0, 1, 2, 7])
def test_gradient_of_solid_harmonics_is_that_of_their_values(inside, degree):
    rng = np.random.default_rng(degree)
    c = np.tril(rng.normal(size=(degree + 1, degree + 1)) + 1j * rng.normal(size=(degree + 1, degree + 1)))
    u = SolidHarmonics(c, np.array([0.1, -0.2, 0.3]), 0.7, inside)
    x, h = rng.uniform(0.5, 1.5, (20, 3)), 1e-5
    steps = [(u(x + h * e) - u(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(u.gradient(x), np.stack(steps, axis=1), atol=1e-7 * (1 + np.abs(steps).max()))
    pole = np.array([[0.1, -0.2, 1.3]])
    steps = [(u(pole + h * e) - u(pole - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(u.gradient(pole), np.stack(steps, axis=1), atol=1e-7 * (1 + np.abs(steps).max()))


def test_solid_harmonics_are_harmonic_and_normalised():
    cosine, weights = leggauss(12)
    azimuth = 2 * np.pi * np.arange(24) / 24
    sine = np.sqrt(1 - cosine**2)
    n = np.stack([np.outer(sine, np.cos(azimuth)), np.outer(sine, np.sin(azimuth)), np.outer(cosine, 1 + 0 * azimuth)])
    weight = np.repeat(weights, 24) * 2 * np.pi / 24
    values = []
    for l, m in [(0, 0), (2, 0), (5, 3), (6, 6), (7, 3)]:
        c = np.zeros((8, 8))
        c[l, m] = np.sqrt(2 if m else 1)  # of Re Y_lm, whose square is half as large in the mean
        values.append([SolidHarmonics(c, np.zeros(3), 1.0, inside)(n.reshape(3, -1).T) for inside in (True, False)])
    values = np.array(values)
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-13)
    np.testing.assert_allclose((values[:, 0] * weight) @ values[:, 0].T, np.eye(5), atol=1e-13)


@pytest.mark.parametrize(
    "radii,sigma",
    [(RADII, SIGMA), ((0.092,), (0.3,)), ((0.078, 0.080, 0.086, 0.092), (0.275, 1.654, 0.01, 0.465))],
)
def test_concentric_spheres_have_the_closed_form(points, radii, sigma):
    field = eccentric_field(EccentricSpheres(radii, (0.004,) * len(radii), sigma), dadt)
    exact = dipole_field_in_sphere(points - [0, 0, 0.004], R0 - [0, 0, 0.004], DMDT)
    inside = np.linalg.norm(points - [0, 0, 0.004], axis=1) < 0.085
    assert field.residual < 1e-8
    assert largest((field(points) - exact)[inside], exact) < 1e-8


def test_sphere_of_the_same_conductivity_is_not_seen_wherever_it_is(points):
    exact = dipole_field_in_sphere(points, R0, DMDT)
    field = eccentric_field(EccentricSpheres(RADII, (0.015, 0.0), (0.33, 0.33)), dadt)
    assert field.residual < 1e-8
    assert largest(field(points) - exact, exact) < 1e-8
    two = eccentric_field(EccentricSpheres((0.05, *RADII), (0.01, 0.015, 0.0), (0.2, 0.2, 0.03)), dadt)
    one = eccentric_field(EccentricSpheres(RADII, (0.015, 0.0), (0.2, 0.03)), dadt)
    assert largest(two(points) - one(points), one(points)) < 1e-8


def test_series_has_converged_and_says_so(points):
    spheres = EccentricSpheres(RADII, (0.015, 0.0), SIGMA)
    fields = [eccentric_field(spheres, dadt, degrees) for degrees in (12, 60, 80)]
    assert fields[0].residual > 1e-4 and max(f.residual for f in fields[1:]) < 1e-8
    assert largest(fields[0](points) - fields[2](points), fields[2](points)) > 1e-5
    assert largest(fields[1](points) - fields[2](points), fields[2](points)) < 1e-8
    # the offset is no small matter
    assert largest(dipole_field_in_sphere(points, R0, DMDT) - fields[2](points), fields[2](points)) > 0.03


@pytest.mark.parametrize(
    "radii,heights,sigma",
    [((0.07, 0.08), (0.02, 0), SIGMA), ((0.08, 0.07), (0, 0), SIGMA), (RADII, (0, 0), (1, 0)), (RADII, (0,), SIGMA)],
)
def test_spheres_that_are_not_inside_each_other_are_refused(radii, heights, sigma):
    with pytest.raises(FemtmsError, match="sphere"):
        EccentricSpheres(radii, heights, sigma)


SHIFT = 0.012


@cache
def shifted(size_mm):
    """Two spheres, the inner one pushed up by SHIFT: all of it alike, and less and less on the way to the outer one."""
    inner, outer = RADII
    mesh = mesh_head(LayeredSphere((1e3 * inner, 1e3 * outer), (2, 5)), size_mm)
    share = np.clip((outer - np.linalg.norm(mesh.nodes, axis=1)) / (outer - inner), 0, 1)
    return TetMesh(mesh.nodes + np.array([0, 0, SHIFT]) * share[:, None], mesh.tets, mesh.tags)


@pytest.fixture(scope="module")
def reference():
    return eccentric_field(EccentricSpheres(RADII, (SHIFT, 0.0), SIGMA), dadt)


@pytest.mark.parametrize("order", ORDERS)
def test_error_falls_with_h_to_the_order_of_the_elements(order, reference):
    sizes, errors = [], []
    for size_mm in (18.0, 12.0, 8.0):
        mesh = shifted(size_mm)
        field = Simulator(mesh, {2: SIGMA[0], 5: SIGMA[1]}, order=order, device="cpu", rtol=1e-9).solve(
            COIL, Pose(np.eye(4)), 1.0
        )
        own = (np.linalg.norm(mesh.centroids - [0, 0, SHIFT], axis=1) < 0.06) & (mesh.centroids[:, 2] > 0.02)
        exact, weight = reference(mesh.centroids[own]), mesh.volumes[own][:, None]
        sizes.append((mesh.volumes.sum() / len(mesh.tets)) ** (1 / 3))
        errors.append(np.sqrt((weight * (field.E[own] - exact) ** 2).sum() / (weight * exact**2).sum()))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope > order - 0.1, (slope, errors)
    assert errors[-1] < (0.25, 0.004)[order - 1], errors
