"""Least-squares fits of ∇φ over the tetrahedra around each node, as rows of a sparse matrix: theory.md (36)-(39).

Set-up, done once for a head, so it exists for the CPU alone.  Each node is done by one thread in a fixed order.

A patch is the list of tetrahedra around a node.  What is fitted are linear vector fields f_p(x) = F_p ξ with
ξ = (1, (x - x₀)/h), given as `fields` (p,3,4).  The products of two of them need only the moments Σ w ξξᵀ (4,4) of the
patch, with the points and weights of the elements' gradients: centroids for linear elements; for quadratic ones
∇φ is linear, and the integrals over tetrahedra are exact.
"""

import numba
import numpy as np

from femtms.kernels.elements import six_volume_gradients
from femtms.kernels.jit import njit

_serial = njit()
_parallel = njit(parallel=True)

_PARTS = 16  # of the nodes; each has marks for every tetrahedron and unknown
_EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))  # of the unknowns 4 to 9
MEAN, FITTED = 0, 1  # what came of a node: the mean of the raw ∇φ, or all fields


@_serial
def _patch(node, rings, corners, starts, meeting, seen, mark, out):
    """Number of tetrahedra around a node, listed in `out`; `seen` has the mark of those that are."""
    count = 0
    for s in range(starts[node], starts[node + 1]):
        t = meeting[s]
        seen[t] = mark
        out[count] = t
        count += 1
    begin = 0
    for _ in range(1, rings):
        end = count
        for i in range(begin, end):
            for a in range(4):
                v = corners[out[i], a]
                for s in range(starts[v], starts[v + 1]):
                    t = meeting[s]
                    if seen[t] != mark:
                        seen[t] = mark
                        out[count] = t
                        count += 1
        begin = end
    return count


@_serial
def _moments(x0, h, nodes, corners, quadratic, patch, count, xi, out):
    """Σ w ξξᵀ (4,4) over a patch, in the unit of volume."""
    out[:] = 0
    for i in range(count):
        t = patch[i]
        i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
        volume = six_volume_gradients(nodes, i0, i1, i2, i3)[9] / 6
        xi[4, 0] = 1
        for d in range(3):
            xi[4, 1 + d] = 0
            for a in range(4):
                xi[a, 1 + d] = (nodes[corners[t, a], d] - x0[d]) / h
                xi[4, 1 + d] += xi[a, 1 + d] / 4
        for p in range(4):
            for q in range(p + 1):
                product = 16 * xi[4, p] * xi[4, q]
                if quadratic:  # ∫ ξξᵀ = V/20 (Σ_a ξ_a ξ_aᵀ + 16 ξ_c ξ_cᵀ), exact
                    for a in range(4):
                        product += xi[a, p] * xi[a, q]
                    out[p, q] += volume / 20 * product
                else:  # at the centroid, where ∇φ of linear elements is best
                    out[p, q] += volume / 16 * product
    for p in range(4):
        for q in range(p):
            out[q, p] = out[p, q]


@_serial
def _factorised(fields, moments, least, L, scale):
    """Whether the Gram matrix of the fields is regular; then L is the Cholesky factor after scaling to a unit diagonal.

    A pivot is the part of a field that those before it do not explain.
    """
    m = fields.shape[0]
    for p in range(m):
        for q in range(p + 1):
            total = 0.0
            for d in range(3):
                for i in range(4):
                    if fields[p, d, i] != 0:
                        for j in range(4):
                            total += fields[p, d, i] * moments[i, j] * fields[q, d, j]
            L[p, q] = total
    for p in range(m):
        if not L[p, p] > 0:
            return False
        scale[p] = 1 / np.sqrt(L[p, p])
    for p in range(m):
        for q in range(p + 1):
            total = L[p, q] * scale[p] * scale[q]
            for k in range(q):
                total -= L[p, k] * L[q, k]
            if p > q:
                L[p, q] = total / L[q, q]
            elif total < least:
                return False
            else:
                L[p, p] = np.sqrt(total)
    return True


@_serial
def _duals(fields, L, scale, wanted, y, out):
    """out (wanted,3,4) = Σ_p (G⁻¹)_kp F_p: fields whose products with ∇φ over the patch are the coefficients."""
    m = fields.shape[0]
    out[:] = 0
    for k in range(wanted):
        for p in range(m):
            total = scale[p] if p == k else 0.0
            for q in range(p):
                total -= L[p, q] * y[q]
            y[p] = total / L[p, p]
        for p in range(m - 1, -1, -1):
            total = y[p]
            for q in range(p + 1, m):
                total -= L[q, p] * y[q]
            y[p] = total / L[p, p]
        for p in range(m):
            for d in range(3):
                for i in range(4):
                    out[k, d, i] += y[p] * scale[p] * fields[p, d, i]


@_serial
def _add_linear(u, x0, h, nodes, corners, t, place, dofs, row):
    """row += Σ over the unknowns of tetrahedron t: w u(x_t)·∇λ_a, at the centroid."""
    i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
    g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(nodes, i0, i1, i2, i3)
    x = (nodes[i0, 0] + nodes[i1, 0] + nodes[i2, 0] + nodes[i3, 0]) / 4 - x0[0]
    y = (nodes[i0, 1] + nodes[i1, 1] + nodes[i2, 1] + nodes[i3, 1]) / 4 - x0[1]
    z = (nodes[i0, 2] + nodes[i1, 2] + nodes[i2, 2] + nodes[i3, 2]) / 4 - x0[2]
    for k in range(u.shape[0]):
        # V ∇λ = (6V∇λ) / 6
        ux = (u[k, 0, 0] + (u[k, 0, 1] * x + u[k, 0, 2] * y + u[k, 0, 3] * z) / h) / 6
        uy = (u[k, 1, 0] + (u[k, 1, 1] * x + u[k, 1, 2] * y + u[k, 1, 3] * z) / h) / 6
        uz = (u[k, 2, 0] + (u[k, 2, 1] * x + u[k, 2, 2] * y + u[k, 2, 3] * z) / h) / 6
        c1 = ux * g1x + uy * g1y + uz * g1z
        c2 = ux * g2x + uy * g2y + uz * g2z
        c3 = ux * g3x + uy * g3y + uz * g3z
        row[k, place[dofs[t, 0]]] -= c1 + c2 + c3
        row[k, place[dofs[t, 1]]] += c1
        row[k, place[dofs[t, 2]]] += c2
        row[k, place[dofs[t, 3]]] += c3


@_serial
def _add_quadratic(u, x0, h, nodes, corners, t, place, dofs, xi, slope, U, row):
    """row += ∫ u·∇φ_b over tetrahedron t for its unknowns b, exact.

    With ∫ u·v = Σ_c U_c·v(x_c), U_c = V/20 (u(x_c) + Σ_a u(x_a)), for linear u and v, and
    ∇φ_a = (4λ_a - 1)∇λ_a at the corners, ∇φ_ab = 4(λ_a∇λ_b + λ_b∇λ_a) at the edges.
    """
    i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
    g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(nodes, i0, i1, i2, i3)
    slope[1, 0], slope[1, 1], slope[1, 2] = g1x, g1y, g1z
    slope[2, 0], slope[2, 1], slope[2, 2] = g2x, g2y, g2z
    slope[3, 0], slope[3, 1], slope[3, 2] = g3x, g3y, g3z
    for d in range(3):
        slope[0, d] = -(slope[1, d] + slope[2, d] + slope[3, d])
        for a in range(4):
            xi[a, 1 + d] = (nodes[corners[t, a], d] - x0[d]) / h
    for k in range(u.shape[0]):
        for d in range(3):
            total = 0.0
            for c in range(4):
                value = u[k, d, 0] + u[k, d, 1] * xi[c, 1] + u[k, d, 2] * xi[c, 2] + u[k, d, 3] * xi[c, 3]
                U[c, d] = value / 120  # V ∇λ/20 = (6V∇λ)/120
                total += value / 120
            for c in range(4):
                U[c, d] += total
        for a in range(4):
            whole = 0.0
            for d in range(3):
                whole += slope[a, d] * (4 * U[a, d] - (U[0, d] + U[1, d] + U[2, d] + U[3, d]))
            row[k, place[dofs[t, a]]] += whole
        for e in range(6):
            a, b = _EDGES[e]
            whole = 0.0
            for d in range(3):
                whole += slope[a, d] * U[b, d] + slope[b, d] * U[a, d]
            row[k, place[dofs[t, 4 + e]]] += 4 * whole


@_serial
def _reach(x0, nodes, corners, patch, count):
    """The largest distance of a node of the patch from its middle."""
    largest = 0.0
    for i in range(count):
        for a in range(4):
            v = corners[patch[i], a]
            largest = max(largest, (nodes[v, 0] - x0[0]) ** 2 + (nodes[v, 1] - x0[1]) ** 2 + (nodes[v, 2] - x0[2]) ** 2)
    return np.sqrt(largest)


@_parallel
def _plan(nodes, corners, dofs, unknowns, starts, meeting, fields, most_rings, least, rings, outcome, lengths):
    """How many rings each node's patch has, what can be fitted there, and how many unknowns it reaches."""
    q, quadratic = nodes.shape[0], dofs.shape[1] == 10
    for part in numba.prange(_PARTS):
        seen, reached = np.full(len(corners), -1, np.int32), np.full(unknowns, -1, np.int32)
        patch = np.empty(len(corners), np.int32)
        xi, moments = np.ones((5, 4)), np.empty((4, 4))
        L, scale = np.empty((len(fields), len(fields))), np.empty(len(fields))
        for i in range(part * q // _PARTS, (part + 1) * q // _PARTS):
            count = 0
            rings[i], outcome[i] = 1, MEAN
            for ring in range(1, most_rings + 1):
                more = _patch(i, ring, corners, starts, meeting, seen, i * most_rings + ring, patch)
                if more == count:
                    break  # a crumb has no more tetrahedra
                count = more
                h = _reach(nodes[i], nodes, corners, patch, count)
                _moments(nodes[i], h, nodes, corners, quadratic, patch, count, xi, moments)
                if _factorised(fields, moments, least, L, scale):
                    rings[i], outcome[i] = ring, FITTED
                    break
            count = _patch(i, rings[i], corners, starts, meeting, seen, -2 - i, patch)
            length = 0
            for j in range(count):
                for b in range(dofs.shape[1]):
                    if reached[dofs[patch[j], b]] != i:
                        reached[dofs[patch[j], b]] = i
                        length += 1
            lengths[i] = length


@_parallel
def _fill(nodes, corners, dofs, unknowns, starts, meeting, fields, wanted, rings, outcome, begins, indices, values):
    q, quadratic = nodes.shape[0], dofs.shape[1] == 10
    for part in numba.prange(_PARTS):
        seen, reached = np.full(len(corners), -1, np.int32), np.full(len(unknowns), -1, np.int32)
        place, patch = np.empty(len(unknowns), np.int32), np.empty(len(corners), np.int32)
        xi, moments = np.ones((5, 4)), np.empty((4, 4))
        slope, U = np.empty((4, 3)), np.empty((4, 3))
        L, scale, y = np.empty((len(fields), len(fields))), np.empty(len(fields)), np.empty(len(fields))
        dual = np.empty((wanted, 3, 4))
        for i in range(part * q // _PARTS, (part + 1) * q // _PARTS):
            count = _patch(i, rings[i], corners, starts, meeting, seen, i, patch)
            length = begins[i + 1] - begins[i]
            columns = indices[wanted * begins[i] : wanted * begins[i + 1]].reshape(wanted, length)
            rows = values[wanted * begins[i] : wanted * begins[i + 1]].reshape(wanted, length)
            found = 0
            for j in range(count):
                for b in range(dofs.shape[1]):
                    v = dofs[patch[j], b]
                    if reached[v] != i:
                        reached[v] = i
                        columns[0, found] = v
                        found += 1
            columns[0].sort()
            for p in range(length):
                place[columns[0, p]] = p
                columns[:, p] = unknowns[columns[0, p]]
            h = _reach(nodes[i], nodes, corners, patch, count)
            _moments(nodes[i], h, nodes, corners, quadratic, patch, count, xi, moments)
            # the constant fields come first: alone they fit the mean
            some = fields if outcome[i] == FITTED else fields[:3]
            _factorised(some, moments, 0.0, L, scale)
            _duals(some, L, scale, min(wanted, len(some)), y, dual)
            rows[:] = 0
            for j in range(count):
                if quadratic:
                    _add_quadratic(dual, nodes[i], h, nodes, corners, patch[j], place, dofs, xi, slope, U, rows)
                else:
                    _add_linear(dual, nodes[i], h, nodes, corners, patch[j], place, dofs, rows)
            rows[3:] /= h  # from the patch's unit of length to metres


def fitted_rows(nodes, corners, dofs, unknowns, starts, meeting, fields, wanted, most_rings, least):
    """The fit's first coefficients as rows of a matrix in CSR form: (indptr, indices, values, outcome).

    nodes       (q,3) m of one tissue; corners (r,4) of its tetrahedra; starts and meeting, their incidence
    unknowns    (u,) columns of the matrix, ascending; dofs (r,4) or (r,10), which of them the tetrahedra have
    fields      (p,3,4) that are fitted, the three constant ones first
    wanted      how many coefficients are returned: of the fields in V/m and, for slopes, V/m²
    most_rings  of tetrahedra that a patch may grow to where `least`, the smallest pivot, is not reached with fewer

    Node i has the rows wanted*i up to wanted*(i+1), with the same columns; outcome (q,) is FITTED or MEAN.
    """
    q = len(nodes)
    rings, outcome, lengths = np.empty(q, np.int8), np.empty(q, np.int8), np.empty(q, np.int64)
    _plan(nodes, corners, dofs, len(unknowns), starts, meeting, fields, most_rings, least, rings, outcome, lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    indptr = np.concatenate([[0], np.cumsum(np.repeat(lengths, wanted))])
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    _fill(nodes, corners, dofs, unknowns, starts, meeting, fields, wanted, rings, outcome, begins, indices, values)
    return indptr, indices, values, outcome
