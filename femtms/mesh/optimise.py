"""Better shapes: nodes are moved one colour at a time, those on interfaces only along them.

The energy is Σ q² and later Σ q⁴ of the distortions around a node (`core/star.h`), lowered by Newton's method.
Nodes of one colour share no tetrahedron, so they can move at the same time, whatever the number of threads.
"""

from itertools import pairwise

import numpy as np

from femtms.core import call
from femtms.kernels.cpu import incidence, signed_volumes
from femtms.mesh.body import Body
from femtms.mesh.label_field import LabelField

SWEEPS = 8
_LAST = 3  # sweeps with Σ q⁴
_BAD = 5.0  # of a tetrahedron whose nodes may leave the interface in the end
_RESCUES = 4
_LEVELLED = 3  # sweeps before which the levels of the interfaces are set: more of them roughen the interfaces
_GIVEN = 0.9  # of the missing volume is given back: all of it was seen to move interfaces more than it is worth
_MOST_GROWTH_MM = 0.1


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


def optimised(field: LabelField, body: Body, volumes: np.ndarray | None = None, sweeps: int = SWEEPS) -> np.ndarray:
    """Nodes (n,3) in mm of a body with better shapes, and with its interfaces where they belong.

    volumes (l,) in mm³ are what the labels' tetrahedra shall add up to: interfaces are then right in the mean over the
    triangles around each node.  Without them, nodes lie on the interfaces: for spheres, where that is what one expects.
    """
    x, tets, bits = body.x.copy(), body.tets, body.bits
    n = len(x)
    starts, meeting = incidence(tets, n)
    gap_starts, gap_rows = incidence(body.gaps, n)
    colours = np.empty(n, np.int32)
    call("colours_of", n, tets, starts, meeting, body.gaps, gap_starts, gap_rows, colours)
    ends, order = incidence(colours[:, None], int(colours.max()) + 1)
    begins, links = np.zeros(n + 1, np.int64), np.empty((len(meeting), 3), np.int32)
    np.cumsum(np.diff(starts)[order], out=begins[1:])
    call("links_of", n, order, tets, starts, meeting, begins, links)
    around = incidence(body.triangles, n)
    areas, means = np.empty(len(body.triangles)), np.empty(len(body.triangles))
    level = np.zeros(n)
    still = np.zeros(n, np.bool_)
    gaps = body.gaps, body.hinged, gap_starts, gap_rows

    def move(chosen: np.ndarray | None, bits: np.ndarray, power: int) -> None:
        where = order, chosen, x, begins, links, bits, level, power, still, *gaps, *field.arguments
        for first, end in pairwise(ends.tolist()):
            call("move_nodes", first, end, *where)

    for sweep in range(sweeps):
        if volumes is not None and 1 <= sweep <= _LEVELLED:
            call("areas_of", len(areas), x, body.triangles, areas)
            growth = np.zeros((len(volumes), len(volumes)))
            if sweep == _LEVELLED:
                missing = volumes - np.bincount(body.labels, signed_volumes(x, tets), minlength=len(volumes))
                growth = _missing_growth(_GIVEN * missing, areas, body.pairs)
            call("mean_balance", len(means), x, body.triangles, body.pairs, *field.arguments, means)
            where = *around, bits, len(growth), growth
            call("adjust_levels", n, x, areas, means, *where, *field.arguments, level, still)
        move(None, bits, 2 if sweep < sweeps - _LAST else 4)

    free, q = np.zeros(n, np.int64), np.empty(len(tets))
    for _ in range(_RESCUES):
        bad = np.zeros(n, bool)
        call("distortions", len(tets), x, tets, q)
        bad[tets[q > _BAD]] = True
        if not bad.any():
            break
        still[:] = False
        move(bad, free, 4)
    return x
