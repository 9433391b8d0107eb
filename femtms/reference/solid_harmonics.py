"""Solid harmonics about a point, with gradients: what potentials between spheres are made of.

Normalised, and without the alternating sign of Condon and Shortley: |r|^l Y_lm and |r|^-(l+1) Y_lm with
∫ |Y_lm|² dΩ = 1, Y_lm = P_lm(cos θ) e^(imφ).  As in theory.md (19) they are made without angles, so the poles are
points like any others; a derivative of a harmonic is a harmonic of the next degree down or up (Hobson 1931, ch. IV).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_TOGETHER = 4096  # points that are summed at a time: their table of one order stays in the cache


@dataclass(frozen=True, eq=False)
class SolidHarmonics:
    """u(x) = Re Σ_lm c_lm h_lm((x - centre) / radius), 0 ≤ m ≤ l, harmonic inside or outside of a sphere.

    coefficients  (l+1,m+1) complex, in the unit of u
    centre        (3,) m
    radius        m, where |h| is that of Y
    inside        whether h_lm = |r|^l Y_lm, for the inside of the sphere, or |r|^-(l+1) Y_lm, for the outside
    """

    coefficients: np.ndarray
    centre: np.ndarray
    radius: float
    inside: bool = True

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """u (n,) at points (n,3) m."""
        total: np.ndarray = self._sums(points, self.coefficients[None])[0]
        return total

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """∇u (n,3), in the unit of u per m, at points (n,3) m."""
        # column m of the derivatives takes from columns m - 1 and m + 1; a real c_l0 stands for both of m = ±0
        c = np.pad(self.coefficients, ((0, 0), (1, 2))).astype(complex)
        c[:, 1] = c[:, 1].real
        degree = len(self.coefficients) - 1
        target = np.arange(degree + 2)
        l = np.arange(degree + 1)[:, None]
        along = slopes(l, target, 0, self.inside) * c[:, 1:-1]
        from_below = slopes(l, target - 1, 1, self.inside) * c[:, : degree + 2]
        from_above = slopes(l, target + 1, -1, self.inside) * c[:, 2:]
        from_below[:, 1] *= 2
        parts = np.stack([(from_above + from_below) / 2, (from_below - from_above) / 2j, along])
        shifted = np.zeros((3, degree + 2, degree + 2), complex)
        if self.inside:
            shifted[:, :degree] = parts[:, 1:]
        else:
            shifted[:, 1:] = parts
        return self._sums(points, shifted).T / self.radius

    def _sums(self, points: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Sums (k,n) with k sets of coefficients (k,l+1,m+1) at points (n,3)."""
        out = np.empty((len(c), len(points)))
        for start in range(0, len(points), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            x = (np.asarray(points[some], np.float64) - self.centre) / self.radius
            # Kelvin: |r|^-(l+1) Y(r) = |r|^-1 · |s|^l Y(s) with s = r / |r|²
            size = np.ones(len(x)) if self.inside else np.linalg.norm(x, axis=1)
            total = np.zeros((len(c), len(x)))
            for m, (wave, q) in enumerate(orders(x / size[:, None] ** 2, c.shape[1] - 1, c.shape[2] - 1)):
                own = c[:, m:, m]
                total += (own.real @ q) * wave.real - (own.imag @ q) * wave.imag
            out[:, some] = total / size
        return out


def orders(x: np.ndarray, degree: int, highest: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each order m up to the highest: (x + iy)^m (n,), and q_lm (l-m+1,n) with |r|^l Y_lm = (x + iy)^m q_lm."""
    z, r2 = x[:, 2], (x**2).sum(axis=1)
    wave = np.ones(len(x), complex)
    first = 1 / np.sqrt(4 * np.pi)
    for m in range(min(highest, degree) + 1):
        if m:
            wave = wave * (x[:, 0] + 1j * x[:, 1])
            first *= np.sqrt((2 * m + 1) / (2 * m))
        q = np.empty((degree - m + 1, len(x)))
        q[0] = first
        for l in range(m + 1, degree + 1):
            a = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
            q[l - m] = a * z * q[l - m - 1]
            if l > m + 1:
                q[l - m] -= a * np.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1)) * r2 * q[l - m - 2]
        yield wave, q


def slopes(l: np.ndarray, m: np.ndarray, step: int, inside: bool) -> np.ndarray:
    """Factor s of a derivative of h_lm: s times the harmonic of order m + step and degree l - 1 (inside) or l + 1.

    step 0 is ∂z, step 1 is ∂x + i∂y, step -1 is ∂x - i∂y.  Zero where there is no such harmonic.
    """
    if inside:
        square = (2 * l + 1) / (2 * l - 1) * [(l - m) * (l + m), (l - m) * (l - m - 1), (l + m) * (l + m - 1)][step]
        sign = (1, -1, 1)[step]
    else:
        l, m = l + 0 * m, m + 0 * l
        ways = [(l + m + 1) * (l - m + 1), (l + m + 1) * (l + m + 2), (l - m + 1) * (l - m + 2)]
        square = (2 * l + 1) / (2 * l + 3) * ways[step]
        sign = (-1, -1, 1)[step]
    exists = (l >= np.abs(m)) & (m >= 0)
    found: np.ndarray = sign * np.sqrt(np.where(exists, np.maximum(square, 0), 0))
    return found
