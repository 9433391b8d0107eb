"""The exact field of a magnetic dipole outside a sphere: the truth that the solver is measured against.

Closed form (any radial conductivity profile): Heller & van Hulsteyn 1992, Biophys J 63:129, by reciprocity with
Sarvas 1987, Phys Med Biol 32:11.  The layer-by-layer series is derived in theory.md, "Spheres".
"""

from typing import Any

import numpy as np

from femtms.errors import FemtmsError

_MU0_OVER_4PI = 1e-7  # T·m/A


def dipole_field_in_sphere(r: np.ndarray, r0: np.ndarray, dmdt: np.ndarray) -> np.ndarray:
    """E (n,3) in V/m inside a sphere about the origin, of a dipole outside it: theory.md (15).

    r (n,3) m inside; r0 (3,) m the dipole; dmdt (3,) A·m²/s the rate of change of its moment.
    The radius and the conductivities do not enter.  Raises FemtmsError when a point is farther out than the dipole.
    """
    r, r0, dmdt = (np.asarray(v, dtype=np.float64) for v in (r, r0, dmdt))
    R0 = np.linalg.norm(r0)
    if (np.linalg.norm(r, axis=1) >= R0).any():
        raise FemtmsError("the dipole must be outside the sphere; a field point is at least as far from the origin")
    a = r0 - r
    d = np.linalg.norm(a, axis=1)
    ar0 = a @ r0
    F = d * (R0 * d + R0**2 - r @ r0)
    grad_F = (d**2 / R0 + ar0 / d + 2 * d + 2 * R0)[:, None] * r0 - (d + 2 * R0 + ar0 / d)[:, None] * r
    E: np.ndarray = F[:, None] * np.cross(r, dmdt) - (grad_F @ dmdt)[:, None] * np.cross(r, r0)
    E *= -_MU0_OVER_4PI / F[:, None] ** 2
    return E


def dipoles_field_in_sphere(r: np.ndarray, positions: np.ndarray, dmdt: np.ndarray) -> np.ndarray:
    """The sum of dipole_field_in_sphere over dipoles at positions (d,3) m with dmdt (d,3) A·m²/s."""
    total: np.ndarray = sum((dipole_field_in_sphere(r, p, m) for p, m in zip(positions, dmdt)), np.zeros((len(r), 3)))
    return total


def layered_field(
    r: np.ndarray, r0: np.ndarray, dmdt: np.ndarray, radii: np.ndarray, sigma: np.ndarray, degrees: int = 120
) -> np.ndarray:
    """The same E (n,3) by matching potentials and currents at every interface: theory.md (16)-(18).

    radii (s,) m ascending and sigma (s,) S/m describe the layers; `degrees` terms of the series are summed.
    An independent way to the closed form: here the conductivities enter, and drop out only in the result.
    """
    r, r0, dmdt = (np.asarray(v, dtype=np.float64) for v in (r, r0, dmdt))
    rho, R0 = np.linalg.norm(r, axis=1), np.linalg.norm(r0)
    n, n0 = r / rho[:, None], r0 / R0
    u = np.cross(dmdt, n0)  # only the tangential part of the moment makes a radial component of A
    cosine, un = n @ n0, n @ u
    radii, sigma = np.asarray(radii, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    inner = np.concatenate([[0.0], radii[:-1]])
    layer = np.minimum(np.searchsorted(radii, rho), len(radii) - 1)

    grad_phi = np.zeros_like(r)
    p_below, p = np.ones_like(cosine), cosine.copy()  # P_{l-1}, P_l
    dp_below, dp = np.zeros_like(cosine), np.ones_like(cosine)  # their derivatives
    ddp_below, ddp = np.zeros_like(cosine), np.zeros_like(cosine)
    for l in range(1, degrees + 1):
        # ∂A_r/∂t = Σ_l c_l r^{l-1} (u·n) P_l'(cos γ)
        c = -_MU0_OVER_4PI * R0 ** -(l + 1.0)
        a, b = _radial_coefficients(l, c, radii, sigma)
        grow, fall, grow_slope, fall_slope = _radial_functions(l, rho, inner[layer], radii[layer])
        value = a[layer] * grow + b[layer] * fall
        slope = a[layer] * grow_slope + b[layer] * fall_slope
        # gradient of value(r) · (u·n) P_l'(n·n0); the tangential gradient of n·v is (v - (n·v) n)/r
        tangential = dp[:, None] * (u - un[:, None] * n) + (ddp * un)[:, None] * (n0 - cosine[:, None] * n)
        grad_phi += (slope * un * dp)[:, None] * n + (value / rho)[:, None] * tangential
        p_next = ((2 * l + 1) * cosine * p - l * p_below) / (l + 1)
        dp_next = dp_below + (2 * l + 1) * p
        ddp_next = ddp_below + (2 * l + 1) * dp
        p_below, p, dp_below, dp, ddp_below, ddp = p, p_next, dp, dp_next, ddp, ddp_next

    d = r - r0
    dadt = _MU0_OVER_4PI * np.cross(dmdt, d) / np.linalg.norm(d, axis=1)[:, None] ** 3
    E: np.ndarray = -dadt - grad_phi
    return E


def _radial_functions(l: int, r: Any, inner: Any, outer: Any) -> tuple[Any, ...]:
    """The two radial solutions of degree l in a layer and their slopes, scaled to at most one there.

    (r/outer)^l grows and (inner/r)^(l+1) falls; the innermost layer (inner = 0) has no falling one.
    """
    grow, fall = (r / outer) ** l, (inner / r) ** (l + 1)
    return grow, fall, l * grow / r, -(l + 1) * fall / r


def _radial_coefficients(l: int, c: Any, radii: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients a_j, b_j (s,) of the two radial functions in each layer, from theory.md (17) and (18)."""
    s = len(radii)
    inner = np.concatenate([[0.0], radii[:-1]])
    matrix, right = np.zeros((2 * s, 2 * s)), np.zeros(2 * s)
    for j, q in enumerate(radii):
        radial_dadt = c * q ** (l - 1.0)
        grow, fall, grow_slope, fall_slope = _radial_functions(l, q, inner[j], q)
        matrix[j, [2 * j, 2 * j + 1]] = sigma[j] * grow_slope, sigma[j] * fall_slope
        right[j] = -sigma[j] * radial_dadt
        if j + 1 == s:
            break
        # the radial current is continuous, and so is the potential
        grow_out, fall_out, grow_slope, fall_slope = _radial_functions(l, q, inner[j + 1], radii[j + 1])
        matrix[j, [2 * j + 2, 2 * j + 3]] = -sigma[j + 1] * grow_slope, -sigma[j + 1] * fall_slope
        right[j] += sigma[j + 1] * radial_dadt
        matrix[s + j, 2 * j : 2 * j + 4] = grow, fall, -grow_out, -fall_out
    matrix[-1, 1] = 1.0  # no source at the centre: b_0 = 0
    coefficients = np.linalg.solve(matrix, right)
    return coefficients[::2], coefficients[1::2]
