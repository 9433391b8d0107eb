"""Linear finite elements on tetrahedra: launches the kernels of core/elements.cpp and core/assembly.cpp."""

from femtms.kernels.launch import Launcher


class Elements(Launcher):
    """What solves with linear elements call; arrays of the device, C-contiguous, float64 and int32."""

    def stiffness(self, nodes, tets, sigma, starts, meeting):
        """K in CSR form (indptr, indices, values): K_ij = Σ_t ∫_t ∇λ_i·σ∇λ_j, theory.md (9).

        nodes (n,3) m, tets (m,4), sigma (m,1) or (m,6) S/m, incidence of the tetrahedra; values in S (A/V).
        """
        element = nodes, tets, sigma.shape[1], sigma, starts, meeting
        return self.rows("stiffness", len(starts) - 1, (tets, starts, meeting), element)

    def loads(self, nodes, tets, sigma, dadt, starts, meeting):
        """b (n,k) in A: b_i = -Σ_t ∫_t ∇λ_i·σ ∂A/∂t, theory.md (10).

        sigma (m,1) or (m,6) S/m; dadt (k,m,3) V/m, the mean of ∂A/∂t over each tetrahedron; incidence of these.
        """
        (k, m, _), n = dadt.shape, len(nodes)
        b = self.empty(n, k)
        stars = starts, meeting
        self.launch("loads", n, nodes, m, tets, sigma.shape[1], sigma, *stars, k, dadt, b, work=n * -(-k // 8))
        return b

    def electric_field(self, nodes, tets, dadt, phi):
        """E (m,3) in V/m: -∂A/∂t - ∇φ, with ∇φ constant in each P1 tetrahedron: theory.md (12).

        dadt (m,3) V/m at the centroids, phi (n,) V.
        """
        E = self.empty(len(tets), 3)
        self.launch("electric_field", len(tets), nodes, tets, dadt, phi, E)
        return E

    def field_strengths(self, nodes, tets, dadt, phi, out):
        """out (k,m) = |E| in V/m of k columns: dadt (k,m,3) V/m at the centroids, phi (n,k) V."""
        k, m, _ = dadt.shape
        self.launch("field_strengths", m, nodes, tets, k, dadt, phi, out)

    def linear_changes(self, points, corners, dofs, potential, recovered, out):
        """out (k,r): mean over each tetrahedron of |∇φ of the elements - recovered ∇φ|² in V²/m²: theory.md (40).

        points (q,3) m and corners (r,4) of the tetrahedra; dofs (r,4), the unknowns in potential (N,k) V; recovered
        (q,3,k) V/m at the points, and linear between them.
        """
        k, r = out.shape
        self.launch("linear_changes", r, points, corners, dofs, k, potential, recovered, out)
