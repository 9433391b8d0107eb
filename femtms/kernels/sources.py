"""A of a coil at points, directly and in boxes, compiled by numba; `cpu.py` passes these functions on.

No function lets the compiler fuse products and sums where it could choose between two products: it chose one when it
compiled and the other in what it kept on disk, so that the first run had other bits than all later ones.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit

# Sums over coil elements may be reordered into vector lanes; NaN and infinity keep their meaning.
_REORDER = {"reassoc", "contract", "arcp", "nsz"}
_parallel = njit(parallel=True)
_parallel_reordered = njit(parallel=True, fastmath=_REORDER)

MU0_OVER_4PI = 1e-7  # T·m/A
_LANES = 64  # points that harmonic_series treats together
_ROWS = 1024  # rows per task: enough work to hide the scheduling


# --- the coil: A at points ---------------------------------------------------------------------------


@_parallel_reordered
def _dipole_potential(points, s, m, a):
    for i in numba.prange(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        ax = ay = az = 0.0
        for d in range(s.shape[1]):
            rx, ry, rz = x - s[0, d], y - s[1, d], z - s[2, d]
            r2 = rx * rx + ry * ry + rz * rz
            w = 1.0 / (r2 * np.sqrt(r2))
            ax += w * (m[1, d] * rz - m[2, d] * ry)
            ay += w * (m[2, d] * rx - m[0, d] * rz)
            az += w * (m[0, d] * ry - m[1, d] * rx)
        a[i, 0], a[i, 1], a[i, 2] = MU0_OVER_4PI * ax, MU0_OVER_4PI * ay, MU0_OVER_4PI * az


@_parallel_reordered
def _current_potential(points, s, dl, a):
    for i in numba.prange(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        ax = ay = az = 0.0
        for d in range(s.shape[1]):
            rx, ry, rz = x - s[0, d], y - s[1, d], z - s[2, d]
            w = 1.0 / np.sqrt(rx * rx + ry * ry + rz * rz)
            ax += w * dl[0, d]
            ay += w * dl[1, d]
            az += w * dl[2, d]
        a[i, 0], a[i, 1], a[i, 2] = MU0_OVER_4PI * ax, MU0_OVER_4PI * ay, MU0_OVER_4PI * az


def dipole_potential(points, positions, moments):
    """A (n,3) in T·m of magnetic dipoles: theory.md (2).  points (n,3) m, positions (d,3) m, moments (d,3) A·m²."""
    a = np.empty((len(points), 3))  # by NumPy: see elements.py
    _dipole_potential(points, np.ascontiguousarray(positions.T), np.ascontiguousarray(moments.T), a)
    return a


def current_potential(points, positions, vectors):
    """A (n,3) in T·m of current elements I·dl: theory.md (3).  points, positions in m, vectors (d,3) A·m."""
    a = np.empty((len(points), 3))
    _current_potential(points, np.ascontiguousarray(positions.T), np.ascontiguousarray(vectors.T), a)
    return a


# --- points along a curve, and in boxes -----------------------------------------------------------------


@njit(inline="always")
def _spread(bits):
    """Two zero bits between each two of the lowest 21 bits."""
    bits = (bits | (bits << np.uint64(32))) & np.uint64(0x1F00000000FFFF)
    bits = (bits | (bits << np.uint64(16))) & np.uint64(0x1F0000FF0000FF)
    bits = (bits | (bits << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
    bits = (bits | (bits << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
    return (bits | (bits << np.uint64(2))) & np.uint64(0x1249249249249249)


@_parallel
def morton_codes(points, low, size, bits):
    """Place (n,) uint64 of points (n,3) on the Morton (Z-order) curve in the box from low (3,) of the given size (3,).

    The curve visits 2^bits cells in each direction, at most 2^21.
    """
    n = points.shape[0]
    cells = 2.0**bits
    codes = np.empty(n, np.uint64)
    for i in numba.prange(n):
        code = np.uint64(0)
        for d in range(3):
            cell = np.uint64(min((points[i, d] - low[d]) / size[d] * cells, cells - 1))
            code |= _spread(cell) << np.uint64(d)
        codes[i] = code
    return codes


@_parallel
def corners(points, order, starts):
    """Lowest and highest coordinates (s,3) of the points in ranges: range r has the rows order[starts[r]:starts[r+1]].

    points (n,3), order (n,) int32, starts (s+1,) int64; no range is empty.
    """
    ranges = starts.shape[0] - 1
    low, high = np.empty((ranges, 3)), np.empty((ranges, 3))
    for r in numba.prange(ranges):
        for d in range(3):
            low[r, d] = high[r, d] = points[order[starts[r]], d]
        for s in range(starts[r] + 1, starts[r + 1]):
            for d in range(3):
                x = points[order[s], d]
                low[r, d] = min(low[r, d], x)
                high[r, d] = max(high[r, d], x)
    return low, high


# --- the coil: A in boxes away from it ----------------------------------------------------------------


@_parallel
def turned(vectors, origins, matrices, which):
    """(v - o) M (r,s,3) of vectors v (r,s,3), with origins o (k,3) and matrices M (k,3,3) number which (r,) int64.

    Row by row, as the bits of a matrix product may depend on how many rows there are.
    """
    rows, each = vectors.shape[:2]
    out = np.empty((rows, each, 3))
    for i in numba.prange(rows):
        o, m = origins[which[i]], matrices[which[i]]
        for j in range(each):
            x, y, z = vectors[i, j, 0] - o[0], vectors[i, j, 1] - o[1], vectors[i, j, 2] - o[2]
            for d in range(3):
                out[i, j, d] = x * m[0, d] + y * m[1, d] + z * m[2, d]
    return out


@_parallel
def nearest(points, positions):
    """Distance (n,) in m of points (n,3) m to the nearest of positions (d,3) m."""
    distance = np.empty(points.shape[0])
    for i in numba.prange(points.shape[0]):
        least = np.inf
        for d in range(positions.shape[0]):
            x, y, z = points[i, 0] - positions[d, 0], points[i, 1] - positions[d, 1], points[i, 2] - positions[d, 2]
            r2 = x * x + y * y + z * z
            if r2 < least:
                least = r2
        distance[i] = np.sqrt(least)
    return distance


@_parallel
def _fit_series(a, inverse, harmonics, coefficients, error):
    samples, terms = inverse.shape
    for b in numba.prange(a.shape[0]):
        # all sums of a box grow together, term by term: the compiler makes vector instructions of them
        fx, fy, fz = np.zeros(terms), np.zeros(terms), np.zeros(terms)
        x, y, z = np.empty(samples), np.empty(samples), np.empty(samples)
        for s in range(samples):
            ax, ay, az = a[b, s, 0], a[b, s, 1], a[b, s, 2]
            for j in range(terms):
                fx[j] += inverse[s, j] * ax
                fy[j] += inverse[s, j] * ay
                fz[j] += inverse[s, j] * az
            x[s], y[s], z[s] = ax, ay, az
        for j in range(terms):
            cx, cy, cz = fx[j], fy[j], fz[j]
            for s in range(samples):
                x[s] -= harmonics[j, s] * cx
                y[s] -= harmonics[j, s] * cy
                z[s] -= harmonics[j, s] * cz
            coefficients[b, j, 0], coefficients[b, j, 1], coefficients[b, j, 2] = cx, cy, cz
        for s in range(samples):
            error[b, s] = x[s] * x[s] + y[s] * y[s] + z[s] * z[s]


def fit_series(a, inverse, harmonics):
    """Coefficients (b,c,3) that fit samples a (b,s,3), and the square (b,s) of the length of each residual.

    inverse (s,c) and harmonics (c,s): c = `inverse`ᵀ a, and what is left is a - `harmonics`ᵀ c: theory.md (20, 21).
    Not a matrix product of NumPy's, whose bits may depend on the number of boxes b.
    """
    coefficients, error = np.empty((len(a), inverse.shape[1], 3)), np.empty(a.shape[:2])
    _fit_series(a, inverse, harmonics, coefficients, error)
    return coefficients, error


@_parallel
def _harmonic_series(points, order, starts, owner, centres, radii, degree, coefficients, a):
    poses, n = a.shape[0], a.shape[1]
    tasks = (n + _ROWS - 1) // _ROWS  # of each pose
    for task in numba.prange(poses * tasks):
        # one loop over _LANES points after the other: the compiler makes vector instructions of them
        x, y, z, r2 = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        re, im, q, q_below = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        ux, uy, uz = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        vx, vy, vz = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        ax, ay, az = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        pose = task // tasks
        begin = pose * n + task % tasks * _ROWS
        end = min(pose * n + n, begin + _ROWS)
        at = np.searchsorted(starts, begin, side="right") - 1
        while begin < end:
            while starts[at + 1] <= begin:
                at += 1
            count = min(end, starts[at + 1], begin + _LANES) - begin
            b = owner[at]
            if b < 0:
                for k in range(count):
                    i = order[begin + k - pose * n]
                    a[pose, i, 0], a[pose, i, 1], a[pose, i, 2] = 0.0, 0.0, 0.0
                begin += count
                continue
            for k in range(_LANES):
                i = order[begin + min(k, count - 1) - pose * n]
                x[k] = (points[i, 0] - centres[b, 0]) / radii[b]
                y[k] = (points[i, 1] - centres[b, 1]) / radii[b]
                z[k] = (points[i, 2] - centres[b, 2]) / radii[b]
            for k in range(_LANES):
                r2[k] = x[k] * x[k] + y[k] * y[k] + z[k] * z[k]
                re[k], im[k] = 1.0, 0.0
                ax[k], ay[k], az[k] = 0.0, 0.0, 0.0
            j = 0
            for m in range(degree + 1):
                for k in range(_LANES):
                    q[k], q_below[k] = 1.0, 0.0
                    ux[k], uy[k], uz[k] = 0.0, 0.0, 0.0
                    vx[k], vy[k], vz[k] = 0.0, 0.0, 0.0
                for l in range(m, degree + 1):
                    c = coefficients[b, j]
                    j += 1
                    zq, r2q = float(2 * l + 1), float(l * l - m * m)
                    for k in range(_LANES):
                        ux[k] += c[0, 0] * q[k]
                        uy[k] += c[0, 1] * q[k]
                        uz[k] += c[0, 2] * q[k]
                        vx[k] += c[1, 0] * q[k]
                        vy[k] += c[1, 1] * q[k]
                        vz[k] += c[1, 2] * q[k]
                        q[k], q_below[k] = zq * z[k] * q[k] - r2q * r2[k] * q_below[k], q[k]
                for k in range(_LANES):
                    ax[k] += re[k] * ux[k] + im[k] * vx[k]
                    ay[k] += re[k] * uy[k] + im[k] * vy[k]
                    az[k] += re[k] * uz[k] + im[k] * vz[k]
                    re[k], im[k] = x[k] * re[k] - y[k] * im[k], x[k] * im[k] + y[k] * re[k]
            for k in range(count):
                i = order[begin + k - pose * n]
                a[pose, i, 0], a[pose, i, 1], a[pose, i, 2] = ax[k], ay[k], az[k]
            begin += count


def harmonic_series(points, order, starts, owner, centres, radii, degree, coefficients, poses):
    """A (k,n,3) in T·m from a series of solid harmonics in each box: theory.md (19, 20); zero where there is none.

    points (n,3) m; order (n,) int32: the rows of points, box by box; starts (s+1,) int64: where ranges begin in the
    orders of k poses, one after the other: row order[i] of pose p is in the range with pn + i; owner (s,) int32: the
    series of each range, or -1 for none; centres (b,3) m and radii (b,) m of the series; coefficients
    (b,(p+1)(p+2)/2,2,3) T·m for degree p, in the order of coil.expansion.solid_harmonics; poses: k.
    """
    a = np.empty((poses, len(order), 3))
    _harmonic_series(points, order, starts, owner, centres, radii, degree, coefficients, a)
    return a
