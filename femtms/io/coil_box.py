"""The box around a coil and how finely A should be sampled in it, as files have them: in mm."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.io.units import in_m


def limits_of(low_high_mm: Any) -> np.ndarray:
    """Limits (3,2) in m of three pairs of mm; raises FemtmsError unless they are finite and low < high."""
    limits = _numbers(low_high_mm)
    if limits is None or limits.shape != (3, 2) or not (limits[:, 0] < limits[:, 1]).all():
        raise FemtmsError(f"the limits must be three pairs low < high in mm, for x, y and z; got {low_high_mm!s:.80}")
    return in_m(limits)


def resolution_of(step_mm: float | Sequence[float] | Any) -> np.ndarray:
    """Resolution (3,) in m of one or three numbers > 0 in mm; raises FemtmsError otherwise."""
    steps = _numbers(step_mm)
    if steps is None or steps.ravel().shape not in ((1,), (3,)) or not (in_m(steps) > 0).all():
        raise FemtmsError(f"the resolution must be one number > 0 in mm, or three for x, y and z; got {step_mm!s:.80}")
    return in_m(np.broadcast_to(steps.ravel(), 3))


def _numbers(values: Any) -> np.ndarray | None:
    try:
        numbers = np.array(values, dtype=np.float64)
    except (ValueError, TypeError):  # such as rows of different lengths
        return None
    return numbers if np.isfinite(numbers).all() else None
