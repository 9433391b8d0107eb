"""The hot loops for the CPU, compiled by numba; `cuda.py` has the same functions for the GPU.

Rules that the callers rely on:
- Each output row is computed by one thread in a fixed order, so results do not depend on the number of threads.
- No fastmath flag here lets the compiler assume that NaN and infinity do not occur.
"""

import numba
import numpy as np

from femtms.kernels.blocks import (  # noqa: F401
    advance,
    column_dots,
    narrow,
    padded,
    relax,
    spmm,
    spmm_add,
    spmm_dots,
    turn,
)
from femtms.kernels.coarsen import (  # noqa: F401
    aggregates,
    csr,
    diagonal,
    galerkin,
    gershgorin,
    pieces,
    product,
    prolongator,
    scaled_rows,
    scaled_symmetrically,
    strong_connections,
    tied,
    transposed,
)
from femtms.kernels.jit import njit

# Sums over coil elements may be reordered into vector lanes; NaN and infinity keep their meaning.
_REORDER = {"reassoc", "contract", "arcp", "nsz"}
_serial = njit()
_parallel = njit(parallel=True)
_parallel_reordered = njit(parallel=True, fastmath=_REORDER)
_parallel_contracted = njit(parallel=True, fastmath={"contract"})  # multiply and add in one instruction

MU0_OVER_4PI = 1e-7  # T·m/A
_LANES = 64  # points that harmonic_series treats together
_ROWS = 1024  # rows per task: enough work to hide the scheduling


# --- the coil: A at points ---------------------------------------------------------------------------


@_parallel_reordered
def _dipole_potential(points, s, m):
    a = np.empty((points.shape[0], 3))
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
    return a


@_parallel_reordered
def _current_potential(points, s, dl):
    a = np.empty((points.shape[0], 3))
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
    return a


def dipole_potential(points, positions, moments):
    """A (n,3) in T·m of magnetic dipoles: theory.md (2).  points (n,3) m, positions (d,3) m, moments (d,3) A·m²."""
    return _dipole_potential(points, np.ascontiguousarray(positions.T), np.ascontiguousarray(moments.T))


def current_potential(points, positions, vectors):
    """A (n,3) in T·m of current elements I·dl: theory.md (3).  points, positions in m, vectors (d,3) A·m."""
    return _current_potential(points, np.ascontiguousarray(positions.T), np.ascontiguousarray(vectors.T))


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


@_parallel_contracted
def harmonic_series(points, order, starts, owner, centres, radii, degree, coefficients):
    """A (n,3) in T·m from a series of solid harmonics in each box: theory.md (19, 20); zero where there is no series.

    points (n,3) m; order (n,) int32: the rows of points, box by box; starts (s+1,) int64: where in it the ranges
    begin; owner (s,) int32: the series of each range, or -1 for none; centres (b,3) m and radii (b,) m of the series;
    coefficients (b,(p+1)(p+2)/2,2,3) T·m for degree p, in the order of coil.expansion.solid_harmonics.
    """
    n = order.shape[0]
    a = np.empty((n, 3))
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        # one loop over _LANES points after the other: the compiler makes vector instructions of them
        x, y, z, r2 = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        re, im, q, q_below = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        ux, uy, uz = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        vx, vy, vz = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        ax, ay, az = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        begin, end = task * _ROWS, min(n, (task + 1) * _ROWS)
        at = np.searchsorted(starts, begin, side="right") - 1
        while begin < end:
            while starts[at + 1] <= begin:
                at += 1
            count = min(end, starts[at + 1], begin + _LANES) - begin
            b = owner[at]
            if b < 0:
                for k in range(count):
                    i = order[begin + k]
                    a[i, 0], a[i, 1], a[i, 2] = 0.0, 0.0, 0.0
                begin += count
                continue
            for k in range(_LANES):
                i = order[begin + min(k, count - 1)]
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
                i = order[begin + k]
                a[i, 0], a[i, 1], a[i, 2] = ax[k], ay[k], az[k]
            begin += count
    return a


# --- finite elements -----------------------------------------------------------------------------------


@_serial
def incidence(groups, n):
    """Which rows of groups (m,k) of nodes name each node: starts (n+1,) int64 and rows (km,) int32, ascending.

    With tetrahedra as groups: those that meet at each node.
    """
    starts = np.zeros(n + 1, np.int64)
    for t in range(groups.shape[0]):
        for a in range(groups.shape[1]):
            starts[groups[t, a] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    rows = np.empty(starts[n], np.int32)
    for t in range(groups.shape[0]):
        for a in range(groups.shape[1]):
            i = groups[t, a]
            rows[fill[i]] = t
            fill[i] += 1
    return starts, rows


@_parallel
def signed_volumes(x, tets):
    """Volumes (m,) in the cube of the unit of x."""
    out = np.empty(tets.shape[0])
    for t in numba.prange(tets.shape[0]):
        o, a, b, c = tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
        ax, ay, az = x[a, 0] - x[o, 0], x[a, 1] - x[o, 1], x[a, 2] - x[o, 2]
        bx, by, bz = x[b, 0] - x[o, 0], x[b, 1] - x[o, 1], x[b, 2] - x[o, 2]
        cx, cy, cz = x[c, 0] - x[o, 0], x[c, 1] - x[o, 1], x[c, 2] - x[o, 2]
        out[t] = (ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)) / 6
    return out


@njit(inline="always")
def _volume_gradients(nodes, tet, g):
    """g (4,3) = V·∇λ_a, the inward area vectors / 3 of the faces opposite each node: theory.md (8); returns V."""
    x0, x1, x2, x3 = tet[0], tet[1], tet[2], tet[3]
    ax, ay, az = nodes[x1, 0] - nodes[x0, 0], nodes[x1, 1] - nodes[x0, 1], nodes[x1, 2] - nodes[x0, 2]
    bx, by, bz = nodes[x2, 0] - nodes[x0, 0], nodes[x2, 1] - nodes[x0, 1], nodes[x2, 2] - nodes[x0, 2]
    cx, cy, cz = nodes[x3, 0] - nodes[x0, 0], nodes[x3, 1] - nodes[x0, 1], nodes[x3, 2] - nodes[x0, 2]
    g[1, 0], g[1, 1], g[1, 2] = (by * cz - bz * cy) / 6, (bz * cx - bx * cz) / 6, (bx * cy - by * cx) / 6
    g[2, 0], g[2, 1], g[2, 2] = (cy * az - cz * ay) / 6, (cz * ax - cx * az) / 6, (cx * ay - cy * ax) / 6
    g[3, 0], g[3, 1], g[3, 2] = (ay * bz - az * by) / 6, (az * bx - ax * bz) / 6, (ax * by - ay * bx) / 6
    for d in range(3):
        g[0, d] = -(g[1, d] + g[2, d] + g[3, d])
    return ax * g[1, 0] + ay * g[1, 1] + az * g[1, 2]


@njit(inline="always")
def _apply_sigma(sigma, g, out):
    """out (3,) = σ g, with sigma (1,) isotropic or (6,) = xx, xy, xz, yy, yz, zz."""
    if sigma.shape[0] == 1:
        out[0], out[1], out[2] = sigma[0] * g[0], sigma[0] * g[1], sigma[0] * g[2]
    else:
        out[0] = sigma[0] * g[0] + sigma[1] * g[1] + sigma[2] * g[2]
        out[1] = sigma[1] * g[0] + sigma[3] * g[1] + sigma[4] * g[2]
        out[2] = sigma[2] * g[0] + sigma[4] * g[1] + sigma[5] * g[2]


@_parallel
def _row_lengths(tets, starts, meeting):
    """Number of distinct nodes in the star of each node: the row lengths of K."""
    n = starts.shape[0] - 1
    longest = 0
    for i in range(n):
        longest = max(longest, starts[i + 1] - starts[i])
    lengths = np.zeros(n + 1, np.int64)
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        row = np.empty(4 * longest, np.int32)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            count = 0
            for s in range(starts[i], starts[i + 1]):
                for a in range(4):
                    j = tets[meeting[s], a]
                    p = 0
                    while p < count and row[p] != j:
                        p += 1
                    if p == count:
                        row[count] = j
                        count += 1
            lengths[i + 1] = count
    return lengths


@_parallel
def _stiffness_rows(nodes, tets, sigma, starts, meeting, indptr, indices, values):
    n = starts.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        g = np.empty((4, 3))
        flux = np.empty(3)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            begin, end = indptr[i], indptr[i]
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                volume = _volume_gradients(nodes, tets[t], g)
                own = 0
                while tets[t, own] != i:
                    own += 1
                for a in range(4):
                    _apply_sigma(sigma[t], g[a], flux)
                    k = (g[own, 0] * flux[0] + g[own, 1] * flux[1] + g[own, 2] * flux[2]) / volume
                    j = tets[t, a]
                    p = end  # insertion keeps the columns of the row sorted
                    while p > begin and indices[p - 1] > j:
                        p -= 1
                    if p > begin and indices[p - 1] == j:
                        values[p - 1] += k
                        continue
                    for q in range(end, p, -1):
                        indices[q], values[q] = indices[q - 1], values[q - 1]
                    indices[p], values[p] = j, k
                    end += 1


def stiffness(nodes, tets, sigma, starts, meeting):
    """K in CSR form (indptr, indices, values): K_ij = Σ_t ∫_t ∇λ_i·σ∇λ_j, theory.md (9).

    nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m, incidence of the tetrahedra; values in S (A/V).
    Node by node, not tetrahedron by tetrahedron: no two threads write the same entry, and the terms of an entry
    are added in the order of the tetrahedra.
    """
    indptr = np.cumsum(_row_lengths(tets, starts, meeting))
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    indices = np.empty(indptr[-1], np.int32)
    values = np.empty(indptr[-1])
    _stiffness_rows(nodes, tets, sigma, starts, meeting, indptr, indices, values)
    return indptr, indices, values


@_parallel
def load(nodes, tets, sigma, dadt, starts, meeting):
    """b (n,) in A: b_i = -Σ_t ∫_t ∇λ_i·σ ∂A/∂t, theory.md (10).

    sigma (m,1) or (m,6) S/m; dadt (m,3) V/m, the mean of ∂A/∂t over each tetrahedron.
    """
    n = starts.shape[0] - 1
    b = np.empty(n)
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        g = np.empty((4, 3))
        flux = np.empty(3)
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            total = 0.0
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                _volume_gradients(nodes, tets[t], g)
                _apply_sigma(sigma[t], dadt[t], flux)
                own = 0
                while tets[t, own] != i:
                    own += 1
                total += g[own, 0] * flux[0] + g[own, 1] * flux[1] + g[own, 2] * flux[2]
            b[i] = -total
    return b


@_parallel
def gradient(nodes, tets, phi):
    """∇φ (m,3) in V/m, constant in each P1 tetrahedron.  phi (n,) V."""
    m = tets.shape[0]
    result = np.empty((m, 3))
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        g = np.empty((4, 3))
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            volume = _volume_gradients(nodes, tets[t], g)
            for d in range(3):
                total = 0.0
                for a in range(4):
                    total += phi[tets[t, a]] * g[a, d]
                result[t, d] = total / volume
    return result


# --- grids -----------------------------------------------------------------------------------------------


@_parallel
def trilinear(x, volume, outside):
    """Values (n,) float32 of volume (nx,ny,nz) float32 at x (n,3) in voxel indices; `outside` beyond its samples."""
    nx, ny, nz = volume.shape
    values = np.empty(x.shape[0], np.float32)
    for i in numba.prange(x.shape[0]):
        a, b, c = int(np.floor(x[i, 0])), int(np.floor(x[i, 1])), int(np.floor(x[i, 2]))
        if a < 0 or b < 0 or c < 0 or a + 1 >= nx or b + 1 >= ny or c + 1 >= nz:
            values[i] = outside
            continue
        u, v, w = x[i, 0] - a, x[i, 1] - b, x[i, 2] - c
        f00 = (1 - w) * volume[a, b, c] + w * volume[a, b, c + 1]
        f01 = (1 - w) * volume[a, b + 1, c] + w * volume[a, b + 1, c + 1]
        f10 = (1 - w) * volume[a + 1, b, c] + w * volume[a + 1, b, c + 1]
        f11 = (1 - w) * volume[a + 1, b + 1, c] + w * volume[a + 1, b + 1, c + 1]
        values[i] = (1 - u) * ((1 - v) * f00 + v * f01) + u * ((1 - v) * f10 + v * f11)
    return values


@_serial
def rasterise_tets(x, tets, shape):
    """Index (nx,ny,nz) int32 of the tetrahedron at each grid point, -1 outside.  x (n,3) in grid indices."""
    owner = np.full((shape[0], shape[1], shape[2]), -1, np.int32)
    g = np.empty((4, 3))
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    for t in range(tets.shape[0]):
        for d in range(3):
            a, b, c, e = x[tets[t, 0], d], x[tets[t, 1], d], x[tets[t, 2], d], x[tets[t, 3], d]
            low[d] = max(0, int(np.ceil(min(a, b, c, e) - 1e-9)))
            high[d] = min(shape[d] - 1, int(np.floor(max(a, b, c, e) + 1e-9)))
        if low[0] > high[0] or low[1] > high[1] or low[2] > high[2]:
            continue
        volume = _volume_gradients(x, tets[t], g)
        x0 = x[tets[t, 0]]
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    if owner[i, j, k] >= 0:
                        continue
                    total = 0.0
                    inside = True
                    for a in range(1, 4):
                        weight = (g[a, 0] * (i - x0[0]) + g[a, 1] * (j - x0[1]) + g[a, 2] * (k - x0[2])) / volume
                        total += weight
                        inside = inside and weight >= -1e-9
                    if inside and total <= 1 + 1e-9:
                        owner[i, j, k] = t
    return owner


@_serial
def _locate_sorted(x, nodes, tets):
    """Index (p,) of the tetrahedron that holds each point of x (p,3), whose first coordinates ascend; -1 outside."""
    owner = np.full(x.shape[0], -1, np.int32)
    first = x[:, 0].copy()
    g = np.empty((4, 3))
    low = np.empty(3)
    high = np.empty(3)
    for t in range(tets.shape[0]):
        for d in range(3):
            a, b, c, e = nodes[tets[t, 0], d], nodes[tets[t, 1], d], nodes[tets[t, 2], d], nodes[tets[t, 3], d]
            low[d] = min(a, b, c, e)
            high[d] = max(a, b, c, e)
        p = np.searchsorted(first, low[0])
        if p == x.shape[0] or first[p] > high[0]:
            continue
        volume = _volume_gradients(nodes, tets[t], g)
        x0 = nodes[tets[t, 0]]
        while p < x.shape[0] and first[p] <= high[0]:
            y, z = x[p, 1], x[p, 2]
            if owner[p] < 0 and low[1] <= y <= high[1] and low[2] <= z <= high[2]:
                total = 0.0
                inside = True
                for a in range(1, 4):
                    dx, dy, dz = first[p] - x0[0], y - x0[1], z - x0[2]
                    weight = (g[a, 0] * dx + g[a, 1] * dy + g[a, 2] * dz) / volume
                    total += weight
                    inside = inside and weight >= -1e-9
                if inside and total <= 1 + 1e-9:
                    owner[p] = t
            p += 1
    return owner


def locate_points(x, nodes, tets):
    """Index (p,) int32 of the tetrahedron that holds each point of x (p,3); the lowest on a shared face; -1 outside."""
    order = np.argsort(x[:, 0], kind="stable")
    owner = np.empty(len(x), np.int32)
    owner[order] = _locate_sorted(np.ascontiguousarray(x[order]), nodes, tets)
    return owner
