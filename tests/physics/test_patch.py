"""Patch tests: where ∂A/∂t is the gradient of a polynomial that the elements hold, no field is left."""

import numpy as np
import pytest
from lagrange import ORDERS, STILL, at, gradient_of_potential, prescribed, quadrature, tilted_box
from test_identities import random_tensors

from femtms import Simulator

UNIFORM = np.array([0.3, -1.1, 0.7])
CURVED = np.array([[3.0, 1.0, -2.0], [1.0, -4.0, 0.5], [-2.0, 0.5, 2.0]]) / 0.1  # V/m², p = UNIFORM·x + x·CURVED·x/2


@pytest.fixture(scope="module")
def small():
    """Three tissues in slabs."""
    return tilted_box((6, 5, 4), (0.12, 0.11, 0.1), lambda x: 2 + (x[:, 0] > 0.04) + (x[:, 0] > 0.06))


@pytest.fixture(scope="module", params=["usual", "strong contrasts", "tensors"])
def conductivity(request, small):
    if request.param == "usual":
        return None
    if request.param == "strong contrasts":
        return np.array([0, 0, 1.0, 100.0, 1e-3, 10.0])[small.tags]
    return random_tensors(len(small.tets), np.random.default_rng(7))


def slope(points):
    """∇p (n,3) of the quadratic polynomial p."""
    return UNIFORM + points @ CURVED


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_of_a_linear_polynomial_leaves_no_field(small, conductivity, order):
    coil = prescribed(lambda x: np.tile(UNIFORM, (len(x), 1)))
    field = Simulator(small, conductivity, order=order, device="cpu", rtol=1e-13).solve(coil, STILL, 1.0)
    assert np.abs(field.E).max() < 1e-9 * np.linalg.norm(UNIFORM)


def test_gradient_of_a_quadratic_polynomial_leaves_no_field_in_second_order(small, conductivity):
    field = Simulator(small, conductivity, order=2, device="cpu", rtol=1e-13).solve(prescribed(slope), STILL, 1.0)
    weights, _ = quadrature(4)
    points = at(small, weights)
    E = -slope(points) - gradient_of_potential(small, field.potential, weights)
    assert np.abs(E).max() < 1e-9 * np.abs(slope(points)).max()
    assert np.abs(field.E).max() < 1e-9 * np.abs(slope(points)).max()


def test_gradient_of_a_quadratic_polynomial_is_beyond_first_order(small):
    """The test above can fail: linear elements leave what they cannot hold."""
    field = Simulator(small, order=1, device="cpu", rtol=1e-13).solve(prescribed(slope), STILL, 1.0)
    assert np.abs(field.E).max() > 1e-2 * np.abs(slope(small.nodes)).max()
