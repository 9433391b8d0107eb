"""Voxel labels as smooth indicator functions."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from femtms.head.labels import LabelVolume

SMOOTHING_MM = 0.5  # of the Gaussian; 0.7 mm was seen to bridge more of the thin CSF
_REACH = 4  # of the Gaussian, in its widths
_SHARPENING = 0.5  # gives thin sheets back half of what smoothing takes from them; 1 makes interfaces rougher


def indicator_volume(labels: LabelVolume) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indicators (nx,ny,nz,l) uint8 of the box around the head, its affine (4,4), and the tissue number (l,) of each.

    Each label's 0/1 image is smoothed by a Gaussian G of SMOOTHING_MM, or half a voxel where voxels are larger, and
    sharpened: f = G + s (G - G∘G), as G alone makes one-voxel sheets such as the CSF in sulci too thin.  The resolution
    stays that of the labels: resampling them was seen to make false contacts between tissues.
    """
    sigma = np.maximum(SMOOTHING_MM / labels.voxel_mm, 0.5)
    pad = int(np.ceil(2 * _REACH * sigma.max())) + 1
    box = ndimage.find_objects((labels.data > 0).astype(np.uint8))[0]
    data = np.pad(labels.data[box], pad)
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start - pad for s in box])
    tags = np.unique(np.append(labels.tissues, 0)).astype(np.int32)
    indicators = np.zeros((*data.shape, len(tags)), np.uint8)

    def fill(label: int) -> None:
        inside = data == tags[label]
        if not inside.any():
            return
        around = tuple(
            slice(max(s.start - pad, 0), s.stop + pad) for s in ndimage.find_objects(inside.astype(np.uint8))[0]
        )
        smooth = ndimage.gaussian_filter(inside[around].astype(np.float32), sigma, truncate=_REACH, mode="nearest")
        again = ndimage.gaussian_filter(smooth, sigma, truncate=_REACH, mode="nearest")
        smooth += _SHARPENING * (smooth - again)
        np.rint(255 * np.clip(smooth, 0, 1), out=smooth)
        indicators[..., label][around] = smooth

    with ThreadPoolExecutor(2) as pool:  # each label writes its own entries
        list(pool.map(fill, range(len(tags))))
    return indicators, affine, tags
