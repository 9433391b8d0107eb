"""How far a recovered ∇φ is from that of the elements, compiled by numba; `cpu.py` passes these functions on."""

import numba
import numpy as np

from femtms.kernels.elements import six_volume_gradients
from femtms.kernels.jit import njit

_parallel = njit(parallel=True)

_ROWS = 1024  # rows per task: enough work to hide the scheduling
# Barycentric coordinates of the four points of the rule that is exact for quadratic polynomials: one, and the others.
NEAR, FAR = (5 + 3 * 5**0.5) / 20, (5 - 5**0.5) / 20


@_parallel
def _squared_changes(points, corners, dofs, potential, values, derivatives, squares):
    quadratic, curved = dofs.shape[1] == 10, derivatives.shape[1] == 9
    for task in numba.prange((len(corners) + _ROWS - 1) // _ROWS):
        g, c, on_edges = np.empty((4, 3)), np.empty(4), np.zeros(4)
        weights, x, change = np.empty(4), np.empty(3), np.empty(3)
        for t in range(task * _ROWS, min(len(corners), (task + 1) * _ROWS)):
            i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
            gradients = six_volume_gradients(points, i0, i1, i2, i3)
            for d in range(3):
                g[1, d], g[2, d], g[3, d] = (
                    gradients[d] / gradients[9],
                    gradients[3 + d] / gradients[9],
                    gradients[6 + d] / gradients[9],
                )
                g[0, d] = -(g[1, d] + g[2, d] + g[3, d])
            total = 0.0
            for q in range(4):
                for a in range(4):
                    weights[a] = NEAR if a == q else FAR
                # ∇φ = Σ_a c_a ∇λ_a of the elements; of quadratic ones, edges 01, 12, 02, 03, 13, 23
                if quadratic:
                    p01, p12, p02 = potential[dofs[t, 4]], potential[dofs[t, 5]], potential[dofs[t, 6]]
                    p03, p13, p23 = potential[dofs[t, 7]], potential[dofs[t, 8]], potential[dofs[t, 9]]
                    on_edges[0] = weights[1] * p01 + weights[2] * p02 + weights[3] * p03
                    on_edges[1] = weights[0] * p01 + weights[2] * p12 + weights[3] * p13
                    on_edges[2] = weights[0] * p02 + weights[1] * p12 + weights[3] * p23
                    on_edges[3] = weights[0] * p03 + weights[1] * p13 + weights[2] * p23
                    for a in range(4):
                        c[a] = (4 * weights[a] - 1) * potential[dofs[t, a]] + 4 * on_edges[a]
                else:
                    for a in range(4):
                        c[a] = potential[dofs[t, a]]
                for d in range(3):
                    x[d] = change[d] = 0.0
                    for a in range(4):
                        x[d] += weights[a] * points[corners[t, a], d]
                        change[d] += c[a] * g[a, d]
                for a in range(4):
                    i = corners[t, a]
                    for d in range(3):
                        change[d] -= weights[a] * values[i, d]
                        if curved:
                            for e in range(3):
                                change[d] -= weights[a] * derivatives[i, 3 * d + e] * (x[e] - points[i, e]) / 2
                total += change[0] * change[0] + change[1] * change[1] + change[2] * change[2]
            squares[t] = total / 4


def squared_changes(points, corners, dofs, potential, values, derivatives):
    """Mean (r,) over each tetrahedron of |∇φ of the elements - recovered ∇φ|² in V²/m²: theory.md (40).

    points (q,3) m and corners (r,4) of the tetrahedra; dofs (r,4) or (r,10), the unknowns of elements of order 1 or 2
    in potential (N,) V; values (q,3) V/m recovered at the points, and their derivatives (q,9) V/m², ∂_e of component d
    in column 3d + e, or (q,0) for none.  By a rule of four points, which is exact for squares of linear differences.
    """
    squares = np.empty(len(corners))
    _squared_changes(points, corners, dofs, potential, values, derivatives, squares)
    return squares
