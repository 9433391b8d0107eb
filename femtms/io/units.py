"""Numbers of files in SI, and back without a digit lost."""

from typing import Any

import numpy as np

_M_PER_MM = 1e-3
_PER_S = 1e6  # A/s in one A/µs


def in_m(mm: Any) -> np.ndarray:
    """Lengths in mm as m."""
    return _M_PER_MM * np.asarray(mm, dtype=np.float64)


def in_mm(m: Any) -> np.ndarray:
    """Lengths in m as those mm that `in_m` makes them of again, where there are such."""
    return _undone(m, _M_PER_MM, 1 / _M_PER_MM)


def per_second(per_microsecond: Any) -> np.ndarray:
    """Rates in A/µs as A/s."""
    return _PER_S * np.asarray(per_microsecond, dtype=np.float64)


def per_microsecond(per_second: Any) -> np.ndarray:
    """Rates in A/s as those A/µs that `per_second` makes them of again, where there are such."""
    return _undone(per_second, _PER_S, 1 / _PER_S)


def _undone(value: Any, factor: float, inverse: float) -> np.ndarray:
    """x with factor * x == value: what the division gives, or a neighbour.

    All that was read from a file has such an x.  Of other numbers a few have none, because fewer doubles lie between
    1000 and 2000 than between 1 and 2: they come back with another last digit.
    """
    value = np.asarray(value, dtype=np.float64)
    guess = value * inverse
    found: np.ndarray = guess.copy()
    for neighbour in (value / factor, np.nextafter(guess, np.inf), np.nextafter(guess, -np.inf)):
        wrong = factor * found != value
        found = np.where(wrong & (factor * neighbour == value), neighbour, found)
    return found
