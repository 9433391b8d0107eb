"""Percentiles by volume and all that is told of a field in one tissue; a GPU sorts, see field/statistics.py."""

import numpy as np

from femtms.core import call


def smallest_with_weight(values, weights, wanted):
    """For each of the weights wanted (p,) the smallest of values (n,) such that values up to it have that weight.

    weights (n,) int64, n > 0, whose sum is below 2^63; NaN is larger than any other value.
    """
    values, found = np.ascontiguousarray(values, np.float64), np.empty(len(wanted))
    call("weighted_percentiles", len(values), values, weights, len(wanted), wanted, found)
    return found


def tissue_statistics(magnE, rows, volumes, volume, weights, wanted):
    """Mean, percentiles, peak, row of the peak, volumes with 50 % and 75 % of the last percentile: (p+5,).

    Of magnE (m,) in V/m in the tetrahedra rows (r,) int64, with volumes (r,) in m³ and their sum, and the same as
    weights (r,) int64; the percentiles are those that have the weights wanted (p,).
    """
    numbers, r = np.empty(len(wanted) + 5), len(rows)
    scratch = np.empty(r), np.empty(r)
    magnE = np.ascontiguousarray(magnE, np.float64)
    call("tissue_statistics", magnE, r, rows, volumes, volume, weights, len(wanted), wanted, *scratch, numbers)
    return numbers
