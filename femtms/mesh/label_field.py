"""Which tissue is where: smooth indicator functions, whose balance f_a = f_b is the interface of two labels.

Labels are numbered 0 (air), 1, 2, … without gaps here; `LabelField.tags` names the tissues.
"""

from typing import Any, NamedTuple

import numpy as np

from femtms import core
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.kernels.jit import njit
from femtms.mesh.indicators import indicator_volume

_FULL = 255.0  # an indicator of 1, in a uint8


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


@njit(inline="always")
def voxel_position(field, x, y, z):
    """Voxel coordinates of a point in mm."""
    a = field.to_voxel
    i = a[0, 0] * x + a[0, 1] * y + a[0, 2] * z + a[0, 3]
    j = a[1, 0] * x + a[1, 1] * y + a[1, 2] * z + a[1, 3]
    k = a[2, 0] * x + a[2, 1] * y + a[2, 2] * z + a[2, 3]
    return i, j, k


@njit(inline="always")
def _cell(x, n):
    """Lower voxel and fraction along one axis; the border's value goes on outside."""
    x = min(max(x, 0.0), n - 1.000001)
    i = int(x)
    return i, x - i


@njit
def _trilinear(f, label, i, j, k):
    i, u = _cell(i, f.shape[0])
    j, v = _cell(j, f.shape[1])
    k, w = _cell(k, f.shape[2])
    v00 = f[i, j, k, label] * (1 - w) + f[i, j, k + 1, label] * w
    v01 = f[i, j + 1, k, label] * (1 - w) + f[i, j + 1, k + 1, label] * w
    v10 = f[i + 1, j, k, label] * (1 - w) + f[i + 1, j, k + 1, label] * w
    v11 = f[i + 1, j + 1, k, label] * (1 - w) + f[i + 1, j + 1, k + 1, label] * w
    return ((v00 * (1 - v) + v01 * v) * (1 - u) + (v10 * (1 - v) + v11 * v) * u) / _FULL


@njit
def _balance(f, a, b, i, j, k):
    """f_a - f_b at voxel coordinates; air is held against all tissue together, f_0 - (1 - f_0)."""
    if a == 0:
        return 2 * _trilinear(f, 0, i, j, k) - 1
    if b == 0:
        return 1 - 2 * _trilinear(f, 0, i, j, k)
    i, u = _cell(i, f.shape[0])
    j, v = _cell(j, f.shape[1])
    k, w = _cell(k, f.shape[2])
    s = 0.0
    for di in range(2):
        wi = u if di else 1 - u
        for dj in range(2):
            wj = wi * (v if dj else 1 - v)
            low = np.int32(f[i + di, j + dj, k, a]) - np.int32(f[i + di, j + dj, k, b])
            high = np.int32(f[i + di, j + dj, k + 1, a]) - np.int32(f[i + di, j + dj, k + 1, b])
            s += wj * (low * (1 - w) + high * w)
    return s / _FULL


@njit(inline="always")
def _layer(radii, label, r):
    """Distance in mm into the layer of a label at radius r; negative outside it."""
    if label == 0:
        return r - radii[-1]
    inside = radii[label - 1] - r
    return inside if label == 1 else min(inside, r - radii[label - 2])


@njit
def balance(field, a, b, x, y, z):
    """f_a - f_b at a point in mm; zero on the interface of the labels a and b."""
    if field.radii.size:
        r = np.sqrt(x * x + y * y + z * z)
        return _layer(field.radii, a, r) - _layer(field.radii, b, r)
    i, j, k = voxel_position(field, x, y, z)
    return _balance(field.indicators, a, b, i, j, k)


@njit
def balance_gradient(field, a, b, x, y, z):
    """∇(f_a - f_b) in 1/mm: differences over one voxel, as the trilinear samples have kinks."""
    if field.radii.size:
        r = max(np.sqrt(x * x + y * y + z * z), 1e-9)
        h = 1e-3
        up = _layer(field.radii, a, r + h) - _layer(field.radii, b, r + h)
        g = (up - _layer(field.radii, a, r - h) + _layer(field.radii, b, r - h)) / (2 * h * r)
        return g * x, g * y, g * z
    i, j, k = voxel_position(field, x, y, z)
    f = field.indicators
    gi = _balance(f, a, b, i + 0.5, j, k) - _balance(f, a, b, i - 0.5, j, k)
    gj = _balance(f, a, b, i, j + 0.5, k) - _balance(f, a, b, i, j - 0.5, k)
    gk = _balance(f, a, b, i, j, k + 0.5) - _balance(f, a, b, i, j, k - 0.5)
    t = field.to_voxel
    return (
        t[0, 0] * gi + t[1, 0] * gj + t[2, 0] * gk,
        t[0, 1] * gi + t[1, 1] * gj + t[2, 1] * gk,
        t[0, 2] * gi + t[1, 2] * gj + t[2, 2] * gk,
    )


@njit
def indicator(field, label, x, y, z):
    """f_l at a point in mm."""
    if field.radii.size:
        return _layer(field.radii, label, np.sqrt(x * x + y * y + z * z))
    i, j, k = voxel_position(field, x, y, z)
    return _trilinear(field.indicators, label, i, j, k)


@njit
def label_at(field, x, y, z):
    """The label at a point in mm; the lowest one among equals."""
    best, largest = 0, -1e300
    if field.radii.size:
        r = np.sqrt(x * x + y * y + z * z)
        for label in range(field.radii.size + 1):
            value = _layer(field.radii, label, r)
            if value > largest:
                best, largest = label, value
        return best
    i, j, k = voxel_position(field, x, y, z)
    f = field.indicators
    ci, _ = _cell(i, f.shape[0])
    cj, _ = _cell(j, f.shape[1])
    ck, _ = _cell(k, f.shape[2])
    for label in range(f.shape[3]):  # deep inside one tissue, which is the usual place
        if f[ci, cj, ck, label] == 255:
            inside = True
            for di in range(2):
                for dj in range(2):
                    for dk in range(2):
                        inside = inside and f[ci + di, cj + dj, ck + dk, label] == 255
            if inside:
                return label
            break
    if _trilinear(f, 0, i, j, k) > 0.5:
        return 0
    for label in range(1, f.shape[3]):
        value = _trilinear(f, label, i, j, k)
        if value > largest:
            best, largest = label, value
    return best


def labels_at(field: LabelField, x: np.ndarray) -> np.ndarray:
    """Labels (n,) uint8 at points (n,3) in mm."""
    labels = np.empty(len(x), np.uint8)
    core.call("labels_at", len(x), x, *field.arguments, labels)
    return labels
