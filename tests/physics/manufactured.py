"""Problems with tensors whose solution is known because it was chosen first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mesh.boxes import box

from femtms import TetMesh

SIZE = 0.1  # m


@dataclass(frozen=True)
class Manufactured:
    """A box of SIZE with σ(x) (p,3,3) S/m, a φ in V and a current density J that nobody drives through its faces.

    J = curl (0, 0, ψ) has no divergence, and no component across a face as ψ vanishes on those along z.  With
    ∂A/∂t = -σ⁻¹J - ∇φ, that φ solves ∫ σ(∇φ + ∂A/∂t)·∇v = 0 for all v, whatever σ is.
    """

    sigma: Callable[[np.ndarray], np.ndarray]

    def J(self, x):
        u, v, w = np.pi / SIZE * x[:, 0], np.pi / SIZE * x[:, 1], np.cos(x[:, 2] / SIZE)
        return np.column_stack([np.sin(u) * np.cos(v) * w, -np.cos(u) * np.sin(v) * w, 0 * w])

    def phi(self, x):
        return SIZE * np.sin((1.5 * x[:, 0] + x[:, 1]) / SIZE) * np.cos(2 * x[:, 2] / SIZE)

    def grad_phi(self, x):
        a, b = (1.5 * x[:, 0] + x[:, 1]) / SIZE, 2 * x[:, 2] / SIZE
        both = np.cos(a) * np.cos(b)
        return np.column_stack([1.5 * both, both, -2 * np.sin(a) * np.sin(b)])

    def dadt(self, x):
        return -np.linalg.solve(self.sigma(x), self.J(x)[:, :, None])[:, :, 0] - self.grad_phi(x)


def shaken_box(cells):
    """cells³ cubes of six tetrahedra, with nodes inside moved at random: no symmetry makes errors cancel."""
    nodes, tets = box((cells, cells, cells), SIZE / cells)
    inside = ((nodes > 1e-9) & (nodes < SIZE - 1e-9)).all(axis=1)
    nodes[inside] += np.random.default_rng(cells).uniform(-0.12, 0.12, (inside.sum(), 3)) * SIZE / cells
    return TetMesh(nodes, tets, np.ones(len(tets), int))
