"""Arrays that nobody changes behind the back of the object that holds them, and points in other frames."""

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


def transformed(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points (…,3) mapped by an affine (4,4)."""
    result: np.ndarray = points @ affine[:3, :3].T + affine[:3, 3]
    return result
