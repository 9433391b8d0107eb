"""Which tetrahedron holds a point, or is nearest to it: one pass over the tetrahedra, with the points in a grid.

To sort a million points takes less than to sort millions of tetrahedra, and most of those meet no point at all.  Only
sampling needs it, so it exists for the CPU alone.  The tetrahedra are split into parts; each has a row of its own in
the results, from which `held_by` and `nearest_to` take the lowest tetrahedron, so they do not depend on their number.
"""

import numpy as np

from femtms.core import call, threads

_MOST_PARTS = 8  # each has two numbers for every point
ALL = -1  # in place of a tissue


def held_by(nodes, tets, tags, tag, points, grid):
    """The lowest tetrahedron (p,) int32 of tissue `tag` that holds each point, -1 where none does.

    nodes (n,3) and points (p,3) in one unit, tets (m,4), tags (m,); tag ALL for any tissue.  The points are in the
    order of the cells of a grid: grid = starts (c+1,), low (3,), high (3,), size, shape (3,), and lie from low to high.
    Points on a face are held, but for rounding.
    """
    owner = np.full((_parts(), len(points)), -1, np.int32)
    call("held_by", nodes, len(tets), tets, tags, tag, len(points), points, *grid, len(owner), owner)
    return owner[0]


def nearest_to(nodes, tets, tags, tag, points, grid, reach):
    """The tetrahedron (p,) int32 of tissue `tag` nearest to each point, -1 where all are `reach` away or more.

    Of tetrahedra that are as near the lowest; arguments as for `held_by`.  For points that no such tetrahedron holds.
    """
    shape = (_parts(), len(points))
    owner, least = np.full(shape, -1, np.int32), np.full(shape, reach * reach)
    call("nearest_to", nodes, len(tets), tets, tags, tag, len(points), points, *grid, reach, len(owner), owner, least)
    return owner[0]


def _parts():
    return min(threads(), _MOST_PARTS)


def weights_in(nodes, tets, owner, points):
    """Barycentric coordinates (p,4) of points (p,3) in the tetrahedra owner (p,), NaN where that is -1.

    Those of a point outside its tetrahedron are of the nearest point in it; none is negative, and they add up to 1.
    """
    owner, points = np.ascontiguousarray(owner, np.int32), np.ascontiguousarray(points, np.float64)
    weights = np.empty((len(points), 4))
    call("weights_in", nodes, tets, len(points), owner, points, weights)
    return weights


def points_in(nodes, tets, owner, weights):
    """The points (p,3) with barycentric coordinates weights (p,4) in tetrahedra owner (p,), all of them ≥ 0."""
    owner, weights = np.ascontiguousarray(owner, np.int32), np.ascontiguousarray(weights, np.float64)
    points = np.empty((len(owner), 3))
    call("points_in", nodes, tets, len(owner), owner, weights, points)
    return points


def field_in(nodes, tets, owner, values, dadt):
    """E (p,3) = -∂A/∂t - Σ_a c_a ∇λ_a in tetrahedra owner (p,), from values c (p,4) and dadt (p,3) V/m."""
    values, dadt = np.ascontiguousarray(values, np.float64), np.ascontiguousarray(dadt, np.float64)
    E = np.empty((len(owner), 3))
    call("field_in", nodes, tets, len(owner), np.ascontiguousarray(owner, np.int32), values, dadt, E)
    return E
