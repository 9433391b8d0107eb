"""A ring of current that closed forms know."""

import numpy as np

from femtms import Currents


def ring(z, radius, turns=1.0, pieces=64):
    """Current elements along a circle around the z axis, anticlockwise: the trapezoidal rule."""
    angle = 2 * np.pi * np.arange(pieces) / pieces
    x, y = np.cos(angle), np.sin(angle)
    dl = turns * radius * 2 * np.pi / pieces
    return Currents(np.column_stack([radius * x, radius * y, np.full(pieces, z)]), dl * np.column_stack([-y, x, 0 * x]))
