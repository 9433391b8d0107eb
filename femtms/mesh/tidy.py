"""From labelled tetrahedra with air around them to one connected head without spikes, crumbs and pinches."""

import numpy as np

from femtms.core import call
from femtms.kernels.cpu import incidence, signed_volumes
from femtms.kernels.faces import face_neighbours, piece_of

_ATTEMPTS = 50
_FILLING = 4  # attempts in which pinched air may be filled; after that only tissue gives way, so that there is an end


def pieces(group: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, int]:
    """Number (m,) of the piece of each tetrahedron, connected through faces within the same group (m,) uint8; how many.

    behind (m,4) are the neighbours through each face.  Pieces are numbered in the order of their first tetrahedra.
    """
    lowest = piece_of(behind, group)
    number = np.cumsum(lowest == np.arange(len(lowest)), dtype=np.int32)
    return number[lowest] - 1, int(number[-1]) if len(number) else 0


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
        given, labels = labels, np.empty_like(labels)
        call("without_spikes", len(tets), given, behind, labels)
    labels, notes = _without_crumbs(labels, behind, volumes, smallest_mm3, voxel_mm3, names)
    loose_mm3, loose = 0.0, 0
    flipped, bits = np.empty(1, np.int64), np.empty(n, np.int64)
    for attempt in range(_ATTEMPTS):
        call("labels_around", n, labels, starts, meeting, bits)
        outer = ((bits & 1) > 0) & (bits > 1)  # between air and tissue
        surface = np.flatnonzero(outer).astype(np.int32)
        star = starts, meeting, volumes
        call("open_pinches", len(surface), surface, tets, labels, behind, *star, attempt >= _FILLING, flipped)
        if flipped[0]:
            continue
        piece, count = pieces((labels > 0).view(np.uint8), behind)
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


def _without_crumbs(
    labels: np.ndarray,
    behind: np.ndarray,
    volumes: np.ndarray,
    smallest_mm3: float,
    voxel_mm3: float,
    names: list[str],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels in which small pieces have joined what they border on most, and a sentence on how many they were."""
    piece, count = pieces(labels, behind)
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
    own, face = np.nonzero(small[piece][:, None] & (behind >= 0))
    beyond = behind[own, face]
    differ = piece[beyond] != piece[own]
    own, beyond = own[differ], beyond[differ]
    votes = np.bincount(piece[own] * len(names) + labels[beyond], minlength=count * len(names)).reshape(count, -1)
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
