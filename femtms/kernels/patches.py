"""Least-squares fits of ∇φ over the tetrahedra around each node, as rows of a sparse matrix: theory.md (36)-(39).

Set-up, done once for a head, so it exists for the CPU alone.  Each node is done by one thread in a fixed order.

A patch is the list of tetrahedra around a node.  What is fitted are vector fields f_p(x) = F_p ξ, given as `fields`
(p,3,10), with the monomials ξ = (1, x, y, z, x², y², z², xy, xz, yz) of the distance from the node in units of the
patch's size h.  The products of two of them need only the moments Σ w ξξᵀ (10,10) of the patch, with the points and
weights of the elements' gradients: the centroid of linear elements, and the four points of quadratic ones whose rule is
exact for products of linear fields.
"""

import numba
import numpy as np

from femtms.kernels.elements import six_volume_gradients
from femtms.kernels.jit import njit
from femtms.kernels.recovered import FAR, NEAR

_serial = njit()
_parallel = njit(parallel=True)

_PARTS = 16  # of the nodes; each has marks for every tetrahedron and unknown
_EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))  # of the unknowns 4 to 9
MONOMIALS = 10


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
def _monomials(x, y, z, out):
    """ξ (10,) at one point."""
    out[0], out[1], out[2], out[3] = 1, x, y, z
    out[4], out[5], out[6] = x * x, y * y, z * z
    out[7], out[8], out[9] = x * y, x * z, y * z


@_serial
def _at_points(x0, h, nodes, corners, t, out):
    """ξ (z,10) at the points of tetrahedron t: at its centroid, or at those of the rule with four points."""
    i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
    x = (nodes[i0, 0] + nodes[i1, 0] + nodes[i2, 0] + nodes[i3, 0]) / 4 - x0[0]
    y = (nodes[i0, 1] + nodes[i1, 1] + nodes[i2, 1] + nodes[i3, 1]) / 4 - x0[1]
    z = (nodes[i0, 2] + nodes[i1, 2] + nodes[i2, 2] + nodes[i3, 2]) / 4 - x0[2]
    if out.shape[0] == 1:
        _monomials(x / h, y / h, z / h, out[0])
        return
    for a in range(4):
        v = corners[t, a]
        own, rest = (NEAR - FAR) / h, 4 * FAR / h
        _monomials(
            own * (nodes[v, 0] - x0[0]) + rest * x,
            own * (nodes[v, 1] - x0[1]) + rest * y,
            own * (nodes[v, 2] - x0[2]) + rest * z,
            out[a],
        )


@_serial
def _moments(x0, h, nodes, corners, patch, count, xi, out):
    """Σ w ξξᵀ (10,10) over a patch, in the unit of volume."""
    out[:] = 0
    points = xi.shape[0]
    for i in range(count):
        t = patch[i]
        volume = six_volume_gradients(nodes, corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3])[9] / 6
        _at_points(x0, h, nodes, corners, t, xi)
        for p in range(MONOMIALS):
            for q in range(p + 1):
                product = 0.0
                for a in range(points):
                    product += xi[a, p] * xi[a, q]
                out[p, q] += volume / points * product
    for p in range(MONOMIALS):
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
                for i in range(MONOMIALS):
                    if fields[p, d, i] != 0:
                        for j in range(MONOMIALS):
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
    """out (wanted,3,10) = Σ_p (G⁻¹)_kp F_p: fields whose products with ∇φ over the patch are the coefficients."""
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
                for i in range(MONOMIALS):
                    out[k, d, i] += y[p] * scale[p] * fields[p, d, i]


@_serial
def _add_linear(u, x0, h, nodes, corners, t, place, dofs, xi, row):
    """row += Σ over the unknowns of tetrahedron t: w u(x_t)·∇λ_a, at the centroid."""
    i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
    g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(nodes, i0, i1, i2, i3)
    _at_points(x0, h, nodes, corners, t, xi)
    for k in range(u.shape[0]):
        ux, uy, uz = 0.0, 0.0, 0.0
        for i in range(MONOMIALS):
            ux += u[k, 0, i] * xi[0, i] / 6  # V ∇λ = (6V∇λ)/6
            uy += u[k, 1, i] * xi[0, i] / 6
            uz += u[k, 2, i] * xi[0, i] / 6
        c1 = ux * g1x + uy * g1y + uz * g1z
        c2 = ux * g2x + uy * g2y + uz * g2z
        c3 = ux * g3x + uy * g3y + uz * g3z
        row[k, place[dofs[t, 0]]] -= c1 + c2 + c3
        row[k, place[dofs[t, 1]]] += c1
        row[k, place[dofs[t, 2]]] += c2
        row[k, place[dofs[t, 3]]] += c3


@_serial
def _add_quadratic(u, x0, h, nodes, corners, t, place, dofs, xi, slope, U, row):
    """row += Σ_q w u(x_q)·∇φ_b(x_q) over tetrahedron t for its unknowns b.

    As ∇φ_b is linear, the sum is Σ_c U_c·∇φ_b(x_c) over the corners, U_c = Σ_q w λ_c(x_q) u(x_q), and there
    ∇φ_a = (4λ_a - 1)∇λ_a of the corners, ∇φ_ab = 4(λ_a∇λ_b + λ_b∇λ_a) of the edges.
    """
    i0, i1, i2, i3 = corners[t, 0], corners[t, 1], corners[t, 2], corners[t, 3]
    g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, _ = six_volume_gradients(nodes, i0, i1, i2, i3)
    slope[1, 0], slope[1, 1], slope[1, 2] = g1x, g1y, g1z
    slope[2, 0], slope[2, 1], slope[2, 2] = g2x, g2y, g2z
    slope[3, 0], slope[3, 1], slope[3, 2] = g3x, g3y, g3z
    for d in range(3):
        slope[0, d] = -(slope[1, d] + slope[2, d] + slope[3, d])
    _at_points(x0, h, nodes, corners, t, xi)
    for k in range(u.shape[0]):
        for d in range(3):
            total = 0.0
            for c in range(4):
                value = 0.0
                for i in range(MONOMIALS):
                    value += u[k, d, i] * xi[c, i]
                U[c, d] = (NEAR - FAR) * value / 24  # V ∇λ/4 = (6V∇λ)/24
                total += FAR * value / 24
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
def _plan(nodes, corners, dofs, unknowns, starts, meeting, fields, steps, least, rings, fitted, lengths):
    """How many rings each node's patch has, how many fields are fitted there, and how many unknowns it reaches."""
    q, points = nodes.shape[0], 4 if dofs.shape[1] == 10 else 1
    for part in numba.prange(_PARTS):
        seen, reached = np.full(len(corners), -1, np.int32), np.full(unknowns, -1, np.int32)
        patch = np.empty(len(corners), np.int32)
        xi, moments = np.empty((points, MONOMIALS)), np.empty((MONOMIALS, MONOMIALS))
        L, scale = np.empty((len(fields), len(fields))), np.empty(len(fields))
        for i in range(part * q // _PARTS, (part + 1) * q // _PARTS):
            count, before = 0, 0
            rings[i], fitted[i] = 1, 3
            for ring in range(1, 3):
                before, count = count, _patch(i, ring, corners, starts, meeting, seen, 2 * i + ring - 1, patch)
                if count == before:
                    break  # a crumb has no more tetrahedra
                h = _reach(nodes[i], nodes, corners, patch, count)
                _moments(nodes[i], h, nodes, corners, patch, count, xi, moments)
                for number in steps:
                    if _factorised(fields[:number], moments, least, L, scale):
                        rings[i], fitted[i] = ring, number
                        break
                if fitted[i] > 3:
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
def _fill(nodes, corners, dofs, unknowns, starts, meeting, fields, wanted, rings, fitted, begins, indices, values):
    q, quadratic = nodes.shape[0], dofs.shape[1] == 10
    for part in numba.prange(_PARTS):
        seen, reached = np.full(len(corners), -1, np.int32), np.full(len(unknowns), -1, np.int32)
        place, patch = np.empty(len(unknowns), np.int32), np.empty(len(corners), np.int32)
        xi, moments = np.empty((4 if quadratic else 1, MONOMIALS)), np.empty((MONOMIALS, MONOMIALS))
        slope, U = np.empty((4, 3)), np.empty((4, 3))
        L, scale, y = np.empty((len(fields), len(fields))), np.empty(len(fields)), np.empty(len(fields))
        dual = np.empty((wanted, 3, MONOMIALS))
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
            _moments(nodes[i], h, nodes, corners, patch, count, xi, moments)
            some = fields[: fitted[i]]  # the first three are constant: alone they fit the mean
            _factorised(some, moments, 0.0, L, scale)
            _duals(some, L, scale, min(wanted, len(some)), y, dual)
            rows[:] = 0
            for j in range(count):
                if quadratic:
                    _add_quadratic(dual, nodes[i], h, nodes, corners, patch[j], place, dofs, xi, slope, U, rows)
                else:
                    _add_linear(dual, nodes[i], h, nodes, corners, patch[j], place, dofs, xi, rows)
            rows[3:] /= h  # from the patch's unit of length to metres


def fitted_rows(nodes, corners, dofs, unknowns, starts, meeting, fields, steps, wanted, least):
    """The fit's first coefficients as rows of a matrix in CSR form: (indptr, indices, values, fitted).

    nodes      (q,3) m of one tissue; corners (r,4) of its tetrahedra; starts and meeting, their incidence
    unknowns   (u,) columns of the matrix, ascending; dofs (r,4) or (r,10), which of them the tetrahedra have
    fields     (p,3,10) that are fitted, the three constant ones first, then those of first degree
    steps      how many of them are tried, descending: the first number whose smallest pivot is at least `least`, with
               the tetrahedra at the node, then with those around them, too; if none is, the constant ones
    wanted     how many coefficients are returned: of the fields in V/m and, for slopes, V/m²

    Node i has the rows wanted*i up to wanted*(i+1), with the same columns; fitted (q,) is the number of fields there.
    """
    q = len(nodes)
    rings, fitted, lengths = np.empty(q, np.int8), np.empty(q, np.int8), np.empty(q, np.int64)
    steps = np.array(steps, np.int64)
    _plan(nodes, corners, dofs, len(unknowns), starts, meeting, fields, steps, least, rings, fitted, lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    indptr = np.concatenate([[0], np.cumsum(np.repeat(lengths, wanted))])
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    _fill(nodes, corners, dofs, unknowns, starts, meeting, fields, wanted, rings, fitted, begins, indices, values)
    return indptr, indices, values, fitted
