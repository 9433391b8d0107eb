"""Quadratic finite elements on tetrahedra: launches the kernels of core/quadratic.cpp and core/assembly.cpp."""

from femtms.kernels.elements import Elements


class Quadratic(Elements):
    """What solves with quadratic elements call, and the recovery of fields; arrays as for `Elements`."""

    def metrics(self, nodes, tets, sigma):
        """V ∇λ_a·σ∇λ_b (m,6) in S of the corners ab = 11, 12, 13, 22, 23, 33 of each tetrahedron: theory.md (31).

        nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m.
        """
        metric = self.empty(len(tets), 6)
        self.launch("metrics", len(tets), nodes, tets, sigma.shape[1], sigma, metric)
        return metric

    def quadratic_stiffness(self, dofs, metric, table, starts, meeting):
        """K in CSR form (indptr, indices, values): K_ij = Σ_t Σ_ab table[k,l,ab] metric[t,ab], theory.md (31).

        dofs (m,10) int32: the unknown of each shape function; metric (m,6) S of `metrics`; table (10,10,6) of
        fem.lagrange; incidence of dofs; values in S.
        """
        element = dofs, metric, table, starts, meeting
        return self.rows("quadratic", len(starts) - 1, (dofs, starts, meeting), element)

    def quadratic_load(self, nodes, tets, sigma, dadt, weights, dofs, starts, meeting):
        """b (n,) in A: b_i = -Σ_t ∫_t ∇N_i·σ ∂A/∂t by quadrature, theory.md (32).

        sigma (m,1) or (m,6) S/m; dadt (qm,3) V/m at the q points of each tetrahedron; weights (q,10,3): those of the
        quadrature times the gradients of the shape functions, see fem.lagrange; incidence of dofs (m,10).
        """
        currents = self.empty(len(tets), 10)
        element = len(tets), nodes, tets, sigma.shape[1], sigma
        self.launch("quadratic_currents", *element, len(weights), dadt, weights, currents)
        return self.gathered(dofs, currents, starts, meeting)

    def gathered(self, dofs, currents, starts, meeting):
        """b (n,): minus the sum of the currents (m,k) into each unknown of dofs (m,k)."""
        n = len(starts) - 1
        b = self.empty(n)
        self.launch("gathered", n, dofs.shape[1], dofs, currents, starts, meeting, b)
        return b

    def quadratic_field(self, nodes, tets, dofs, dadt, phi):
        """E (m,3) in V/m at the centroids: -∂A/∂t - ∇φ, with φ quadratic in each tetrahedron: theory.md (33).

        dofs (m,10) int32; dadt (m,3) V/m at the centroids, phi (n,) V.
        """
        E = self.empty(len(tets), 3)
        self.launch("quadratic_field", len(tets), nodes, tets, dofs, dadt, phi, E)
        return E

    def quadratic_changes(self, points, corners, dofs, potential, values, derivatives):
        """Mean (r,) over each tetrahedron of |∇φ of the elements - recovered ∇φ|² in V²/m²: theory.md (40).

        points (q,3) m and corners (r,4) of the tetrahedra; dofs (r,10), the unknowns in potential (N,) V; values (q,3)
        V/m recovered at the points, and their derivatives (q,9) V/m², ∂_e of component d in column 3d + e.  By a rule
        of four points, which is exact for squares of linear differences.
        """
        squares = self.empty(len(corners))
        fits = dofs, potential, values, derivatives
        self.launch("quadratic_changes", len(corners), points, corners, *fits, squares)
        return squares
