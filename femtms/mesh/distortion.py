"""The shape of tetrahedra as an energy, for the mesher: q = 1 for a regular one, infinite for a flat one."""

import numpy as np

from femtms.kernels.jit import njit

_REGULAR = 0.5**0.5 / 6**1.5  # a regular tetrahedron of unit edges has 6V = 1/√2 and S = 6
_SMALLEST = 1e-9  # mm³ of 6 V: below this a tetrahedron counts as flat


@njit(inline="always")
def _minus(x, i, px, py, pz):
    return x[i, 0] - px, x[i, 1] - py, x[i, 2] - pz


@njit(inline="always")
def cross(a, b):
    """a × b of tuples."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit(inline="always")
def dot(a, b):
    """a · b of tuples."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(inline="always")
def _apart2(a, b):
    dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return dx * dx + dy * dy + dz * dz


@njit
def others_of(tet, i):
    """The other three nodes of a tetrahedron, in the order that keeps it positive when i goes first."""
    if tet[0] == i:
        return tet[1], tet[2], tet[3]
    if tet[1] == i:
        return tet[0], tet[3], tet[2]
    if tet[2] == i:
        return tet[0], tet[1], tet[3]
    return tet[0], tet[2], tet[1]


@njit
def links_of(tets, starts, meeting):
    """For each entry of the incidence (starts, meeting): the other three nodes of that tetrahedron, (e,3) int32."""
    links = np.empty((meeting.size, 3), np.int32)
    for i in range(starts.size - 1):
        for p in range(starts[i], starts[i + 1]):
            links[p, 0], links[p, 1], links[p, 2] = others_of(tets[meeting[p]], i)
    return links


@njit
def distortion(x, link, px, py, pz):
    """q = c S^1.5 / 6V of the tetrahedron between (px,py,pz) and the nodes link (3,) of x; S: sum of squared edges."""
    a = _minus(x, link[0], px, py, pz)
    b = _minus(x, link[1], px, py, pz)
    c = _minus(x, link[2], px, py, pz)
    v = dot(a, cross(b, c))
    if not v > _SMALLEST:
        return np.inf
    s = dot(a, a) + dot(b, b) + dot(c, c) + _apart2(a, b) + _apart2(b, c) + _apart2(c, a)
    return _REGULAR * s * np.sqrt(s) / v


@njit
def star_energy(x, links, power, px, py, pz):
    """Σ q^power (power 2 or 4) and the largest q of the tetrahedra between a point and links (k,3)."""
    energy, worst = 0.0, 0.0
    for p in range(links.shape[0]):
        q = distortion(x, links[p], px, py, pz)
        if q == np.inf:
            return np.inf, np.inf
        worst = max(worst, q)
        q *= q
        energy += q if power == 2 else q * q
    return energy, worst


@njit
def star_derivatives(x, links, power, px, py, pz):
    """Gradient (x, y, z) and Hessian (xx, xy, xz, yy, yz, zz) of Σ q^power with respect to the point.

    ln q = 1.5 ln S - ln 6V; 6V is linear in the point and S quadratic, so with e = power q^power and
    g = ∇ln q, each tetrahedron adds e g to the gradient and e (power g gᵀ + ∇²ln q) to the Hessian.
    """
    gx = gy = gz = 0.0
    hxx = hxy = hxz = hyy = hyz = hzz = 0.0
    for p in range(links.shape[0]):
        a = _minus(x, links[p, 0], px, py, pz)
        b = _minus(x, links[p, 1], px, py, pz)
        c = _minus(x, links[p, 2], px, py, pz)
        bc, ca, ab = cross(b, c), cross(c, a), cross(a, b)
        v = max(dot(a, bc), _SMALLEST)
        s = dot(a, a) + dot(b, b) + dot(c, c) + _apart2(a, b) + _apart2(b, c) + _apart2(c, a)
        q2 = _REGULAR**2 * s * s * s / (v * v)
        e = power * (q2 if power == 2 else q2 * q2)
        vx, vy, vz = (
            -(bc[0] + ca[0] + ab[0]) / v,
            -(bc[1] + ca[1] + ab[1]) / v,
            -(bc[2] + ca[2] + ab[2]) / v,
        )  # ∇ln 6V
        sx, sy, sz = (
            -2 * (a[0] + b[0] + c[0]) / s,
            -2 * (a[1] + b[1] + c[1]) / s,
            -2 * (a[2] + b[2] + c[2]) / s,
        )  # ∇ln S
        lx, ly, lz = 1.5 * sx - vx, 1.5 * sy - vy, 1.5 * sz - vz
        gx += e * lx
        gy += e * ly
        gz += e * lz
        hxx += e * (power * lx * lx + vx * vx - 1.5 * sx * sx + 9 / s)
        hyy += e * (power * ly * ly + vy * vy - 1.5 * sy * sy + 9 / s)
        hzz += e * (power * lz * lz + vz * vz - 1.5 * sz * sz + 9 / s)
        hxy += e * (power * lx * ly + vx * vy - 1.5 * sx * sy)
        hxz += e * (power * lx * lz + vx * vz - 1.5 * sx * sz)
        hyz += e * (power * ly * lz + vy * vz - 1.5 * sy * sz)
    return (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz)


@njit
def newton_step(g, h):
    """-H⁻¹ g, or a step of steepest descent where that does not point downhill."""
    trace = h[0] + h[3] + h[5]
    shift = 1e-6 * abs(trace) + 1e-30
    a, b, c, d, e, f = h[0] + shift, h[1], h[2], h[3] + shift, h[4], h[5] + shift
    m0, m1, m2 = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * m0 + b * m1 + c * m2
    if abs(det) > 1e-300:
        x = -(m0 * g[0] + m1 * g[1] + m2 * g[2]) / det
        y = -(m1 * g[0] + (a * f - c * c) * g[1] + (b * c - a * e) * g[2]) / det
        z = -(m2 * g[0] + (b * c - a * e) * g[1] + (a * d - b * b) * g[2]) / det
        if x * g[0] + y * g[1] + z * g[2] <= 0:
            return x, y, z
    s = -1.0 / (abs(trace) + 1e-300)
    return s * g[0], s * g[1], s * g[2]
