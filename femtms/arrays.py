"""Arrays that nobody changes behind the back of the object that holds them, and points in other frames."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def frozen(array: Any, dtype: Any = None) -> np.ndarray:
    """A read-only C-contiguous array: the same one if it is that already, otherwise a copy."""
    result = np.ascontiguousarray(array, dtype=dtype)
    if result.flags.writeable or (result.base is not None and getattr(result.base, "flags", result.flags).writeable):
        return sealed(result.copy())
    return result


def sealed(array: np.ndarray) -> np.ndarray:
    """The same array, read-only from now on: for one that was just made and that nobody else has."""
    array.flags.writeable = False
    return array


def spatial_first(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without the axes of length 1 that stand before its three axes in space.

    Programs that handle many volumes at once put one there.  A slice, such as (1,256,256), keeps its shape: axes go
    only where three that are longer follow.
    """
    sizes = tuple(int(n) for n in shape)
    first = next((i for i, n in enumerate(sizes) if n != 1), len(sizes))
    return sizes[first:] if len(sizes) >= first + 3 and min(sizes[first : first + 3]) > 1 else sizes


def transformed(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points (…,3) mapped by an affine (4,4)."""
    result: np.ndarray = points @ affine[:3, :3].T + affine[:3, 3]
    return result
