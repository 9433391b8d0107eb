"""Quadratic finite elements on tetrahedra, compiled by numba; `cpu.py` passes these functions on.

As in elements.py, each output row is computed by one thread in a fixed order, and NumPy makes the large arrays.
"""

import numba
import numpy as np

from femtms.kernels.elements import gathered, row_starts, sigma_times, six_volume_gradients, sort_row, unsigned
from femtms.kernels.jit import njit

_parallel = njit(parallel=True)

_ROWS = 1024  # rows per task: enough work to hide the scheduling
_PARTS = 16  # of the rows of K; each has two numbers for every unknown


@_parallel
def metrics(nodes, tets, sigma):
    """V ∇λ_a·σ∇λ_b (m,6) in S of the corners ab = 11, 12, 13, 22, 23, 33 of each tetrahedron: theory.md (31).

    nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m.
    """
    m = tets.shape[0]
    out = np.empty((m, 6))
    for t in numba.prange(m):
        g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(
            nodes, tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
        )
        # (6V ∇λ)·σ(6V ∇λ) / (36 V² / V)
        x, y, z = sigma_times(sigma, t, g1x, g1y, g1z)
        out[t, 0] = (x * g1x + y * g1y + z * g1z) / (6 * volume)
        out[t, 1] = (x * g2x + y * g2y + z * g2z) / (6 * volume)
        out[t, 2] = (x * g3x + y * g3y + z * g3z) / (6 * volume)
        x, y, z = sigma_times(sigma, t, g2x, g2y, g2z)
        out[t, 3] = (x * g2x + y * g2y + z * g2z) / (6 * volume)
        out[t, 4] = (x * g3x + y * g3y + z * g3z) / (6 * volume)
        x, y, z = sigma_times(sigma, t, g3x, g3y, g3z)
        out[t, 5] = (x * g3x + y * g3y + z * g3z) / (6 * volume)
    return out


@_parallel
def _rows(dofs, metric, table, starts, meeting, indptr, indices, values):
    n, each = starts.shape[0] - 1, dofs.shape[1]
    for part in numba.prange(_PARTS):
        last, place = np.full(n, -1, np.int32), np.empty(n, np.int32)
        for i in range(part * n // _PARTS, (part + 1) * n // _PARTS):
            begin, end = indptr[i], indptr[i]
            for s in range(starts[i], starts[i + 1]):
                t = meeting[s]
                own = 0
                while dofs[t, own] != i:
                    own += 1
                g0, g1, g2, g3, g4, g5 = (
                    metric[t, 0],
                    metric[t, 1],
                    metric[t, 2],
                    metric[t, 3],
                    metric[t, 4],
                    metric[t, 5],
                )
                for l in range(each):
                    c = table[own, l]
                    k = ((c[0] * g0 + c[1] * g1) + (c[2] * g2 + c[3] * g3)) + (c[4] * g4 + c[5] * g5)
                    j = dofs[t, l]
                    if last[j] != i:
                        last[j], place[j] = i, end
                        indices[end], values[end] = j, k
                        end += 1
                    else:
                        values[place[j]] += k
            sort_row(indices, values, begin, end)


def quadratic_stiffness(dofs, metric, table, starts, meeting):
    """K in CSR form (indptr, indices, values): K_ij = Σ_t Σ_ab table[k,l,ab] metric[t,ab], theory.md (31).

    dofs (m,10) int32: the unknown of each shape function; metric (m,6) S of `metrics`; table (10,10,6) of
    fem.lagrange; incidence of dofs; values in S.
    """
    unknowns, around = unsigned(dofs, meeting)
    indptr = row_starts(unknowns, starts, around)
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    _rows(unknowns, metric, table, starts, around, indptr, indices, values)
    return indptr, indices, values


@_parallel
def _currents(nodes, tets, sigma, dadt, weights, currents):
    """∫_t ∇N_k·σ ∂A/∂t (m,10) in A of the shape functions of each tetrahedron."""
    m, (points, each, _) = tets.shape[0], weights.shape
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        total = np.empty(each)
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(
                nodes, tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
            )
            total[:] = 0
            for q in range(points):
                row = points * t + q
                x, y, z = sigma_times(sigma, t, dadt[row, 0] / 6, dadt[row, 1] / 6, dadt[row, 2] / 6)
                f1, f2, f3 = g1x * x + g1y * y + g1z * z, g2x * x + g2y * y + g2z * z, g3x * x + g3y * y + g3z * z
                for k in range(each):
                    total[k] += (weights[q, k, 0] * f1 + weights[q, k, 1] * f2) + weights[q, k, 2] * f3
            for k in range(each):
                currents[t, k] = total[k]


def quadratic_load(nodes, tets, sigma, dadt, weights, dofs, starts, meeting):
    """b (n,) in A: b_i = -Σ_t ∫_t ∇N_i·σ ∂A/∂t by quadrature, theory.md (32).

    sigma (m,1) or (m,6) S/m; dadt (qm,3) V/m at the q points of each tetrahedron; weights (q,10,3): those of the
    quadrature times the gradients of the shape functions, see fem.lagrange; incidence of dofs (m,10).
    """
    currents, b = np.empty(dofs.shape), np.empty(len(starts) - 1)
    _currents(nodes, tets.view(np.uint32), sigma, dadt, weights, currents)
    unknowns, around = unsigned(dofs, meeting)
    gathered(unknowns, currents, starts, around, b)
    return b


@_parallel
def _quadratic_field(nodes, tets, dofs, dadt, phi, E):
    m = tets.shape[0]
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(
                nodes, tets[t, 0], tets[t, 1], tets[t, 2], tets[t, 3]
            )
            # edges 01, 12, 02, 03, 13, 23; Σ φ_ab (∇λ_a + ∇λ_b) with ∇λ_0 = -∇λ_1 - ∇λ_2 - ∇λ_3
            p01, p12, p02 = phi[dofs[t, 4]], phi[dofs[t, 5]], phi[dofs[t, 6]]
            p03, p13, p23 = phi[dofs[t, 7]], phi[dofs[t, 8]], phi[dofs[t, 9]]
            p1 = ((p12 - p02) + (p13 - p03)) / volume
            p2 = ((p12 - p01) + (p23 - p03)) / volume
            p3 = ((p13 - p01) + (p23 - p02)) / volume
            E[t, 0] = -dadt[t, 0] - (p1 * g1x + p2 * g2x + p3 * g3x)
            E[t, 1] = -dadt[t, 1] - (p1 * g1y + p2 * g2y + p3 * g3y)
            E[t, 2] = -dadt[t, 2] - (p1 * g1z + p2 * g2z + p3 * g3z)


def quadratic_field(nodes, tets, dofs, dadt, phi):
    """E (m,3) in V/m at the centroids: -∂A/∂t - ∇φ, with φ quadratic in each tetrahedron: theory.md (33).

    dofs (m,10) int32; dadt (m,3) V/m at the centroids, phi (n,) V.
    """
    E = np.empty((len(tets), 3))
    _quadratic_field(nodes, tets.view(np.uint32), dofs.view(np.uint32), dadt, phi, E)
    return E
