"""Which tissue is where: smooth indicator functions, whose balance f_a = f_b is the interface of two labels.

Labels are numbered 0 (air), 1, 2, … without gaps here; `field_of` also gives their tissue numbers.
"""

from typing import Any, NamedTuple

import numpy as np

from femtms import core
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.mesh.indicators import indicator_volume


class LabelField(NamedTuple):
    """Indicator functions f_l(x) of x in mm.  Where air's is above one half there is air, else the largest tissue.

    indicators  (nx,ny,nz,l) uint8, 0..255: samples of f_l in the voxels; empty for spheres
    to_voxel    (3,4) from mm to voxel indices
    radii       (l-1,) outer radii in mm of concentric layers, whose f_l are distances in mm; empty for volumes
    """

    indicators: np.ndarray
    to_voxel: np.ndarray
    radii: np.ndarray

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What kernels take of it: see core/label_field.h, where the functions are."""
        shape = np.array(self.indicators.shape, np.int64)
        return self.indicators, shape, self.to_voxel, len(self.radii), self.radii


def field_of(head: LabelVolume | LayeredSphere) -> tuple[LabelField, np.ndarray]:
    """The indicator functions of a head, and the tissue number (l,) of each label; that of air is 0."""
    if isinstance(head, LayeredSphere):
        empty = np.zeros((0, 0, 0, 0), np.uint8)
        return LabelField(empty, np.zeros((3, 4)), np.array(head.radii_mm)), np.array([0, *head.tags], np.int32)
    indicators, affine, tags = indicator_volume(head)
    return LabelField(indicators, np.linalg.inv(affine)[:3].copy(), np.zeros(0)), tags


def labels_at(field: LabelField, x: np.ndarray) -> np.ndarray:
    """Labels (n,) uint8 at points (n,3) in mm."""
    labels = np.empty(len(x), np.uint8)
    core.call("labels_at", len(x), x, *field.arguments, labels)
    return labels
