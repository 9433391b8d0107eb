"""An order of the nodes in which neighbours in space are neighbours in memory."""

from typing import Any

import numpy as np


def morton_order(nodes: Any, xp: Any = np) -> Any:
    """Permutation (n,) that sorts nodes (n,3) along the Morton (Z-order) curve; xp is the array module of both.

    Rows of K that are used together then lie together, which is worth more to a sparse product than clever code.
    """
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    cells = 2**20
    grid = xp.minimum((nodes - low) / max(float((high - low).max()), 1e-300) * cells, cells - 1).astype(np.uint64)
    code = xp.zeros(len(nodes), np.uint64)
    for axis in range(3):
        code |= _spread(grid[:, axis]) << np.uint64(axis)
    return xp.argsort(code, kind="stable")


def _spread(bits: Any) -> Any:
    """Two zero bits between each two of the lowest 21 bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits
