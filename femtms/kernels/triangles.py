"""Distances between triangles: only checks of a coil's place need them, so they exist for the CPU alone.

A tree of boxes is an implicit binary tree: box 1 holds all triangles, boxes 2i and 2i+1 are the halves of box i, and
leaf j of L is box L+j with the triangles j f/L to (j+1) f/L.  Triangles may be segments or points (corners that
coincide).
"""

import numpy as np

from femtms.core import call


def boxes(triangles, leaves):
    """Lowest and highest corners (2L,3) of the tree's boxes for triangles (f,3,3) in order; L leaves, a power of 2."""
    low, high = np.empty((2 * leaves, 3)), np.empty((2 * leaves, 3))
    starts = np.arange(leaves) * len(triangles) // leaves
    low[leaves:] = np.minimum.reduceat(triangles.min(axis=1), starts)
    high[leaves:] = np.maximum.reduceat(triangles.max(axis=1), starts)
    while leaves > 1:
        leaves //= 2
        low[leaves : 2 * leaves] = low[2 * leaves : 4 * leaves].reshape(-1, 2, 3).min(axis=1)
        high[leaves : 2 * leaves] = high[2 * leaves : 4 * leaves].reshape(-1, 2, 3).max(axis=1)
    return low, high


def nearest_points(points, triangles, low, high):
    """The point (p,3) of all triangles that is nearest to each of points (p,3), and the distance (p,)."""
    nearest, distance = np.empty_like(points), np.empty(len(points))
    tree = len(triangles), triangles, len(low), low, high
    call("nearest_points", len(points), points, *tree, nearest, distance)
    return nearest, distance


def walk(start, along, length, step, reach, least_clear, triangles, low, high):
    """Go straight on over the triangles: the place (3,), the direction (3,) and outward normal (3,) there.

    start, along  (3,): a place on the triangles, and a direction, which is taken to their tangent plane
    length        how far to go, in steps of at most `step`; each is along the tangent and then down to the nearest
                  point, and counts as far as it leads on: bumps do not
    reach         of the mean that normals are: of the triangles whose middles are so near
    least_clear   how much of the mean must be left after it cancels, 0 to 1, or else there is no normal
    The fourth result is how much of the length is left: more than 0 where there was no way on.
    """
    start, along = (np.ascontiguousarray(x, np.float64) for x in (start, along))
    place, direction, outward, left = np.empty(3), np.empty(3), np.empty(3), np.empty(1)
    tree = len(triangles), triangles, len(low), low, high
    call("walk", start, along, length, step, reach, least_clear, *tree, place, direction, outward, left)
    return place, direction, outward, float(left[0])


def least_distance(others, triangles, low, high, within):
    """Least distance between triangles `others` (g,3,3) and those of the tree, with the two points where it is.

    The first of the points is on `others`.  0 where triangles touch or cut each other.  Only what is nearer than
    `within` is looked at: if nothing is, that is the distance and the points are NaN.
    """
    distance, own, other = np.empty(1), np.empty(3), np.empty(3)
    tree = len(triangles), triangles, len(low), low, high
    call("least_distance", len(others), others, *tree, within, distance, own, other)
    return float(distance[0]), own, other
