"""Spheres inside each other that need not be concentric: a case without symmetry for the solver to be measured against.

Here, other than in concentric spheres, charges at the inner interfaces do make a field, and conductivities matter.
theory.md, "Spheres about different centres".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.linalg import lstsq

from femtms.errors import FemtmsError
from femtms.reference.solid_harmonics import SolidHarmonics, orders, slopes

_NODES_PER_DEGREE = 1.5  # of the collocation, for each degree of a series
_PROBES = 500  # points of each sphere, beside the nodes, that the residual is measured at

VectorField = Callable[[np.ndarray], np.ndarray]
_Values = tuple[np.ndarray, np.ndarray]  # of harmonics and of their normal derivatives, (l+1,m+1,q) each


@dataclass(frozen=True)
class EccentricSpheres:
    """Layers between spheres with their centres on the z axis, from the inside out.

    radii, heights (s,) m: radius of each sphere and z of its centre; sigma (s,) S/m inside of each.
    Raises FemtmsError unless each sphere is inside the next one and sigma > 0.
    """

    radii: tuple[float, ...]
    heights: tuple[float, ...]
    sigma: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.radii) == len(self.heights) == len(self.sigma) > 0:
            raise FemtmsError("each of the spheres must have a radius, a height and a conductivity")
        radii, heights = np.asarray(self.radii), np.asarray(self.heights)
        if not (radii[0] > 0 and (np.diff(radii) > np.abs(np.diff(heights))).all() and min(self.sigma) > 0):
            raise FemtmsError(
                f"each sphere must be inside the next, with a conductivity > 0; got radii {self.radii} m about heights "
                f"{self.heights} m, sigma {self.sigma} S/m"
            )

    def layer_of(self, points: np.ndarray) -> np.ndarray:
        """Number (n,) of the layer that points (n,3) m are in, from 0 inside; the last also for those beyond."""
        layer = np.full(len(points), len(self.radii) - 1)
        for j in range(len(self.radii) - 2, -1, -1):
            layer[np.linalg.norm(points - [0, 0, self.heights[j]], axis=1) < self.radii[j]] = j
        return layer


@dataclass(frozen=True, eq=False)
class EccentricField:
    """E in such spheres, exact but for its series.

    potentials  of each layer: the sums of these are φ
    residual    what is left of theory.md (18) and (17) at points between those of the fit: the largest jump of φ over
                the largest |φ|, or of n·σE over the largest σ|∂A/∂t|, whichever is more
    """

    spheres: EccentricSpheres
    dadt: VectorField
    potentials: tuple[tuple[SolidHarmonics, ...], ...]
    residual: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """E (n,3) in V/m at points (n,3) m."""
        grad_phi = np.empty((len(points), 3))
        layer = self.spheres.layer_of(points)
        for j, parts in enumerate(self.potentials):
            own = layer == j
            grad_phi[own] = sum(part.gradient(points[own]) for part in parts)
        E: np.ndarray = -self.dadt(points) - grad_phi
        return E


def eccentric_field(spheres: EccentricSpheres, dadt: VectorField, degrees: int = 60) -> EccentricField:
    """The field of any coil outside, whose ∂A/∂t in V/m is a function of points (n,3) m.

    φ in each layer is a series up to `degrees` in harmonics about the centre of the sphere around it, regular there,
    and in harmonics about the centre of the sphere within it, falling outward.  That φ and n·σE are continuous is
    demanded at many points of each sphere, by least squares; orders m about the z axis do not know each other.
    """
    rings = [_Ring.on(spheres, j, dadt, degrees) for j in range(len(spheres.radii))]
    families = [_Family(j, spheres, inside) for j in range(len(rings)) for inside in ((True, False) if j else (True,))]
    coefficients = [np.zeros((degrees + 1, degrees + 1), complex) for _ in families]
    tables = [[family.on_ring(ring, degrees) for family in families] for ring in rings]
    for m in range(degrees + 1):
        # a constant belongs to one layer at least, and no layer has a net charge
        first = [max(m, 0 if family.inside and family.layer else 1) for family in families]
        rows = [_conditions(ring, families, table, m, first, degrees) for ring, table in zip(rings, tables)]
        right = np.concatenate([_sources(ring, m) for ring in rings])
        both = np.stack([right.real, right.imag], axis=1)
        solution = lstsq(np.concatenate(rows), both, cond=1e-14, lapack_driver="gelsy")[0]
        start = 0
        for c, low in zip(coefficients, first):
            stop = start + degrees + 1 - low
            c[low:, m] = solution[start:stop, 0] + 1j * solution[start:stop, 1]
            start = stop
    potentials = tuple(
        tuple(family.with_coefficients(c) for family, c in zip(families, coefficients) if family.layer == j)
        for j in range(len(rings))
    )
    return EccentricField(spheres, dadt, potentials, _residual(spheres, dadt, potentials))


@dataclass(frozen=True, eq=False)
class _Ring:
    """Points (q,3) on sphere j at azimuth 0, where the conditions are set.

    normals      (q,3) outward; weights (q,) of the conditions, whose squares are those of a rule over the sphere
    radial_dadt  n·∂A/∂t (q,m) V/m of each order: the whole is Re Σ_m of it times e^(imφ)
    sigma        S/m within and around
    """

    sphere: int
    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    radial_dadt: np.ndarray
    sigma: tuple[float, float]
    radius: float

    @classmethod
    def on(cls, spheres: EccentricSpheres, j: int, dadt: VectorField, degrees: int) -> "_Ring":
        cosine, weights = leggauss(int(_NODES_PER_DEGREE * degrees) + 4)
        sine = np.sqrt(1 - cosine**2)
        normals = np.stack([sine, 0 * sine, cosine], axis=1)
        azimuth = 2 * np.pi * np.arange(2 * len(cosine)) / (2 * len(cosine))
        around = np.stack(
            [np.outer(sine, np.cos(azimuth)), np.outer(sine, np.sin(azimuth)), np.outer(cosine, 0 * azimuth + 1)], -1
        )
        centre = np.array([0, 0, spheres.heights[j]])
        a = dadt((centre + spheres.radii[j] * around).reshape(-1, 3)).reshape(around.shape)
        waves = np.fft.rfft((a * around).sum(axis=-1), axis=1) / len(azimuth)
        waves[:, 1:] *= 2  # those of m and -m
        return cls(
            sphere=j,
            points=centre + spheres.radii[j] * normals,
            normals=normals,
            weights=np.sqrt(weights),
            radial_dadt=waves,
            sigma=(spheres.sigma[j], spheres.sigma[j + 1] if j + 1 < len(spheres.radii) else 0.0),
            radius=spheres.radii[j],
        )


@dataclass(frozen=True)
class _Family:
    """The harmonics of a layer that are regular in the sphere around it, or that fall outward from that within it."""

    layer: int
    spheres: EccentricSpheres
    inside: bool

    def with_coefficients(self, c: np.ndarray) -> SolidHarmonics:
        sphere = self.layer if self.inside else self.layer - 1
        return SolidHarmonics(
            c, np.array([0, 0, self.spheres.heights[sphere]]), self.spheres.radii[sphere], self.inside
        )

    def on_ring(self, ring: _Ring, degrees: int) -> _Values | None:
        """h_lm and R n·∇h_lm (l+1,m+1,q) on a ring that bounds the layer, with the ring's R; None on another."""
        if self.layer not in (ring.sphere, ring.sphere + 1):
            return None
        frame = self.with_coefficients(np.zeros((1, 1)))
        x = (ring.points - frame.centre) / frame.radius
        size = np.ones(len(x)) if self.inside else np.linalg.norm(x, axis=1)
        h = np.zeros((degrees + 3, degrees + 3, len(x)))
        for order, (wave, q) in enumerate(orders(x / size[:, None] ** 2, degrees + 1, degrees + 1)):
            h[order : degrees + 2, order] = wave.real * q / size
        l, m = np.arange(degrees + 1)[:, None], np.arange(degrees + 1)
        next_l = l - 1 if self.inside else l + 1  # -1 is a row of zeros
        along, up, down = (slopes(l, m, step, self.inside)[..., None] * h[next_l, m + step] for step in (0, 1, -1))
        across = np.where((m == 0)[:, None], up, (up + down) / 2)
        normal = across * ring.normals[:, 0] + along * ring.normals[:, 2]
        return h[: degrees + 1, : degrees + 1], normal * (ring.radius / frame.radius)


def _conditions(
    ring: _Ring, families: list[_Family], table: list[_Values | None], m: int, first: list[int], degrees: int
) -> np.ndarray:
    """Rows of order m: σ R n·∇φ within minus that around, over the sum of both σ; and φ within minus φ around."""
    within, around = ring.sigma
    columns = []
    for family, known, low in zip(families, table, first):
        if known is None:
            columns.append(np.zeros((2 * len(ring.points), degrees + 1 - low)))
            continue
        value, normal = (part[low:, m].T for part in known)
        sigma, sign = (within, 1) if family.layer == ring.sphere else (around, -1)
        flux = sign * sigma / (within + around) * normal
        columns.append(np.concatenate([flux, sign * value]) * np.tile(ring.weights, 2)[:, None])
    rows = np.concatenate(columns, axis=1)
    return rows if around else rows[: len(ring.points)]


def _sources(ring: _Ring, m: int) -> np.ndarray:
    """Right-hand sides of order m for the rows above: theory.md (17) and (18)."""
    within, around = ring.sigma
    flux = -ring.radius * (within - around) / (within + around) * ring.radial_dadt[:, m] * ring.weights
    return np.concatenate([flux, 0 * flux]) if around else flux


def _residual(
    spheres: EccentricSpheres, dadt: VectorField, potentials: tuple[tuple[SolidHarmonics, ...], ...]
) -> float:
    """See EccentricField: at points spread evenly over the spheres."""
    i = np.arange(_PROBES) + 0.5
    cosine, azimuth = 1 - 2 * i / _PROBES, np.pi * (1 + 5**0.5) * i
    sine = np.sqrt(1 - cosine**2)
    normals = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)
    jump_phi, jump_flux, largest_phi, largest_flux = [0.0], [], [], []
    for j, (radius, height) in enumerate(zip(spheres.radii, spheres.heights)):
        points = radius * normals + [0, 0, height]
        a = dadt(points)
        flux, phi = np.zeros((2, len(points))), np.zeros((2, len(points)))
        for side in range(2 if j + 1 < len(spheres.radii) else 1):
            parts = potentials[j + side]
            phi[side] = sum(part(points) for part in parts)
            E = -a - sum(part.gradient(points) for part in parts)
            flux[side] = spheres.sigma[j + side] * (E * normals).sum(axis=1)
            largest_phi.append(np.abs(phi[side]).max())
            largest_flux.append(spheres.sigma[j + side] * np.linalg.norm(a, axis=1).max())
        jump_flux.append(np.abs(flux[0] - flux[1]).max())
        if j + 1 < len(spheres.radii):
            jump_phi.append(np.abs(phi[0] - phi[1]).max())
    return float(max(max(jump_flux) / max(largest_flux), max(jump_phi) / max(largest_phi)))
