"""Which tetrahedron holds a point, or is nearest to it: one pass over the tetrahedra, with the points in a grid.

To sort a million points takes less than to sort millions of tetrahedra, and most of those meet no point at all.  Only
sampling needs it, so it exists for the CPU alone.  The tetrahedra are split into parts; each has a row of its own in
the results, from which `held_by` and `nearest_to` take the lowest tetrahedron, so they do not depend on their number.
"""

import numba
import numpy as np

from femtms.kernels.elements import six_volume_gradients
from femtms.kernels.jit import njit
from femtms.kernels.triangles import nearest_on_triangle

_MOST_PARTS = 8  # each has two numbers for every point
_ROUNDING = 1e-9  # of a barycentric coordinate
ALL = -1  # in place of a tissue


def held_by(nodes, tets, tags, tag, points, grid):
    """The lowest tetrahedron (p,) int32 of tissue `tag` that holds each point, -1 where none does.

    nodes (n,3) and points (p,3) in one unit, tets (m,4), tags (m,); tag ALL for any tissue.  The points are in the
    order of the cells of a grid: grid = starts (c+1,), low (3,), high (3,), size, shape (3,), and lie from low to high.
    Points on a face are held, but for rounding.
    """
    owner = np.full((_parts(), len(points)), -1, np.int32)
    _held_by(nodes, tets, tags, tag, points, *grid, owner)
    result = owner[0]
    for row in owner[1:]:
        result = np.where(result < 0, row, result)
    return result


def nearest_to(nodes, tets, tags, tag, points, grid, reach):
    """The tetrahedron (p,) int32 of tissue `tag` nearest to each point, -1 where all are `reach` away or more.

    Of tetrahedra that are as near the lowest; arguments as for `held_by`.  For points that no such tetrahedron holds.
    """
    shape = (_parts(), len(points))
    owner, least = np.full(shape, -1, np.int32), np.full(shape, reach * reach)
    _nearest_to(nodes, tets, tags, tag, points, *grid, reach, owner, least)
    return owner[least.argmin(axis=0), np.arange(len(points))]


def _parts():
    return min(numba.get_num_threads(), _MOST_PARTS)


@njit(inline="always")
def _box(nodes, tet):
    """The lowest and the highest coordinates of a tetrahedron, as six numbers."""
    a, b, c, d = tet[0], tet[1], tet[2], tet[3]
    return (
        min(nodes[a, 0], nodes[b, 0], nodes[c, 0], nodes[d, 0]),
        min(nodes[a, 1], nodes[b, 1], nodes[c, 1], nodes[d, 1]),
        min(nodes[a, 2], nodes[b, 2], nodes[c, 2], nodes[d, 2]),
        max(nodes[a, 0], nodes[b, 0], nodes[c, 0], nodes[d, 0]),
        max(nodes[a, 1], nodes[b, 1], nodes[c, 1], nodes[d, 1]),
        max(nodes[a, 2], nodes[b, 2], nodes[c, 2], nodes[d, 2]),
    )


@njit(inline="always")
def _cell(x, low, size, count):
    """The cell along one axis, that at the rim for what is beyond it."""
    return min(int(max(x - low, 0.0) / size), count - 1)


@njit(inline="always")
def _cells(x0, y0, z0, x1, y1, z1, low, high, size, shape):
    """First cells, and those after the last, that a box meets along each axis; none where it misses low to high.

    Cells alone do not tell that: what is beyond the grid would meet all points of those at its rim.
    """
    if x1 < low[0] or x0 > high[0] or y1 < low[1] or y0 > high[1] or z1 < low[2] or z0 > high[2]:
        return 0, 0, 0, 0, 0, 0
    return (
        _cell(x0, low[0], size, shape[0]),
        _cell(x1, low[0], size, shape[0]) + 1,
        _cell(y0, low[1], size, shape[1]),
        _cell(y1, low[1], size, shape[1]) + 1,
        _cell(z0, low[2], size, shape[2]),
        _cell(z1, low[2], size, shape[2]) + 1,
    )


@njit(parallel=True)
def _held_by(nodes, tets, tags, tag, points, starts, low, high, size, shape, owner):
    m, parts = len(tets), len(owner)
    for part in numba.prange(parts):
        for t in range(part * m // parts, (part + 1) * m // parts):
            if tag != ALL and tags[t] != tag:
                continue
            tet = tets[t]
            x0, y0, z0, x1, y1, z1 = _box(nodes, tet)
            slack = 4 * _ROUNDING * (x1 - x0 + y1 - y0 + z1 - z0)
            x0, y0, z0, x1, y1, z1 = x0 - slack, y0 - slack, z0 - slack, x1 + slack, y1 + slack, z1 + slack
            i0, i1, j0, j1, k0, k1 = _cells(x0, y0, z0, x1, y1, z1, low, high, size, shape)
            for i in range(i0, i1):
                for j in range(j0, j1):
                    row = (i * shape[1] + j) * shape[2]
                    for p in range(starts[row + k0], starts[row + k1]):
                        x, y, z = points[p, 0], points[p, 1], points[p, 2]
                        if owner[part, p] >= 0 or x < x0 or x > x1 or y < y0 or y > y1 or z < z0 or z > z1:
                            continue
                        if min(_weights(nodes, tet, x, y, z)) >= -_ROUNDING:
                            owner[part, p] = t


@njit(parallel=True)
def _nearest_to(nodes, tets, tags, tag, points, starts, low, high, size, shape, reach, owner, least):
    m, parts = len(tets), len(owner)
    for part in numba.prange(parts):
        for t in range(part * m // parts, (part + 1) * m // parts):
            if tag != ALL and tags[t] != tag:
                continue
            tet = tets[t]
            x0, y0, z0, x1, y1, z1 = _box(nodes, tet)
            i0, i1, j0, j1, k0, k1 = _cells(
                x0 - reach, y0 - reach, z0 - reach, x1 + reach, y1 + reach, z1 + reach, low, high, size, shape
            )
            for i in range(i0, i1):
                for j in range(j0, j1):
                    row = (i * shape[1] + j) * shape[2]
                    for p in range(starts[row + k0], starts[row + k1]):
                        x, y, z = points[p, 0], points[p, 1], points[p, 2]
                        a, b, c = max(x0 - x, x - x1, 0.0), max(y0 - y, y - y1, 0.0), max(z0 - z, z - z1, 0.0)
                        if a * a + b * b + c * c >= least[part, p]:
                            continue
                        d2, _ = _nearest_in(nodes, tet, (x, y, z))
                        if d2 < least[part, p]:
                            least[part, p], owner[part, p] = d2, t


@njit(inline="always")
def _weights(nodes, tet, x, y, z):
    """Barycentric coordinates of a point in a tetrahedron."""
    g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(nodes, tet[0], tet[1], tet[2], tet[3])
    x, y, z = x - nodes[tet[0], 0], y - nodes[tet[0], 1], z - nodes[tet[0], 2]
    b = (g1x * x + g1y * y + g1z * z) / volume
    c = (g2x * x + g2y * y + g2z * z) / volume
    d = (g3x * x + g3y * y + g3z * z) / volume
    return 1 - (b + c + d), b, c, d


@njit
def _nearest_in(nodes, tet, x):
    """Squared distance of a point outside a tetrahedron from it, and where on its faces that is."""
    a = (nodes[tet[0], 0], nodes[tet[0], 1], nodes[tet[0], 2])
    b = (nodes[tet[1], 0], nodes[tet[1], 1], nodes[tet[1], 2])
    c = (nodes[tet[2], 0], nodes[tet[2], 1], nodes[tet[2], 2])
    d = (nodes[tet[3], 0], nodes[tet[3], 1], nodes[tet[3], 2])
    least, at = np.inf, x
    for face in ((b, c, d), (a, d, c), (a, b, d), (a, c, b)):
        foot = nearest_on_triangle(x, face)
        d2 = (x[0] - foot[0]) ** 2 + (x[1] - foot[1]) ** 2 + (x[2] - foot[2]) ** 2
        if d2 < least:
            least, at = d2, foot
    return least, at


@njit(parallel=True)
def weights_in(nodes, tets, owner, points):
    """Barycentric coordinates (p,4) of points (p,3) in the tetrahedra owner (p,), NaN where that is -1.

    Those of a point outside its tetrahedron are of the nearest point in it; none is negative, and they add up to 1.
    """
    weights = np.full((len(points), 4), np.nan)
    for p in numba.prange(len(points)):
        if owner[p] < 0:
            continue
        tet = tets[owner[p]]
        x = (points[p, 0], points[p, 1], points[p, 2])
        w = _weights(nodes, tet, x[0], x[1], x[2])
        if min(w) < -_ROUNDING:
            _, x = _nearest_in(nodes, tet, x)
            w = _weights(nodes, tet, x[0], x[1], x[2])
        a, b, c, d = max(w[0], 0.0), max(w[1], 0.0), max(w[2], 0.0), max(w[3], 0.0)
        total = a + b + c + d
        weights[p, 0], weights[p, 1], weights[p, 2], weights[p, 3] = a / total, b / total, c / total, d / total
    return weights


@njit(parallel=True)
def points_in(nodes, tets, owner, weights):
    """The points (p,3) with barycentric coordinates weights (p,4) in tetrahedra owner (p,), all of them ≥ 0."""
    points = np.empty((len(owner), 3))
    for p in numba.prange(len(owner)):
        tet = tets[owner[p]]
        for d in range(3):
            points[p, d] = (
                weights[p, 0] * nodes[tet[0], d]
                + weights[p, 1] * nodes[tet[1], d]
                + weights[p, 2] * nodes[tet[2], d]
                + weights[p, 3] * nodes[tet[3], d]
            )
    return points


@njit(parallel=True)
def field_in(nodes, tets, owner, values, dadt):
    """E (p,3) = -∂A/∂t - Σ_a c_a ∇λ_a in tetrahedra owner (p,), from values c (p,4) and dadt (p,3) V/m."""
    E = np.empty((len(owner), 3))
    for p in numba.prange(len(owner)):
        tet = tets[owner[p]]
        g1x, g1y, g1z, g2x, g2y, g2z, g3x, g3y, g3z, volume = six_volume_gradients(
            nodes, tet[0], tet[1], tet[2], tet[3]
        )
        # the ∇λ add up to zero: only differences count
        b, c, d = values[p, 1] - values[p, 0], values[p, 2] - values[p, 0], values[p, 3] - values[p, 0]
        E[p, 0] = -dadt[p, 0] - (b * g1x + c * g2x + d * g3x) / volume
        E[p, 1] = -dadt[p, 1] - (b * g1y + c * g2y + d * g3y) / volume
        E[p, 2] = -dadt[p, 2] - (b * g1z + c * g2z + d * g3z) / volume
    return E
