"""From labelled tetrahedra with air around them to one connected head without spikes, crumbs and pinches."""

import numba
import numpy as np

from femtms.kernels.cpu import incidence, signed_volumes
from femtms.kernels.faces import face_neighbours
from femtms.kernels.jit import njit

_ATTEMPTS = 50
_FILLING = 4  # attempts in which pinched air may be filled; after that only tissue gives way, so that there is an end


@njit(parallel=True)
def _without_spikes(labels, behind):
    """Labels (m,) in which tetrahedra with three neighbours of another label, and at most one of their own, join it."""
    out = labels.copy()
    for t in numba.prange(labels.size):
        same = 0
        for f in range(4):
            same += behind[t, f] >= 0 and labels[behind[t, f]] == labels[t]
        if same > 1:
            continue
        for f in range(2):  # three of four alike: one of the first two is among them
            if behind[t, f] < 0:
                continue
            label = labels[behind[t, f]]
            if label == labels[t]:
                continue
            alike = 0
            for g in range(4):
                alike += behind[t, g] >= 0 and labels[behind[t, g]] == label
            if alike >= 3:
                out[t] = label
                break
    return out


@njit
def pieces(group, behind):
    """Number (m,) of the piece that each tetrahedron belongs to, connected through faces within the same group (m,)."""
    out = np.full(group.size, -1, np.int32)
    stack = np.empty(group.size, np.int32)
    count = 0
    for seed in range(group.size):
        if out[seed] >= 0:
            continue
        out[seed] = count
        stack[0], depth = seed, 1
        while depth:
            depth -= 1
            t = stack[depth]
            for f in range(4):
                u = behind[t, f]
                if u >= 0 and out[u] < 0 and group[u] == group[t]:
                    out[u] = count
                    stack[depth] = u
                    depth += 1
        count += 1
    return out, count


@njit
def _component_volumes(star, key, other, tets, solid, behind, volumes, local, sums):
    """Pieces of a list of tetrahedra, connected through faces that hold the node `key` (and `other`, if >= 0).

    local (k,) receives the number of each one's piece, sums the volume of each piece; the number of pieces.
    """
    k = star.size
    local[:k] = -1
    stack = np.empty(k, np.int64)
    count = 0
    for seed in range(k):
        if local[seed] >= 0:
            continue
        local[seed], stack[0], depth = count, seed, 1
        sums[count] = 0.0
        while depth:
            depth -= 1
            s = stack[depth]
            t = star[s]
            sums[count] += volumes[t]
            for f in range(4):
                u = behind[t, f]
                if u < 0 or tets[t, f] == key or tets[t, f] == other or solid[u] != solid[t]:
                    continue
                for r in range(k):
                    if star[r] == u and local[r] < 0:
                        local[r] = count
                        stack[depth] = r
                        depth += 1
        count += 1
    return count


@njit
def _flip_smallest(star, key, other, tets, labels, solid, behind, volumes, only_remove):
    """Turn the smallest piece around a pinched node or edge from tissue to air, or from air to tissue; its size."""
    local = np.empty(star.size, np.int64)
    sums = np.empty(star.size)
    count = _component_volumes(star, key, other, tets, solid, behind, volumes, local, sums)
    kinds = np.zeros(2, np.int64)
    of_solid = np.zeros(count, np.bool_)
    for s in range(star.size):
        of_solid[local[s]] = solid[star[s]]
    for c in range(count):
        kinds[np.int64(of_solid[c])] += 1
    smallest, chosen = np.inf, -1
    for c in range(count):
        # if air may not be filled, a ring of tissue between two pieces of air goes as a whole
        may_go = of_solid[c] if only_remove else kinds[np.int64(of_solid[c])] > 1
        if may_go and sums[c] < smallest:
            smallest, chosen = sums[c], c
    flipped = 0
    for s in range(star.size):
        if chosen < 0 or local[s] != chosen:
            continue
        t = star[s]
        if solid[t]:
            labels[t] = 0
        else:  # the tissue behind one of its faces; any tissue of the star where there is none
            for r in range(star.size):
                if solid[star[r]]:
                    labels[t] = labels[star[r]]
                    break
            for f in range(4):
                if behind[t, f] >= 0 and labels[behind[t, f]] > 0:
                    labels[t] = labels[behind[t, f]]
        solid[t] = labels[t] > 0
        flipped += 1
    return flipped


@njit
def open_pinches(nodes, tets, labels, behind, starts, meeting, volumes, only_remove):
    """Change labels where the outer surface touches itself in one of the given nodes or an edge at it; the changes."""
    solid = labels > 0
    flipped = 0
    for i in nodes:
        star = meeting[starts[i] : starts[i + 1]]
        some = False
        every = True
        for t in star:
            some = some or solid[t]
            every = every and solid[t]
        if not some or every:
            continue
        # an edge of the surface belongs to two of its triangles
        ends = np.empty(8 * star.size, np.int32)
        count = 0
        for t in star:
            for f in range(4):
                outside = behind[t, f] < 0 or not solid[behind[t, f]]
                if solid[t] and outside and tets[t, f] != i:
                    for e in range(4):
                        if e != f and tets[t, e] != i:
                            ends[count] = tets[t, e]
                            count += 1
        ends = np.sort(ends[:count])
        pinched_edge = np.int32(-1)
        for e in range(count - 2):
            if ends[e] == ends[e + 2]:
                pinched_edge = ends[e]
        if pinched_edge >= 0:
            around = np.empty(star.size, np.int32)
            k = 0
            for t in star:
                if (
                    tets[t, 0] == pinched_edge
                    or tets[t, 1] == pinched_edge
                    or tets[t, 2] == pinched_edge
                    or tets[t, 3] == pinched_edge
                ):
                    around[k] = t
                    k += 1
            flipped += _flip_smallest(around[:k], i, pinched_edge, tets, labels, solid, behind, volumes, only_remove)
            continue
        local = np.empty(star.size, np.int64)
        sums = np.empty(star.size)
        if _component_volumes(star, i, np.int32(-1), tets, solid, behind, volumes, local, sums) > 2:
            flipped += _flip_smallest(star, i, np.int32(-1), tets, labels, solid, behind, volumes, only_remove)
    return flipped


@njit
def _bordering(count, piece, small, labels, behind, votes_of):
    """For each small piece the label that most of its faces border on; -1 for the others."""
    votes = np.zeros((count, votes_of), np.int32)
    for t in range(labels.size):
        if small[piece[t]]:
            for f in range(4):
                u = behind[t, f]
                if u >= 0 and piece[u] != piece[t]:
                    votes[piece[t], labels[u]] += 1
    return votes


def tidied(
    x: np.ndarray, tets: np.ndarray, labels: np.ndarray, smallest_mm3: float, voxel_mm3: float, names: list[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels (m,) after tidying, the tetrahedra (m,4) behind each face, and one sentence for each thing dropped.

    - A tetrahedron that sticks out of its tissue like a spike joins what is around it.
    - A piece of a tissue, or an air bubble, of less than smallest_mm3 joins what it borders on most; this is reported
      for those that are larger than a voxel, the others being crumbs of the mesh itself.
    - What is not connected with the largest piece of tissue is dropped.
    - Where the outer surface touches itself in a node or an edge, the smaller side gives way.
    """
    n = len(x)
    starts, meeting = incidence(tets, n)
    behind, _ = face_neighbours(tets, n)
    volumes = signed_volumes(x, tets)
    for _ in range(2):
        labels = _without_spikes(labels, behind)
    labels, notes = _without_crumbs(labels, behind, volumes, smallest_mm3, voxel_mm3, names)
    loose_mm3, loose = 0.0, 0
    for attempt in range(_ATTEMPTS):
        outer = _touched(tets, labels == 0, n) & _touched(tets, labels > 0, n)
        surface = np.flatnonzero(outer).astype(np.int32)
        if open_pinches(surface, tets, labels, behind, starts, meeting, volumes, attempt >= _FILLING):
            continue
        piece, count = pieces((labels > 0).astype(np.int32), behind)
        sizes = np.bincount(piece[labels > 0], volumes[labels > 0], minlength=count)
        drop = (labels > 0) & (piece != sizes.argmax())
        if not drop.any():
            break
        loose += len(np.unique(piece[drop]))
        loose_mm3 += float(volumes[drop].sum())
        labels[drop] = 0
    if loose_mm3 > voxel_mm3:
        notes += (f"dropped {loose:,} loose piece{'s' if loose > 1 else ''} of tissue ({1e-3 * loose_mm3:.3g} mL)",)
    return labels, behind, notes


def _touched(tets: np.ndarray, chosen: np.ndarray, n: int) -> np.ndarray:
    """Mask (n,) of the nodes of the chosen (m,) tetrahedra."""
    mask = np.zeros(n, bool)
    mask[tets[chosen]] = True
    return mask


def _without_crumbs(
    labels: np.ndarray,
    behind: np.ndarray,
    volumes: np.ndarray,
    smallest_mm3: float,
    voxel_mm3: float,
    names: list[str],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels in which small pieces have joined what they border on most, and a sentence on how many they were."""
    piece, count = pieces(labels.astype(np.int32), behind)
    sizes = np.bincount(piece, volumes, minlength=count)
    label_of = np.empty(count, np.int64)
    label_of[piece] = labels
    small = sizes < smallest_mm3
    for label in range(len(names)):  # the largest piece of each tissue stays, however small
        own = np.flatnonzero(label_of == label)
        if len(own):
            small[own[sizes[own].argmax()]] = False
    if not small.any():
        return labels, ()
    votes = _bordering(count, piece, small, labels, behind, len(names))
    votes[np.arange(count), label_of] = 0
    target = np.where(votes.sum(axis=1) > 0, votes.argmax(axis=1), 0)
    out = np.where(small[piece], target[piece], labels).astype(labels.dtype)
    parts = []
    for label, name in enumerate(names):
        own = small & (label_of == label) & (sizes > voxel_mm3)
        if own.any():
            parts.append(f"{int(own.sum()):,} of {name} ({1e-3 * sizes[own].sum():.2g} mL)")
    if not parts:
        return out, ()
    return out, (f"pieces below {1e-3 * smallest_mm3:.2g} mL joined their surroundings: {', '.join(parts)}",)
