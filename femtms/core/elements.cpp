// Linear finite elements on tetrahedra: for both devices.  Nodes (n,3) in m, tetrahedra (m,4), σ in S/m.
#include "tetrahedron.h"

// ∫_t ∇λ_a·σ ∂A/∂t in A of the corners a of each tetrahedron: theory.md (10); dadt in V/m, the mean over each
KERNEL corner_currents(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const int components,
    const double* sigma /* m,components */, const double* dadt /* m,3 */, double* currents /* m,4 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3], flux[3];
        const double sixth[3] = {dadt[3 * t] / 6, dadt[3 * t + 1] / 6, dadt[3 * t + 2] / 6};
        six_volume_gradients(nodes, tets + 4 * t, g);
        sigma_times(components, sigma + components * t, sixth, flux);
        const double c1 = dot(g[1], flux), c2 = dot(g[2], flux), c3 = dot(g[3], flux);
        currents[4 * t] = -(c1 + c2 + c3);
        currents[4 * t + 1] = c1;
        currents[4 * t + 2] = c2;
        currents[4 * t + 3] = c3;
    });
}

// b_i = minus the sum of the currents into unknown i, in the order of the tetrahedra
KERNEL gathered(
    const int64 n, const int each, const int* dofs /* m,each */, const double* currents /* m,each */,
    const int64* starts /* n+1 */, const int* meeting, double* b /* n */)
{
    for_each(n, [&](const int64 i) {
        double total = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            int64 own = each * (int64)meeting[s];
            while (dofs[own] != i) ++own;
            total += currents[own];
        }
        b[i] = -total;
    });
}

// E = -∂A/∂t - ∇φ at the centroids, in V/m: theory.md (12)
KERNEL electric_field(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const double* dadt /* m,3 */,
    const double* phi /* n */, double* E /* m,3 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3];
        const int* tet = tets + 4 * t;
        const double six_volumes = six_volume_gradients(nodes, tet, g);
        // the ∇λ add up to zero: only differences of φ count
        const double p1 = (phi[tet[1]] - phi[tet[0]]) / six_volumes;
        const double p2 = (phi[tet[2]] - phi[tet[0]]) / six_volumes;
        const double p3 = (phi[tet[3]] - phi[tet[0]]) / six_volumes;
        for (int d = 0; d < 3; ++d) E[3 * t + d] = -dadt[3 * t + d] - (p1 * g[1][d] + p2 * g[2][d] + p3 * g[3][d]);
    });
}
