"""Better shapes: nodes are moved one colour at a time, those on interfaces only along them.

The energy is Σ q² and later Σ q⁴ of the distortions around a node (`distortion.py`), lowered by Newton's method.
Nodes of one colour share no tetrahedron, so they can move at the same time, whatever the number of threads.
"""

import numba
import numpy as np

from femtms.kernels.cpu import incidence, signed_volumes
from femtms.kernels.jit import njit
from femtms.mesh.body import Body
from femtms.mesh.distortion import cross, distortion, dot, links_of, newton_step, star_derivatives, star_energy
from femtms.mesh.label_field import LabelField, balance, balance_gradient

SWEEPS = 8
_LAST = 3  # sweeps with Σ q⁴
_REGULAR = 1.15  # stars whose worst distortion is below this stay as they are
_GOOD = 4.0  # a node may go to its interface as long as no tetrahedron gets worse than this
_BAD = 5.0  # of a tetrahedron whose nodes may leave the interface in the end
_RESCUES = 4
_LEVELLED = 3  # sweeps before which the levels of the interfaces are set: more of them roughen the interfaces
_RELAX = 0.7  # of the correction, each time
_HIGHEST_LEVEL = 0.5
_GIVEN = 0.9  # of the missing volume is given back: all of it was seen to move interfaces more than it is worth
_MOST_GROWTH_MM = 0.1
_STILL_MM = 0.01
_LONGEST_STEP_MM = 0.5


@njit
def _project(field, a, b, c, level, x, y, z, steps):
    """The nearest point, by Gauss-Newton, with f_a - f_b = level; and f_a = f_c, if c >= 0, where three labels meet."""
    for _ in range(steps):
        d = balance(field, a, b, x, y, z) - level
        g = balance_gradient(field, a, b, x, y, z)
        if c < 0:
            gg = g[0] * g[0] + g[1] * g[1] + g[2] * g[2]
            if gg < 1e-4:
                break
            mx, my, mz = -d / gg * g[0], -d / gg * g[1], -d / gg * g[2]
        else:
            e = balance(field, a, c, x, y, z)
            h = balance_gradient(field, a, c, x, y, z)
            aa = g[0] * g[0] + g[1] * g[1] + g[2] * g[2]
            ab = g[0] * h[0] + g[1] * h[1] + g[2] * h[2]
            bb = h[0] * h[0] + h[1] * h[1] + h[2] * h[2]
            damping = 0.02 * (aa + bb) + 1e-6  # where the two surfaces are nearly parallel
            aa += damping
            bb += damping
            det = aa * bb - ab * ab
            s = -(bb * d - ab * e) / det
            t = -(aa * e - ab * d) / det
            mx, my, mz = s * g[0] + t * h[0], s * g[1] + t * h[1], s * g[2] + t * h[2]
        length = np.sqrt(mx * mx + my * my + mz * mz)
        if length > _LONGEST_STEP_MM:
            shorter = _LONGEST_STEP_MM / length
            mx, my, mz = shorter * mx, shorter * my, shorter * mz
        x, y, z = x + mx, y + my, z + mz
        if length < 2e-3:
            break
    return x, y, z


@njit(inline="always")
def _without(n, g, h):
    """Gradient and Hessian restricted to steps at right angles to the unit vector n."""
    gn = g[0] * n[0] + g[1] * n[1] + g[2] * n[2]
    stiff = 1e3 * (h[0] + h[3] + h[5])
    return (
        (g[0] - gn * n[0], g[1] - gn * n[1], g[2] - gn * n[2]),
        (
            h[0] + stiff * n[0] * n[0],
            h[1] + stiff * n[0] * n[1],
            h[2] + stiff * n[0] * n[2],
            h[3] + stiff * n[1] * n[1],
            h[4] + stiff * n[1] * n[2],
            h[5] + stiff * n[2] * n[2],
        ),
    )


@njit
def _lowest_labels(bits):
    """The three lowest labels in a set of bits, -1 where there are fewer, and how many there are."""
    a = b = c = -1
    count = 0
    label = 0
    while bits:
        if bits & 1:
            if count == 0:
                a = label
            elif count == 1:
                b = label
            elif count == 2:
                c = label
            count += 1
        bits >>= 1
        label += 1
    return a, b, c, count


@njit
def _inner_move(x, i, links, power):
    """New place of a node inside a tissue."""
    px, py, pz = x[i, 0], x[i, 1], x[i, 2]
    energy, worst = star_energy(x, links, power, px, py, pz)
    if worst < _REGULAR:
        return px, py, pz
    g, h = star_derivatives(x, links, power, px, py, pz)
    dx, dy, dz = newton_step(g, h)
    s = 1.0
    for _ in range(5):
        new, _ = star_energy(x, links, power, px + s * dx, py + s * dy, pz + s * dz)
        if new < energy:
            return px + s * dx, py + s * dy, pz + s * dz
        s *= 0.4
    return px, py, pz


@njit
def _interface_move(field, x, i, links, bits, level, power):
    """New place of a node on an interface: along it to a better shape, and back onto it as far as shapes allow."""
    px, py, pz = x[i, 0], x[i, 1], x[i, 2]
    energy, _ = star_energy(x, links, power, px, py, pz)
    a, b, c, count = _lowest_labels(bits)
    dx = dy = dz = 0.0
    if count <= 3:
        g, h = star_derivatives(x, links, power, px, py, pz)
        n = balance_gradient(field, a, b, px, py, pz)
        nn = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
        if nn > 1e-6:
            n = (n[0] / nn, n[1] / nn, n[2] / nn)
            g, h = _without(n, g, h)
            if c >= 0:
                t = balance_gradient(field, a, c, px, py, pz)
                nt = n[0] * t[0] + n[1] * t[1] + n[2] * t[2]
                t = (t[0] - nt * n[0], t[1] - nt * n[1], t[2] - nt * n[2])
                tt = np.sqrt(t[0] * t[0] + t[1] * t[1] + t[2] * t[2])
                if tt > 1e-6:
                    g, h = _without((t[0] / tt, t[1] / tt, t[2] / tt), g, h)
        dx, dy, dz = newton_step(g, h)
    s = 1.0
    qx, qy, qz = px, py, pz
    for attempt in range(4):
        if attempt == 3:
            s = 0.0  # straight onto the interface
        qx, qy, qz = _project(field, a, b, c, level, px + s * dx, py + s * dy, pz + s * dz, 3)
        new, worst = star_energy(x, links, power, qx, qy, qz)
        if new < energy or (worst < _GOOD and (attempt == 3 or new < 1.02 * energy)):
            return qx, qy, qz
        s *= 0.4
    part = 0.5
    for _ in range(3):  # part of the way
        rx, ry, rz = px + part * (qx - px), py + part * (qy - py), pz + part * (qz - pz)
        new, worst = star_energy(x, links, power, rx, ry, rz)
        if new < energy or worst < _GOOD:
            return rx, ry, rz
        part *= 0.5
    return px, py, pz


@njit
def _closes(x, i, gaps, hinged, rows, qx, qy, qz):
    """Whether one of the given rows of gaps (g,4) is closed when node i goes to (qx,qy,qz).

    It is when corner d is behind triangle abc. If abc and bad are hinged at ab, d must also be on the same side of ab
    as c: when they are opened so far that there is no gap any more, d is behind abc too, but on the other side.
    """
    for r in rows:
        a, b, c, d = gaps[r]
        ax, ay, az = (qx, qy, qz) if a == i else (x[a, 0], x[a, 1], x[a, 2])
        bx, by, bz = (qx, qy, qz) if b == i else (x[b, 0], x[b, 1], x[b, 2])
        cx, cy, cz = (qx, qy, qz) if c == i else (x[c, 0], x[c, 1], x[c, 2])
        dx, dy, dz = (qx, qy, qz) if d == i else (x[d, 0], x[d, 1], x[d, 2])
        ab = (bx - ax, by - ay, bz - az)
        ad = (dx - ax, dy - ay, dz - az)
        normal = cross(ab, (cx - ax, cy - ay, cz - az))
        if dot(normal, ad) <= 0 and (not hinged[r] or dot(normal, cross(ab, ad)) > 0):
            return True
    return False


@njit(parallel=True)
def _move(field, x, nodes, starts, links, bits, level, power, still, gaps, hinged, gap_starts, gap_rows):
    """Move the given nodes, which share no tetrahedron and no gap."""
    for k in numba.prange(nodes.size):
        i = nodes[k]
        around = links[starts[i] : starts[i + 1]]
        quiet = still[i]
        for p in range(around.shape[0]):
            if not quiet:
                break
            quiet = still[around[p, 0]] and still[around[p, 1]] and still[around[p, 2]]
        if quiet:
            continue
        if bits[i] & (bits[i] - 1):
            qx, qy, qz = _interface_move(field, x, i, around, bits[i], level[i], power)
        else:
            qx, qy, qz = _inner_move(x, i, around, power)
        if _closes(x, i, gaps, hinged, gap_rows[gap_starts[i] : gap_starts[i + 1]], qx, qy, qz):
            continue
        dx, dy, dz = qx - x[i, 0], qy - x[i, 1], qz - x[i, 2]
        still[i] = dx * dx + dy * dy + dz * dz < _STILL_MM**2
        x[i, 0], x[i, 1], x[i, 2] = qx, qy, qz


@njit
def _colours(starts, links, gaps, gap_starts, gap_rows):
    """A colour (n,) for each node, such that the nodes of a tetrahedron or gap differ: the lowest that is free."""
    n = starts.size - 1
    colours = np.full(n, -1, np.int16)
    taken = np.full(1024, -1, np.int32)
    for i in range(n):
        for p in range(starts[i], starts[i + 1]):
            for k in range(3):
                c = colours[links[p, k]]
                if c >= 0:
                    taken[c] = i
        for p in range(gap_starts[i], gap_starts[i + 1]):
            for j in gaps[gap_rows[p]]:
                if colours[j] >= 0:
                    taken[colours[j]] = i
        c = 0
        while taken[c] == i:
            c += 1
        colours[i] = c
    return colours


@njit(parallel=True)
def _areas(x, triangles):
    """Areas (f,) of triangles (f,3)."""
    areas = np.empty(triangles.shape[0])
    for f in numba.prange(triangles.shape[0]):
        o, p, q = triangles[f]
        ux, uy, uz = x[p, 0] - x[o, 0], x[p, 1] - x[o, 1], x[p, 2] - x[o, 2]
        vx, vy, vz = x[q, 0] - x[o, 0], x[q, 1] - x[o, 1], x[q, 2] - x[o, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        areas[f] = 0.5 * np.sqrt(nx * nx + ny * ny + nz * nz)
    return areas


@njit(parallel=True)
def _mean_balance(field, x, triangles, pairs):
    """Mean (f,) of f_a - f_b over triangles: that of the quadratic through corners (1/12 each) and centroid (3/4)."""
    means = np.empty(triangles.shape[0])
    for f in numba.prange(triangles.shape[0]):
        o, p, q = triangles[f]
        a, b = pairs[f]
        cx, cy, cz = (
            (x[o, 0] + x[p, 0] + x[q, 0]) / 3,
            (x[o, 1] + x[p, 1] + x[q, 1]) / 3,
            (x[o, 2] + x[p, 2] + x[q, 2]) / 3,
        )
        mean = 0.75 * balance(field, a, b, cx, cy, cz)
        for n in (o, p, q):
            mean += balance(field, a, b, x[n, 0], x[n, 1], x[n, 2]) / 12
        means[f] = mean
    return means


@njit(parallel=True)
def _adjust_levels(field, x, areas, means, starts, meeting, bits, growth, level, still):
    """Change the level of two-label nodes so that the mean of f_a - f_b around each becomes that of the wanted growth.

    growth (l,l) is by how many mm label a shall reach beyond f_a = f_b into label b.
    """
    for i in numba.prange(starts.size - 1):
        a, b, _, count = _lowest_labels(bits[i])
        if count != 2:
            continue
        total = weight = 0.0
        for p in range(starts[i], starts[i + 1]):
            total += areas[meeting[p]] * means[meeting[p]]
            weight += areas[meeting[p]]
        if weight > 0:
            g = balance_gradient(field, a, b, x[i, 0], x[i, 1], x[i, 2])
            steepness = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
            change = _RELAX * (total / weight + growth[a, b] * steepness)
            level[i] = min(max(level[i] - change, -_HIGHEST_LEVEL), _HIGHEST_LEVEL)
            still[i] = False


def _missing_growth(missing: np.ndarray, areas: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Growth (l,l) in mm of each label into each other, that gives the labels their missing (l,) volumes in mm³.

    Of all growths it is the least, weighted by area: growth[a, b] = u_a - u_b with Σ_b area_ab (u_a - u_b) = missing_a
    and u = 0 in air, which has no volume to keep.
    """
    count = len(missing)
    area = np.zeros((count, count))
    np.add.at(area, (pairs[:, 0], pairs[:, 1]), areas)
    area += area.T
    balance_of_volumes = np.diag(area.sum(axis=1)) - area
    u = np.zeros(count)
    u[1:] = np.linalg.lstsq(balance_of_volumes[1:, 1:], missing[1:], rcond=None)[0]
    growth: np.ndarray = np.clip(u[:, None] - u, -_MOST_GROWTH_MM, _MOST_GROWTH_MM)
    return growth


@njit(parallel=True)
def distortions(x, tets):
    """q (m,) of each tetrahedron."""
    out = np.empty(tets.shape[0])
    for t in numba.prange(tets.shape[0]):
        o = tets[t, 0]
        out[t] = distortion(x, tets[t, 1:], x[o, 0], x[o, 1], x[o, 2])
    return out


def optimised(field: LabelField, body: Body, volumes: np.ndarray | None = None, sweeps: int = SWEEPS) -> np.ndarray:
    """Nodes (n,3) in mm of a body with better shapes, and with its interfaces where they belong.

    volumes (l,) in mm³ are what the labels' tetrahedra shall add up to: interfaces are then right in the mean over the
    triangles around each node.  Without them, nodes lie on the interfaces: for spheres, where that is what one expects.
    """
    x, tets, bits = body.x.copy(), body.tets, body.bits
    n = len(x)
    starts, meeting = incidence(tets, n)
    links = links_of(tets, starts, meeting)
    gaps = (body.gaps, body.hinged, *incidence(body.gaps, n))
    colours = _colours(starts, links, body.gaps, *incidence(body.gaps, n))
    order = np.argsort(colours, kind="stable").astype(np.int32)
    by_colour = np.split(order, np.cumsum(np.bincount(colours))[:-1])
    around = incidence(body.triangles, n)
    level = np.zeros(n)
    growth = np.zeros((0, 0))
    still = np.zeros(n, np.bool_)
    for sweep in range(sweeps):
        if volumes is not None and 1 <= sweep <= _LEVELLED:
            areas = _areas(x, body.triangles)
            growth = np.zeros((len(volumes), len(volumes)))
            if sweep == _LEVELLED:
                missing = volumes - np.bincount(body.labels, signed_volumes(x, tets), minlength=len(volumes))
                growth = _missing_growth(_GIVEN * missing, areas, body.pairs)
            means = _mean_balance(field, x, body.triangles, body.pairs)
            _adjust_levels(field, x, areas, means, *around, bits, growth, level, still)
        for nodes in by_colour:
            _move(field, x, nodes, starts, links, bits, level, 2 if sweep < sweeps - _LAST else 4, still, *gaps)

    free = np.zeros(n, np.int64)
    for _ in range(_RESCUES):
        bad = np.zeros(n, bool)
        bad[tets[distortions(x, tets) > _BAD]] = True
        if not bad.any():
            break
        still[:] = False
        for nodes in by_colour:
            _move(field, x, nodes[bad[nodes]], starts, links, free, level, 4, still, *gaps)
    return x
