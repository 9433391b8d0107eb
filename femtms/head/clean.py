"""Label volumes are dirty in real life: islands and pinholes go, and what was done is said."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume

# Sinuses and the mouth are air and stay air; smaller enclosed pockets are gaps of the segmentation.
PINHOLE_ML = 0.1
LARGEST_ISLAND = 0.1  # of the largest piece: a larger one is no crumb, but another head or a part that lost its hold


def cleaned(labels: LabelVolume) -> tuple[LabelVolume, tuple[str, ...]]:
    """The head alone, without islands and pinholes, and one sentence for each thing that was changed or noticed.

    - Tissue that is not connected (by faces) to the largest piece is dropped, unless it is LARGEST_ISLAND of that.
    - Enclosed air below PINHOLE_ML takes the label of the nearest tissue; larger cavities remain insulating air.
    - A head that touches the border of the volume (an open neck) is kept: the cut is an insulating surface.

    Raises FemtmsError when there is no tissue or no air at all, and for two heads.
    """
    data = labels.data
    tissue = data > 0
    if not tissue.any():
        raise FemtmsError(f"{labels.name}: there is no tissue: all {data.size:,} voxels are 0 (air)")
    if tissue.all():
        raise FemtmsError(
            f"{labels.name}: there is no air: every voxel has a label > 0; label 0 must surround the head"
        )
    notes: list[str] = []

    pieces, count = ndimage.label(tissue)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        _check_one_head(pieces, sizes, labels)
        keep = pieces == sizes.argmax()
        dropped = int(tissue.sum() - keep.sum())
        notes.append(
            f"dropped {count - 1:,} island{'s' if count > 2 else ''} of tissue ({dropped * labels.voxel_ml:.3g} mL) "
            f"not connected to the head"
        )
        data = np.where(keep, data, 0)
        tissue = keep

    data, filled = _without_pinholes(data, tissue, labels.voxel_ml)
    if filled:
        notes.append(f"filled {filled:,} enclosed air voxels ({filled * labels.voxel_ml:.3g} mL) in pinholes")

    sides = [
        f"{'low' if end == 0 else 'high'} end of voxel axis {'ijk'[axis]}"
        for axis in range(3)
        for end in (0, -1)
        if np.take(data, end, axis=axis).any()
    ]
    if sides:
        notes.append(f"the head touches the border of the volume ({', '.join(sides)}): that cut insulates")
    present = labels.tissues
    if len(present) == 1:
        notes.append(f"the only tissue is {int(present[0])}: a head of one compartment")
    lost = sorted(set(labels.tissues.tolist()) - set(np.unique(data).tolist()))
    if lost:
        notes.append(f"tissue {', '.join(map(str, lost))} occurred only in dropped islands")
    return replace(labels, data=data), tuple(notes)


def _check_one_head(pieces: np.ndarray, sizes: np.ndarray, labels: LabelVolume) -> None:
    """Raise FemtmsError when a second piece of tissue is too large for a crumb."""
    first, second = np.argsort(-sizes, kind="stable")[:2]
    if sizes[second] < LARGEST_ISLAND * sizes[first]:
        return
    places = ndimage.find_objects(pieces)
    shown = [
        f"{sizes[i] * labels.voxel_ml:.3g} mL in voxels "
        + ", ".join(f"{axis} {s.start} to {s.stop - 1}" for axis, s in zip("ijk", places[i - 1]))
        for i in (first, second)
    ]
    raise FemtmsError(
        f"{labels.name}: a label volume must be of one head; the largest two pieces of tissue do not touch: "
        f"{' and '.join(shown)}: crop the volume to one of them, or label what is between them"
    )


def _without_pinholes(data: np.ndarray, tissue: np.ndarray, voxel_ml: float) -> tuple[np.ndarray, int]:
    """Data with small enclosed air pockets given to the nearest tissue, and the number of voxels filled."""
    pockets, _ = ndimage.label(np.pad(~tissue, 1, constant_values=True))
    outside = pockets[0, 0, 0]
    pockets = pockets[1:-1, 1:-1, 1:-1]
    sizes = np.bincount(pockets.ravel())
    small = sizes * voxel_ml < PINHOLE_ML
    small[[0, outside]] = False  # 0 is tissue
    holes = small[pockets]
    filled = int(holes.sum())
    if filled:
        data = data.copy()
        for found in ndimage.find_objects(ndimage.label(holes)[0]):
            # the nearest tissue is no farther away than the walls, along the axes
            box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in found)
            nearest = ndimage.distance_transform_edt(~tissue[box], return_distances=False, return_indices=True)
            here = holes[box]
            data[box][here] = data[box][tuple(nearest[:, here])]
    return data, filled
