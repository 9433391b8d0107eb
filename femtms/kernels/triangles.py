"""Distances between triangles: only checks of a coil's place need them, so they exist for the CPU alone.

A tree of boxes is an implicit binary tree: box 1 holds all triangles, boxes 2i and 2i+1 are the halves of box i, and
leaf j of L is box L+j with the triangles j f/L to (j+1) f/L.  Triangles may be segments or points (corners that
coincide).  In compiled code points are tuples, which cost nothing to make, and a triangle is a tuple of three.
"""

import numpy as np

from femtms.kernels.jit import njit

_DEPTH = 64  # of the stack: the tree is at most 31 levels deep, and each level leaves one box waiting


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


@njit
def nearest_points(points, triangles, low, high):
    """The point (p,3) of all triangles that is nearest to each of points (p,3), and the distance (p,)."""
    nearest, distance = np.empty_like(points), np.empty(len(points))
    waiting = np.empty(_DEPTH, np.int64)
    for p in range(len(points)):
        foot, least, _ = nearest_foot((points[p, 0], points[p, 1], points[p, 2]), triangles, low, high, waiting)
        distance[p] = np.sqrt(least)
        nearest[p, 0], nearest[p, 1], nearest[p, 2] = foot
    return nearest, distance


@njit
def nearest_foot(x, triangles, low, high, waiting):
    """The point of all triangles that is nearest to x, the square of its distance, and its triangle.

    waiting  memory for boxes that are still to be looked at
    """
    least, best, triangle = np.inf, x, -1
    leaves = len(low) // 2
    waiting[0], count = 1, 1
    while count:
        count -= 1
        box = waiting[count]
        if _gap2(x, x, low, high, box) >= least:
            continue
        if box < leaves:
            count = _halves(x, x, low, high, box, waiting, count)
            continue
        first, last = _range(box, leaves, len(triangles))
        for t in range(first, last):
            foot = nearest_on_triangle(x, _corners(triangles, t))
            d2 = _square(_minus(x, foot))
            if d2 < least:
                least, best, triangle = d2, foot, t
    return best, least, triangle


@njit
def smooth_normal(x, reach, triangles, low, high, waiting):
    """Mean outward unit normal of the triangles around x, and how little it cancels: |mean|/mean of |.|, 0 to 1.

    Triangles count by their area and by how near their middles are: 1 - d²/reach², those beyond reach not at all.
    """
    sx, sy, sz, total = 0.0, 0.0, 0.0, 0.0
    leaves = len(low) // 2
    waiting[0], count = 1, 1
    while count:
        count -= 1
        box = waiting[count]
        if _gap2(x, x, low, high, box) >= reach * reach:
            continue
        if box < leaves:
            waiting[count], waiting[count + 1] = 2 * box, 2 * box + 1
            count += 2
            continue
        first, last = _range(box, leaves, len(triangles))
        for t in range(first, last):
            a, b, c = _corners(triangles, t)
            fade = 1 - _square(_minus(x, _middle(a, b, c))) / (reach * reach)
            if fade > 0:
                n = _cross(_minus(b, a), _minus(c, a))
                sx, sy, sz = sx + fade * n[0], sy + fade * n[1], sz + fade * n[2]
                total += fade * np.sqrt(_square(n))
    length = np.sqrt(sx * sx + sy * sy + sz * sz)
    if not length > 0:
        return (0.0, 0.0, 0.0), 0.0
    return (sx / length, sy / length, sz / length), length / total


@njit
def walk(start, along, length, step, reach, least_clear, triangles, low, high):
    """Go straight on over the triangles: the place (3,), the direction (3,) and outward normal (3,) there.

    start, along  (3,): a place on the triangles, and a direction, which is taken to their tangent plane
    length        how far to go, in steps of at most `step`; each is along the tangent and then down to the nearest
                  point, and counts as far as it leads on: bumps do not
    reach         of the mean that normals are; see `smooth_normal`, as for least_clear, below which there is none
    The fourth result is how much of the length is left: more than 0 where there was no way on.
    """
    waiting = np.empty(_DEPTH, np.int64)
    p, triangle = nearest_foot((start[0], start[1], start[2]), triangles, low, high, waiting)[::2]
    n, clear = smooth_normal(p, _wide(reach, p, triangles, triangle), triangles, low, high, waiting)
    d = _tangent((along[0], along[1], along[2]), n)
    left = length
    while left > 1e-9 * length and clear > least_clear:
        h = min(step, left)
        q, triangle = nearest_foot(_along(p, h, d), triangles, low, high, waiting)[::2]
        gone = _dot(_minus(q, p), d)
        if gone < 0.1 * h:
            break
        m, clear = smooth_normal(q, _wide(reach, q, triangles, triangle), triangles, low, high, waiting)
        # the turn that takes n to m takes d along: parallel transport
        d = _along(d, -_dot(d, m) / (1 + _dot(n, m)), (n[0] + m[0], n[1] + m[1], n[2] + m[2]))
        d = _tangent(d, m)
        p, n, left = q, m, left - gone
    return np.array(p), np.array(d), np.array(n), left


@njit
def _wide(reach, x, triangles, t):
    """The reach, or so much more that the triangle underneath counts."""
    a, b, c = _corners(triangles, t)
    return max(reach, 2 * np.sqrt(_square(_minus(x, _middle(a, b, c)))))


@njit
def _tangent(d, n):
    """The unit vector along d without its component along the unit vector n."""
    t = _along(d, -_dot(d, n), n)
    length = np.sqrt(_square(t))
    return t[0] / length, t[1] / length, t[2] / length


@njit
def least_distance(others, triangles, low, high, within):
    """Least distance between triangles `others` (g,3,3) and those of the tree, with the two points where it is.

    The first of the points is on `others`.  0 where triangles touch or cut each other.  Only what is nearer than
    `within` is looked at: if nothing is, that is the distance and the points are NaN.
    """
    least = (within * within, (np.nan, np.nan, np.nan), (np.nan, np.nan, np.nan))  # squared
    waiting = np.empty(_DEPTH, np.int64)
    leaves = len(low) // 2
    # the middles of `others` alone first: a good bound spares most of the work
    for only_middle in (True, False):
        for g in range(len(others)):
            a, b, c = _corners(others, g)
            if only_middle:
                a = b = c = _middle(a, b, c)
            lowest = (min(a[0], b[0], c[0]), min(a[1], b[1], c[1]), min(a[2], b[2], c[2]))
            highest = (max(a[0], b[0], c[0]), max(a[1], b[1], c[1]), max(a[2], b[2], c[2]))
            waiting[0], count = 1, 1
            while count:
                count -= 1
                box = waiting[count]
                if _gap2(lowest, highest, low, high, box) >= least[0]:
                    continue
                if box < leaves:
                    count = _halves(lowest, highest, low, high, box, waiting, count)
                    continue
                first, last = _range(box, leaves, len(triangles))
                for t in range(first, last):
                    if only_middle:
                        least = _less(least, a, nearest_on_triangle(a, _corners(triangles, t)))
                    else:
                        least = _pair((a, b, c), _corners(triangles, t), least)
    return np.sqrt(least[0]), least[1], least[2]


@njit
def _corners(triangles, t):
    x = triangles[t]
    return (x[0, 0], x[0, 1], x[0, 2]), (x[1, 0], x[1, 1], x[1, 2]), (x[2, 0], x[2, 1], x[2, 2])


@njit
def _middle(a, b, c):
    return (a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3, (a[2] + b[2] + c[2]) / 3


@njit
def _range(box, leaves, count):
    """First and past-the-last triangle of a leaf."""
    j = box - leaves
    return j * count // leaves, (j + 1) * count // leaves


@njit
def _halves(lowest, highest, low, high, box, waiting, count):
    """Put both halves of a box on the stack, the nearer one on top; the new height of the stack."""
    a, b = 2 * box, 2 * box + 1
    if _gap2(lowest, highest, low, high, a) < _gap2(lowest, highest, low, high, b):
        a, b = b, a
    waiting[count], waiting[count + 1] = a, b
    return count + 2


@njit
def _gap2(lowest, highest, low, high, box):
    """Squared distance between the box from `lowest` to `highest` and one of the tree."""
    x = max(low[box, 0] - highest[0], lowest[0] - high[box, 0], 0.0)
    y = max(low[box, 1] - highest[1], lowest[1] - high[box, 1], 0.0)
    z = max(low[box, 2] - highest[2], lowest[2] - high[box, 2], 0.0)
    return x * x + y * y + z * z


@njit
def _less(least, p, q):
    """The nearer of two pairs of points with the square of their distance: `least`, or p and q."""
    d2 = _square(_minus(p, q))
    return (d2, p, q) if d2 < least[0] else least


@njit
def _pair(s, t, least):
    """The nearest points of two triangles, or `least` where that is nearer.

    Two triangles that do not cut each other are nearest in a corner of one, or between two edges.
    """
    for i in range(3):
        least = _less(least, s[i], nearest_on_triangle(s[i], t))
        least = _less(least, nearest_on_triangle(t[i], s), t[i])
        for j in range(3):
            d, e = _minus(s[(i + 1) % 3], s[i]), _minus(t[(j + 1) % 3], t[j])
            u, v = _between_segments(s[i], d, t[j], e)
            least = _less(least, _along(s[i], u, d), _along(t[j], v, e))
    for i in range(3):
        cuts, x = _cut(s[i], s[(i + 1) % 3], t)
        least = _less(least, x, x) if cuts else least
        cuts, x = _cut(t[i], t[(i + 1) % 3], s)
        least = _less(least, x, x) if cuts else least
    return least


@njit
def _cut(p, q, t):
    """Whether the segment from p to q goes through triangle t, and where."""
    e, f = _minus(t[1], t[0]), _minus(t[2], t[0])
    n = _cross(e, f)
    a, b = _dot(n, _minus(p, t[0])), _dot(n, _minus(q, t[0]))
    if not a * b < 0:  # what touches without going through is left to the distances
        return False, p
    x = _along(p, a / (a - b), _minus(q, p))
    v, w = _barycentric(_minus(x, t[0]), e, f, n, _square(n))
    return min(v, w) >= 0 and v + w <= 1, x


@njit
def _barycentric(r, e, f, n, n2):
    """v, w of the foot v e + w f of r on the plane of e and f, with n = e × f and n2 = n·n."""
    return _dot(_cross(r, f), n) / n2, _dot(_cross(e, r), n) / n2


@njit
def nearest_on_triangle(x, t):
    """The point of triangle t that is nearest to x: its foot on the plane if that is inside, else on an edge."""
    e, f = _minus(t[1], t[0]), _minus(t[2], t[0])
    n = _cross(e, f)
    n2 = _square(n)
    if n2 > 0:
        v, w = _barycentric(_minus(x, t[0]), e, f, n, n2)
        if min(v, w) >= 0 and v + w <= 1:
            return _along(_along(t[0], v, e), w, f)
    nearest, least = t[0], np.inf
    for i in range(3):
        edge = _minus(t[(i + 1) % 3], t[i])
        length2 = _square(edge)
        share = min(max(_dot(_minus(x, t[i]), edge) / length2, 0.0), 1.0) if length2 > 0 else 0.0
        foot = _along(t[i], share, edge)
        d2 = _square(_minus(x, foot))
        if d2 < least:
            nearest, least = foot, d2
    return nearest


@njit
def _between_segments(p, d, q, e):
    """Where u, v in [0,1] on segments p + u d and q + v e come nearest to each other.

    The squared distance is a convex parabola in u and v: its least value on the square is inside, where both
    derivatives vanish, or follows from clipping one of them and solving for the other.
    """
    r = _minus(p, q)
    a, b, c = _square(d), _dot(d, e), _square(e)
    g, h = _dot(d, r), _dot(e, r)
    det = a * c - b * b
    # parallel segments, and points: any u will do first, as v and then u follow from it
    u = min(max((b * h - c * g) / det, 0.0), 1.0) if det > 1e-14 * a * c else 0.0
    v = min(max((b * u + h) / c, 0.0), 1.0) if c > 0 else 0.0
    u = min(max((b * v - g) / a, 0.0), 1.0) if a > 0 else 0.0
    return u, v


@njit
def _minus(a, b):
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@njit
def _along(a, s, d):
    """a + s d."""
    return a[0] + s * d[0], a[1] + s * d[1], a[2] + s * d[2]


@njit
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit
def _square(a):
    return _dot(a, a)


@njit
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
