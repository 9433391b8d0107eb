"""Two tissues that meet in a plane, with an exponential potential on both sides: solutions made up, and found again.

In upright coordinates the planes x = 0 and ±a, y = 0 and π/k bound two boxes of conductivities σ₋ (x < 0) and σ₊.
"""

import numpy as np
import pytest
from lagrange import ORDERS, STILL, TILT, at, gradient_of_potential, prescribed, quadrature, tilted_box

from femtms import Simulator

A, HEIGHT, DEPTH = 0.06, 0.08, 0.05  # m
K = np.pi / HEIGHT
SIGMA = {2: 0.275, 3: 1.654}  # S/m of x < 0 and x > 0


def charges(x, y, sigma):
    """E and ∇φ (n,3) of a current through the plane: charges on it, no current through the surface, A continuous.

    σE = ∇×(0, 0, S(x) sin ky) with S(±a) = 0 and S'(0) = 0, so that n·σE is continuous, or zero on the surface, and the
    tangential E is continuous.  φ = c exp(-k|x|) cos ky is harmonic on both sides, and its slope jumps as much as E_x.
    """
    S, slope = np.cos(np.pi * x / (2 * A)), -np.pi / (2 * A) * np.sin(np.pi * x / (2 * A))
    E = np.stack([K * S * np.cos(K * y), -slope * np.sin(K * y), 0 * x], axis=-1) / sigma[..., None]
    c = (1 / SIGMA[3] - 1 / SIGMA[2]) / 2
    falling = c * K * np.exp(-K * np.abs(x))
    return E, np.stack([-np.sign(x) * falling * np.cos(K * y), -falling * np.sin(K * y), 0 * x], axis=-1)


def flux(x, y, sigma):
    """E = 0 and ∇φ (n,3) of a potential exp(kx) cos ky that meets the plane from the right, and is partly thrown back.

    φ and σ∂φ/∂n are continuous.  A current flows through the surface with φ, and back with ∂A/∂t = -∇φ: by the
    divergence theorem this load is the flux ∮ σ∂φ/∂n v through the surface.
    """
    ratio = SIGMA[2] / SIGMA[3]
    rising, falling = np.exp(K * x), np.exp(-K * x)
    grow, back = (1 + ratio) / 2, (1 - ratio) / 2  # for 1 on the left
    right = x > 0
    value = np.where(right, grow * rising + back * falling, rising)
    slope = K * np.where(right, grow * rising - back * falling, rising)
    return np.zeros((*x.shape, 3)), np.stack([slope * np.cos(K * y), -K * value * np.sin(K * y), 0 * x], axis=-1)


def exact(points, solution):
    """E and ∇φ of a solution at points (...,3) of the tilted box."""
    x, y, _ = np.moveaxis(points @ TILT, -1, 0)
    E, gradient = solution(x - A, y, np.where(x > A, SIGMA[3], SIGMA[2]))
    return E @ TILT.T, gradient @ TILT.T


def errors(solution, order, cells):
    """Relative L2 error of ∇φ in each of the two regions."""
    mesh = tilted_box((2 * cells, cells, cells), (2 * A, HEIGHT, DEPTH), lambda x: 2 + (x[:, 0] > A))

    def dadt(points):
        E, gradient = exact(points, solution)
        return -E - gradient

    field = Simulator(mesh, SIGMA, order=order, device="cpu", rtol=1e-11).solve(prescribed(dadt), STILL, 1.0)
    corners, weights = quadrature(4)
    wanted = exact(at(mesh, corners), solution)[1]
    error = gradient_of_potential(mesh, field.potential, corners) - wanted
    weight = mesh.volumes[:, None, None] * weights[:, None]
    own = [mesh.tags == tag for tag in SIGMA]
    return [np.sqrt((weight * error**2)[o].sum() / (weight * wanted**2)[o].sum()) for o in own]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("solution", [charges, flux])
def test_error_of_the_gradient_falls_with_h_to_the_order_of_the_elements_on_both_sides(solution, order):
    cells = (4, 6, 9)
    runs = np.array([errors(solution, order, n) for n in cells])
    for side in runs.T:
        slope = -np.polyfit(np.log(cells), np.log(side), 1)[0]
        assert slope > order - 0.1, (slope, runs)
        assert side[-1] < (0.2, 0.012)[order - 1], runs


@pytest.mark.parametrize("solution", [charges, flux])
def test_solutions_hold_what_they_promise(solution):
    """Divergence in the regions, conditions at the plane and the surface, continuity of A: the truth itself."""
    rng = np.random.default_rng(0)
    y, h = rng.uniform(0, HEIGHT, 50), 1e-6
    left, right = (
        solution(np.full(50, -1e-12), y, np.full(50, SIGMA[2])),
        solution(np.full(50, 1e-12), y, np.full(50, SIGMA[3])),
    )
    current = [sigma * E[:, 0] for sigma, (E, _) in zip(SIGMA.values(), (left, right))]
    np.testing.assert_allclose(*current, atol=1e-9)
    if solution is charges:
        dadt = [-E - gradient for E, gradient in (left, right)]
        np.testing.assert_allclose(*dadt, atol=1e-9 * K)
    else:
        np.testing.assert_allclose(*(g[:, 1] for _, g in (left, right)), atol=1e-9 * K)
        np.testing.assert_allclose(*(s * g[:, 0] for s, (_, g) in zip(SIGMA.values(), (left, right))), atol=1e-9 * K)
    for end in (-A, A):
        E, _ = solution(np.full(50, end), y, np.ones(50))
        assert np.abs(E[:, 0]).max() < 1e-12 * K
    for end in (0, HEIGHT):
        E, _ = solution(np.linspace(-A, A, 50), np.full(50, end), np.ones(50))
        assert np.abs(E[:, 1]).max() < 1e-12 * K
    x = rng.choice([-1, 1], 50) * rng.uniform(0.1 * A, 0.9 * A, 50)
    for i in (0, 1):  # of E and of ∇φ
        along = [solution(x + s * h, y, np.ones(50))[i][:, 0] for s in (1, -1)]
        across = [solution(x, y + s * h, np.ones(50))[i][:, 1] for s in (1, -1)]
        divergence = (along[0] - along[1] + across[0] - across[1]) / (2 * h)
        assert np.abs(divergence).max() < 1e-5 * K**2
