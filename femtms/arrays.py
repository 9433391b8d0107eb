"""Arrays that nobody changes behind the back of the object that checked them."""

from typing import Any

import numpy as np


def frozen(array: Any, dtype: Any = None) -> np.ndarray:
    """A read-only C-contiguous array: the same one if it is that already, otherwise a copy."""
    result = np.ascontiguousarray(array, dtype=dtype)
    if result.flags.writeable or (result.base is not None and getattr(result.base, "flags", result.flags).writeable):
        result = result.copy()
        result.flags.writeable = False
    return result
