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

    def load(self, nodes, tets, sigma, dadt, starts, meeting):
        """b (n,) in A: b_i = -Σ_t ∫_t ∇λ_i·σ ∂A/∂t, theory.md (10).

        sigma (m,1) or (m,6) S/m; dadt (m,3) V/m, the mean of ∂A/∂t over each tetrahedron.
        """
        currents = self.empty(len(tets), 4)
        self.launch("corner_currents", len(tets), nodes, tets, sigma.shape[1], sigma, dadt, currents)
        return self.gathered(tets, currents, starts, meeting)

    def gathered(self, dofs, currents, starts, meeting):
        """b (n,): minus the sum of the currents (m,k) into each unknown of dofs (m,k)."""
        n = len(starts) - 1
        b = self.empty(n)
        self.launch("gathered", n, dofs.shape[1], dofs, currents, starts, meeting, b)
        return b

    def electric_field(self, nodes, tets, dadt, phi):
        """E (m,3) in V/m: -∂A/∂t - ∇φ, with ∇φ constant in each P1 tetrahedron: theory.md (12).

        dadt (m,3) V/m at the centroids, phi (n,) V.
        """
        E = self.empty(len(tets), 3)
        self.launch("electric_field", len(tets), nodes, tets, dadt, phi, E)
        return E
