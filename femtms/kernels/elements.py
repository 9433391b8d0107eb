"""Linear finite elements on tetrahedra, compiled by numba; `cpu.py` passes these functions on.

Each output row is computed by one thread in a fixed order, so results do not depend on the number of threads.
Large arrays are made by NumPy, outside of the compiled loops: it asks the system for large pages, which numba does not,
and fresh small ones cost as much as the work.
"""

import numba
import numpy as np

from femtms.kernels.jit import njit

_serial = njit()
_parallel = njit(parallel=True)

_ROWS = 1024  # rows per task: enough work to hide the scheduling
_PARTS = 16  # of the rows of K; each has two numbers for every node


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


@_serial
def six_volume_gradients(nodes, i0, i1, i2, i3):
    """6V∇λ of the corners 1, 2 and 3 (that of corner 0 is minus their sum), and 6V: theory.md (8).

    As ten numbers and not as arrays, which would not stay in registers.
    """
    ax, ay, az = nodes[i1, 0] - nodes[i0, 0], nodes[i1, 1] - nodes[i0, 1], nodes[i1, 2] - nodes[i0, 2]
    bx, by, bz = nodes[i2, 0] - nodes[i0, 0], nodes[i2, 1] - nodes[i0, 1], nodes[i2, 2] - nodes[i0, 2]
    cx, cy, cz = nodes[i3, 0] - nodes[i0, 0], nodes[i3, 1] - nodes[i0, 1], nodes[i3, 2] - nodes[i0, 2]
    g1x, g1y, g1z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    g2x, g2y, g2z = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    g3x, g3y, g3z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, ax * g1x + ay * g1y + az * g1z


@_serial
def sigma_times(sigma, t, x, y, z):
    """σ v in tetrahedron t, with sigma (m,1) isotropic or (m,6) = xx, xy, xz, yy, yz, zz."""
    if sigma.shape[1] == 1:
        s = sigma[t, 0]
        return s * x, s * y, s * z
    xx, xy, xz, yy, yz, zz = sigma[t, 0], sigma[t, 1], sigma[t, 2], sigma[t, 3], sigma[t, 4], sigma[t, 5]
    return xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z


@_parallel
def _row_lengths(dofs, starts, meeting, lengths):
    """Number of distinct unknowns in the star of each unknown i, in lengths[i+1]: the row lengths of K."""
    n, each = starts.shape[0] - 1, dofs.shape[1]
    for part in numba.prange(_PARTS):
        last = np.full(n, -1, np.int32)  # the last row that had an entry in this column
        for i in range(part * n // _PARTS, (part + 1) * n // _PARTS):
            count = 0
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                for a in range(each):
                    j = dofs[t, a]
                    if last[j] != i:
                        last[j] = i
                        count += 1
            lengths[i + 1] = count


def row_starts(dofs, starts, meeting):
    """Where the rows of K begin (n+1,), int32 if that is enough; dofs (m,k) and meeting as `unsigned` has them."""
    lengths = np.zeros(len(starts), np.int64)
    _row_lengths(dofs, starts, meeting, lengths)
    indptr = np.cumsum(lengths)
    return indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr


@njit(inline="always")
def sort_row(indices, values, begin, end):
    """The entries of one row with their columns in ascending order."""
    for p in range(begin + 1, end):
        j, k, q = indices[p], values[p], p
        while q > begin and indices[q - 1] > j:
            indices[q], values[q] = indices[q - 1], values[q - 1]
            q -= 1
        indices[q], values[q] = j, k


@_parallel
def _stiffness_rows(nodes, tets, sigma, starts, meeting, indptr, indices, values):
    n = starts.shape[0] - 1
    for part in numba.prange(_PARTS):
        last, place = np.full(n, -1, np.int32), np.empty(n, np.int32)
        for i in range(part * n // _PARTS, (part + 1) * n // _PARTS):
            begin, end = indptr[i], indptr[i]
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                i0, i1, i2, i3 = tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
                g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(nodes, i0, i1, i2, i3)
                g0x, g0y, g0z = -(g1x + g2x + g3x), -(g1y + g2y + g3y), -(g1z + g2z + g3z)
                if i0 == i:
                    x, y, z = g0x, g0y, g0z
                elif i1 == i:
                    x, y, z = g1x, g1y, g1z
                elif i2 == i:
                    x, y, z = g2x, g2y, g2z
                else:
                    x, y, z = g3x, g3y, g3z
                x, y, z = sigma_times(sigma, t, x, y, z)
                for a in range(4):
                    if a == 0:
                        j, k = i0, x * g0x + y * g0y + z * g0z
                    elif a == 1:
                        j, k = i1, x * g1x + y * g1y + z * g1z
                    elif a == 2:
                        j, k = i2, x * g2x + y * g2y + z * g2z
                    else:
                        j, k = i3, x * g3x + y * g3y + z * g3z
                    if last[j] != i:
                        last[j], place[j] = i, end
                        indices[end], values[end] = j, k / (6 * volume)
                        end += 1
                    else:
                        values[place[j]] += k / (6 * volume)
            sort_row(indices, values, begin, end)


def unsigned(tets, meeting):
    """The same indices as types that spare a test for negative ones."""
    return tets.view(np.uint32), meeting.view(np.uint32)


def stiffness(nodes, tets, sigma, starts, meeting):
    """K in CSR form (indptr, indices, values): K_ij = Σ_t ∫_t ∇λ_i·σ∇λ_j, theory.md (9).

    nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m, incidence of the tetrahedra; values in S (A/V).
    Node by node, not tetrahedron by tetrahedron: no two threads write the same entry, and the terms of an entry
    are added in the order of the tetrahedra.
    """
    corners, around = unsigned(tets, meeting)
    indptr = row_starts(corners, starts, around)
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    _stiffness_rows(nodes, corners, sigma, starts, around, indptr, indices, values)
    return indptr, indices, values


@_parallel
def _corner_currents(nodes, tets, sigma, dadt, currents):
    """∫_t ∇λ_a·σ ∂A/∂t (m,4) in A of the corners a of each tetrahedron."""
    m = tets.shape[0]
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(
                nodes, tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
            )
            x, y, z = sigma_times(sigma, t, dadt[t, 0] / 6, dadt[t, 1] / 6, dadt[t, 2] / 6)
            c1 = g1x * x + g1y * y + g1z * z
            c2 = g2x * x + g2y * y + g2z * z
            c3 = g3x * x + g3y * y + g3z * z
            currents[t, 0], currents[t, 1], currents[t, 2], currents[t, 3] = -(c1 + c2 + c3), c1, c2, c3


@_parallel
def gathered(dofs, currents, starts, meeting, b):
    """b_i = minus the sum of the currents (m,k) into unknown i of dofs (m,k), in the order of the tetrahedra."""
    n = starts.shape[0] - 1
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            total = 0.0
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                own = 0
                while dofs[t, own] != i:
                    own += 1
                total += currents[t, own]
            b[i] = -total


def load(nodes, tets, sigma, dadt, starts, meeting):
    """b (n,) in A: b_i = -Σ_t ∫_t ∇λ_i·σ ∂A/∂t, theory.md (10).

    sigma (m,1) or (m,6) S/m; dadt (m,3) V/m, the mean of ∂A/∂t over each tetrahedron.
    """
    corners, around = unsigned(tets, meeting)
    currents, b = np.empty((len(tets), 4)), np.empty(len(starts) - 1)
    _corner_currents(nodes, corners, sigma, dadt, currents)
    gathered(corners, currents, starts, around, b)
    return b


@_parallel
def _electric_field(nodes, tets, dadt, phi, E):
    m = tets.shape[0]
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            i0, i1, i2, i3 = tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
            g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(nodes, i0, i1, i2, i3)
            # the ∇λ add up to zero: only differences of φ count
            p1, p2, p3 = (phi[i1] - phi[i0]) / volume, (phi[i2] - phi[i0]) / volume, (phi[i3] - phi[i0]) / volume
            E[t, 0] = -dadt[t, 0] - (p1 * g1x + p2 * g2x + p3 * g3x)
            E[t, 1] = -dadt[t, 1] - (p1 * g1y + p2 * g2y + p3 * g3y)
            E[t, 2] = -dadt[t, 2] - (p1 * g1z + p2 * g2z + p3 * g3z)


def electric_field(nodes, tets, dadt, phi):
    """E (m,3) in V/m: -∂A/∂t - ∇φ, with ∇φ constant in each P1 tetrahedron: theory.md (12).

    dadt (m,3) V/m at the centroids, phi (n,) V.
    """
    E = np.empty((len(tets), 3))
    _electric_field(nodes, tets.view(np.uint32), dadt, phi, E)
    return E
