"""Quadratic elements on NVIDIA GPUs: launches the kernels of quadratic.cu; as quadratic.py and recovered.py."""

import numpy as np

from femtms.kernels.launch import Launcher


class CudaQuadratic(Launcher):
    """All that kernels/quadratic.py and kernels/recovered.py have, on a GPU."""

    def metrics(self, nodes, tets, sigma):
        """V ∇λ_a·σ∇λ_b (m,6) in S; see quadratic.metrics."""
        m = len(tets)
        metric = self._xp.empty((m, 6), np.float64)
        self._launch("metrics", m, np.int64(m), nodes, tets, np.int32(sigma.shape[1]), sigma, metric)
        return metric

    def quadratic_stiffness(self, dofs, metric, table, starts, meeting):
        """K in CSR form (indptr, indices, values); see quadratic.quadratic_stiffness."""
        element = dofs, metric, table
        return self._rows("quadratic", len(starts) - 1, (dofs, starts, meeting), *element, starts, meeting)

    def quadratic_load(self, nodes, tets, sigma, dadt, weights, dofs, starts, meeting):
        """b (n,) in A; see quadratic.quadratic_load."""
        m, n = len(tets), len(starts) - 1
        currents, b = self._xp.empty((m, 10), np.float64), self._xp.empty(n, np.float64)
        element = np.int64(m), nodes, tets, np.int32(sigma.shape[1]), sigma
        self._launch("quadratic_currents", m, *element, np.int32(len(weights)), dadt, weights, currents)
        self._launch("quadratic_load", n, np.int64(n), dofs, currents, starts, meeting, b)
        return b

    def quadratic_field(self, nodes, tets, dofs, dadt, phi):
        """E (m,3) in V/m at the centroids; see quadratic.quadratic_field."""
        m = len(tets)
        E = self._xp.empty((m, 3), np.float64)
        self._launch("quadratic_field", m, np.int64(m), nodes, tets, dofs, dadt, phi, E)
        return E

    def squared_changes(self, points, corners, dofs, potential, values, derivatives):
        """Mean (r,) over each tetrahedron of |∇φ - recovered ∇φ|²; see recovered.squared_changes."""
        m, curved = len(corners), derivatives.shape[1] == 9
        squares = self._xp.empty(m, np.float64)
        element = points, corners, np.int32(dofs.shape[1]), dofs, potential
        fits = values, np.int32(curved), derivatives if curved else values
        self._launch("squared_changes", m, np.int64(m), *element, *fits, squares)
        return squares
