"""A coil on the standard sphere: how strong, how deep and how focal its field is, exactly.

A sphere is the same for everybody and its field is known, so coils are compared on it: Deng, Lisanby & Peterchev 2013,
Brain Stimul 6:1.  Here the field comes from a series in vector spherical harmonics, theory.md (23), (24).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.optimize import brentq
from scipy.special import sph_legendre_p_all

from femtms.coil.clearance import hull, lowered
from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.mesh.triangle_tree import TriangleTree

SCALP_MM, BRAIN_MM, GAP_MM = 85.0, 70.0, 5.0  # of Deng et al. 2013

_LEFT_OUT, _LEFT_OUT_SCALP = 1e-10, 3e-4  # of the series, in the brain and on the scalp
_HIGHEST = 200  # degree of a series: more takes gigabytes
_DEGREE = 90  # in the brain of the standard sphere
_WELL_OUTSIDE = 1.0  # m
_LARGEST_REST = 1e-2  # of a series that may still be used
_LEAST = 1e-9  # V/m for 1 A/µs: what is below is rounding, or no coil
_STEP_MM = 0.25  # of the shells that volumes are summed over
_THETA, _PHI = 180, 240  # directions: Gauss-Legendre in cos θ, equal steps in φ


@dataclass(frozen=True, eq=False)
class SphereMetrics:
    """The field of a coil in the standard sphere, for a current that rises by 1 A/µs.

    E_brain  largest |E| at the surface of the brain, V/m
    E_scalp  largest |E| at the surface of the scalp, V/m; None with the coil so near that the series would not do
    d_half   d½ in m: greatest depth below the surface of the brain at which |E| is half of E_brain
    v_half   V½ in m³: volume of the brain with |E| of at least half of E_brain
    s_half   S½ in m²: V½ / d½, the spread
    depths   (q,) m below the surface of the brain, along the radius through the strongest point
    profile  |E| (q,) in V/m there
    """

    E_brain: float
    E_scalp: float | None
    d_half: float
    v_half: float
    s_half: float
    depths: np.ndarray
    profile: np.ndarray


def sphere_metrics(
    coil: Coil, gap_mm: float = GAP_MM, scalp_mm: float = SCALP_MM, brain_mm: float = BRAIN_MM
) -> SphereMetrics:
    """Strength, depth d½ and spread S½ of a coil above a sphere: Deng, Lisanby & Peterchev 2013.

    The coil's z axis goes through the centre, and the nearest point of its casing or, where it has none, of its wires
    is gap_mm above the scalp.  Conductivities do not enter: the field is that of any layers.
    Raises FemtmsError, also for a coil so near to the brain that the series would not do.
    """
    if not 0 < brain_mm <= scalp_mm or not np.isfinite(scalp_mm):
        raise FemtmsError(f"the radii must be 0 < brain ≤ scalp in mm; got {brain_mm} and {scalp_mm}")
    brain, scalp = 1e-3 * brain_mm, 1e-3 * scalp_mm
    pose = pose_above_sphere(coil, scalp_mm, gap_mm)
    degree = _degree(brain, 1e-3 * (scalp_mm + gap_mm), _LEFT_OUT)
    if degree is None:
        raise FemtmsError(
            f"for the series the nearest wire must be farther than {scalp_mm + gap_mm - brain_mm:g} mm from a brain of "
            f"{brain_mm:g} mm; increase the gap or use finite elements"
        )
    field, directions = ToroidalField.of(coil, pose, brain, degree), _Directions.grid(degree)
    at_surface = field.magnitude(brain, directions)
    E_brain = float(at_surface.max())
    if not E_brain > _LEAST:
        raise FemtmsError(
            f"coil '{coil.name}' must make a field in the brain; its largest |E| there is {E_brain:.3g} V/m for 1 A/µs"
        )
    half = E_brain / 2

    def excess(r: float) -> float:
        return float(field.magnitude(r, directions).max()) - half

    d_half = brain - float(brentq(excess, 1e-6 * brain, brain, xtol=1e-7))
    row, column = divmod(int(at_surface.argmax()), at_surface.shape[1])
    radii = np.linspace(brain, 0.0, int(np.ceil(brain_mm / _STEP_MM)) + 1)
    depths = brain - radii
    shells = [field.magnitude(r, directions) for r in radii if brain - r <= d_half + 1e-3]
    v_half = directions.volume(np.stack(shells), radii[: len(shells)], half)
    profile = np.array([field.magnitude(r, directions.only(row, column)).item() for r in radii])
    return SphereMetrics(
        E_brain=E_brain,
        E_scalp=_largest_on(coil, pose, scalp, 1e-3 * (scalp_mm + gap_mm)),
        d_half=d_half,
        v_half=v_half,
        s_half=v_half / d_half,
        depths=depths,
        profile=profile,
    )


def _degree(radius: float, distance: float, left_out: float) -> int | None:
    """Degree at which a series on a sphere of `radius` m, with sources at `distance` m, has all but a share left_out.

    The highest that can be had where it needs more; None when that would leave out too much.
    """
    per_degree = np.log(radius / distance)
    degree = min(int(np.ceil(np.log(left_out) / per_degree)), _HIGHEST)
    return degree if np.exp(degree * per_degree) <= _LARGEST_REST else None


def _largest_on(coil: Coil, pose: Pose, radius: float, distance: float) -> float | None:
    """Largest |E| in V/m for 1 A/µs on a sphere of `radius` m; None where the series would not do."""
    degree = _degree(radius, distance, _LEFT_OUT_SCALP)
    if degree is None:
        return None
    return float(ToroidalField.of(coil, pose, radius, degree).magnitude(radius, _Directions.grid(degree)).max())


def pose_above_sphere(coil: Coil, scalp_mm: float = SCALP_MM, gap_mm: float = GAP_MM) -> Pose:
    """The pose above the top of a sphere about the origin, z down, in which the coil comes as near as gap_mm.

    What comes near is the casing or, where there is none, the wires: see `hull`.
    Raises FemtmsError unless the gap is above 0, and for a ring that passes the sphere.
    """
    if not 0 < gap_mm < np.inf:
        raise FemtmsError(f"gap_mm must be > 0; got {gap_mm}")
    reach = 1e-3 * (scalp_mm + gap_mm)
    near = _near(coil)
    # heights of the coil's origin in m, from well outside inwards; the centre of the sphere is at (0, 0, height)
    height = lowered(
        lambda h: float(near.nearest(np.array([[0.0, 0.0, h]]))[1][0]), reach, _WELL_OUTSIDE, -_WELL_OUTSIDE, 1e-8
    )
    if height is None:
        raise FemtmsError(
            f"coil '{coil.name}' must come within {gap_mm:g} mm of a sphere of {scalp_mm:g} mm when it is lowered onto "
            f"it; it passes around it"
        )
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[2, 3] = 1e3 * height
    return Pose(matrix)


def _near(coil: Coil) -> TriangleTree:
    """What of a coil comes near: the triangles of its casing, or the points of its wires."""
    triangles = hull(coil)
    if len(triangles) == 0:
        triangles = np.zeros((1, 3, 3))  # a sampled A has no place but its origin
    if coil.casing is None:
        triangles = np.repeat(triangles.reshape(-1, 1, 3), 3, axis=1)
    return TriangleTree.build(triangles)


@dataclass(frozen=True, eq=False)
class ToroidalField:
    """E inside a sphere without conductors outside: theory.md (24).

    coefficients  (l+1,m+1) complex in V/m for 1 A/µs: of degree l and order m ≥ 0 on a sphere of `radius` m
    """

    coefficients: np.ndarray
    radius: float

    @classmethod
    def of(cls, coil: Coil, pose: Pose, radius: float, degree: int = _DEGREE) -> "ToroidalField":
        """That of a coil in a pose, from its A on a sphere about the origin, of `radius` m: theory.md (23)."""
        rule = _Directions.rule(degree)
        a = coil.moved(pose).vector_potential(radius * rule.vectors.reshape(-1, 3)).reshape(rule.vectors.shape)
        a_theta, a_phi = (a * rule.along_theta).sum(axis=-1), (a * rule.along_phi).sum(axis=-1)
        step = 2 * np.pi / len(rule.phi)
        orders = slice(0, degree + 1)
        theta_m = step * np.fft.rfft(a_theta, axis=1)[:, orders]  # (t,m): ∫ A e^{-imφ} dφ
        phi_m = step * np.fft.rfft(a_phi, axis=1)[:, orders]
        # Φ = n × r∇Y has the components -∂Y/∂φ / sin θ and ∂Y/∂θ
        across, along = rule.harmonics
        weights = rule.weights[:, None]
        t = _times(along.transpose(0, 2, 1), weights * phi_m) + 1j * _times(
            across.transpose(0, 2, 1), weights * theta_m
        )
        l = np.arange(degree + 1)
        t[1:] /= (l * (l + 1))[1:, None]
        return cls(-1e6 * t, radius)

    def magnitude(self, r: float, directions: "_Directions") -> np.ndarray:
        """|E| (t,p) in V/m for 1 A/µs at r m from the centre in some directions."""
        across, along = directions.harmonics
        degrees = np.arange(len(self.coefficients))[:, None]
        t = self.coefficients * (r / self.radius) ** degrees
        size: np.ndarray = np.hypot(directions.around(-1j * _times(across, t)), directions.around(_times(along, t)))
        return size


def _times(harmonics: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Σ_i h_mij c_im (j,m) of real harmonics (m,i,j) and complex numbers c (i,m): a product of matrices for each m."""
    parts = np.ascontiguousarray(np.stack([c.real.T, c.imag.T], axis=1))  # (m,2,i)
    sums = np.matmul(parts, harmonics)
    product: np.ndarray = (sums[:, 0] + 1j * sums[:, 1]).T
    return product


@dataclass(frozen=True, eq=False)
class _Directions:
    """Directions with polar angles theta (t,) and azimuths phi (p,), and the weights (t,) of a rule for ∫ sin θ dθ.

    harmonics  m P_lm / sin θ and dP_lm/dθ, both (m+1,l+1,t), of the normalised Legendre functions
    """

    theta: np.ndarray
    phi: np.ndarray
    weights: np.ndarray
    harmonics: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, cosine: np.ndarray, weights: np.ndarray, azimuths: int, degree: int) -> "_Directions":
        theta = np.arccos(cosine)
        values, slopes = sph_legendre_p_all(degree, degree, theta, diff_n=1)[:, :, : degree + 1]
        across = np.arange(degree + 1)[:, None] * values / np.sin(theta)
        harmonics = [np.ascontiguousarray(h.transpose(1, 0, 2)) for h in (across, slopes)]
        return cls(theta, 2 * np.pi * np.arange(azimuths) / azimuths, weights, (harmonics[0], harmonics[1]))

    @classmethod
    @cache
    def rule(cls, degree: int) -> "_Directions":
        """Those that integrate products of two harmonics up to a degree exactly."""
        cosine, weights = leggauss(degree + 1)
        return cls.of(cosine, weights, 2 * degree + 2, degree)

    @classmethod
    @cache
    def grid(cls, degree: int = _DEGREE) -> "_Directions":
        """Those that maxima and volumes are looked for in: dense towards the top, where coils are."""
        # cos θ = 1 - 2 u², u in (0, 1): equal steps of u are equal steps of sin(θ/2)
        u, weights = leggauss(_THETA)
        u, weights = (u + 1) / 2, weights / 2
        return cls.of(1 - 2 * u**2, 4 * u * weights, _PHI, degree)

    def only(self, row: int, column: int) -> "_Directions":
        """A single one of them."""
        across, along = (h[:, :, row : row + 1] for h in self.harmonics)
        return _Directions(
            self.theta[row : row + 1], self.phi[column : column + 1], self.weights[row : row + 1], (across, along)
        )

    def around(self, c: np.ndarray) -> np.ndarray:
        """Re Σ_m c_m e^(imφ) (t,p) of orders m and -m, from c (t,m+1) complex of m ≥ 0."""
        azimuths, orders = len(self.phi), c.shape[1]
        if azimuths >= 2 * orders:  # no order stands for another, and they are equal steps
            return np.fft.irfft(c, azimuths, axis=1) * azimuths
        waves = np.exp(1j * np.arange(orders)[:, None] * self.phi)
        waves[1:] *= 2
        return (c @ waves).real

    @property
    def vectors(self) -> np.ndarray:
        """Unit vectors (t,p,3)."""
        sine = np.sin(self.theta)[:, None]
        cosine = np.broadcast_to(np.cos(self.theta)[:, None], (len(self.theta), len(self.phi)))
        return np.stack([sine * np.cos(self.phi), sine * np.sin(self.phi), cosine], axis=-1)

    @property
    def along_theta(self) -> np.ndarray:
        """Unit vectors (t,p,3) in the direction of growing θ."""
        cosine, sine = np.cos(self.theta)[:, None], np.sin(self.theta)[:, None]
        return np.stack([cosine * np.cos(self.phi), cosine * np.sin(self.phi), -sine + 0 * self.phi], axis=-1)

    @property
    def along_phi(self) -> np.ndarray:
        """Unit vectors (t,p,3) in the direction of growing φ."""
        zero = 0 * self.theta[:, None] * self.phi
        return np.stack([-np.sin(self.phi) + zero, np.cos(self.phi) + zero, zero], axis=-1)

    def volume(self, magnitudes: np.ndarray, radii: np.ndarray, least: float) -> float:
        """Volume in m³ where magnitudes (s,t,p) on shells of descending radii (s,) m are at least `least`.

        Along each direction |E| is taken to be linear between shells, and the part of a step that counts is exact.
        """
        total = 0.0
        for above, below, outer, inner in zip(magnitudes, magnitudes[1:], radii, radii[1:]):
            high, low = np.maximum(above, below), np.minimum(above, below)
            share = np.clip((high - least) / np.maximum(high - low, 1e-300), 0, 1)
            solid_angle = 2 * np.pi * float(self.weights @ share.mean(axis=1))
            total += solid_angle * (outer**3 - inner**3) / 3
        return total
