"""An order of points in which neighbours in space are neighbours in memory: the Morton (Z-order) curve."""

from typing import Any

import numpy as np

from femtms.backend import Backend

# A box with these sides is cut, across the longest, into two boxes of its own shape
_SELF_SIMILAR = 2 ** (np.arange(3) / 3)


def morton_codes(points: Any, sides: np.ndarray, bits: int, backend: Backend) -> Any:
    """Place (n,) uint64 of points (n,3) on the Morton curve through 2^bits cells in each direction; on the device.

    sides (3,) are those of the cells, up to a common factor.
    """
    sides = backend.xp.asarray(sides)
    low, high = points.min(axis=0), points.max(axis=0)
    size = max(float(((high - low) / sides).max()), 1e-300)  # 0 for points that are all in one place
    return backend.kernels.morton_codes(points, low, size * sides, bits)


def morton_order(nodes: Any, backend: Backend) -> Any:
    """Permutation (n,) that sorts nodes (n,3) along the Morton curve; both are on the device.

    Rows of K that are used together then lie together, which is worth more to a sparse product than clever code.
    """
    return backend.xp.argsort(morton_codes(nodes, np.ones(3), 20, backend), kind="stable")


def inverse_of(permutation: Any, xp: Any) -> Any:
    """Where a permutation (n,) has put each row: int32, an array of the module `xp`."""
    place = xp.empty(len(permutation), np.int32)
    place[permutation] = xp.arange(len(permutation), dtype=np.int32)
    return place


def codes_and_order(points: Any, backend: Backend) -> tuple[Any, Any]:
    """Ascending places of points (n,3) on the Morton curve, and their rows (n,) int32 in that order.

    Runs of codes with the same leading bits are boxes of one shape.  The curve is as fine as codes allow that hold the
    row as well: to sort those is quicker than to sort rows by codes.
    """
    xp, n = backend.xp, len(points)
    row_bits = max(n - 1, 1).bit_length()
    codes = morton_codes(points, _SELF_SIMILAR, min((64 - row_bits) // 3, 17), backend)
    both = xp.sort((codes << np.uint64(row_bits)) | xp.arange(n, dtype=np.uint64))
    return both >> np.uint64(row_bits), (both & np.uint64(2**row_bits - 1)).astype(np.int32)
