// Quadratic finite elements on tetrahedra: for both devices.  Units as in elements.cpp.
#include "quadrature.h"
#include "tetrahedron.h"

// V ∇λ_a·σ∇λ_b in S of the corners ab = 11, 12, 13, 22, 23, 33: theory.md (31)
KERNEL metrics(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const int components,
    const double* sigma /* m,components */, double* metric /* m,6 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3], flux[3];
        const double six_volumes = six_volume_gradients(nodes, tets + 4 * t, g);
        double* out = metric + 6 * t;
        for (int a = 1; a < 4; ++a) {
            sigma_times(components, sigma + components * t, g[a], flux);
            // (6V ∇λ)·σ(6V ∇λ) / (36 V² / V)
            for (int b = a; b < 4; ++b) *out++ = dot(flux, g[b]) / (6 * six_volumes);
        }
    });
}

// ∫_t ∇N_k·σ ∂A/∂t in A of the shape functions of each tetrahedron, by quadrature: theory.md (32).  dadt in V/m at the
// points; weights: those of the quadrature times the gradients of the shape functions.
KERNEL quadratic_currents(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const int components,
    const double* sigma /* m,components */, const int points, const double* dadt /* points*m,3 */,
    const double* weights /* points,10,3 */, double* currents /* m,10 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3], flux[3], total[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        six_volume_gradients(nodes, tets + 4 * t, g);
        for (int q = 0; q < points; ++q) {
            const double* a = dadt + 3 * (points * t + q);
            const double sixth[3] = {a[0] / 6, a[1] / 6, a[2] / 6};
            sigma_times(components, sigma + components * t, sixth, flux);
            const double f1 = dot(g[1], flux), f2 = dot(g[2], flux), f3 = dot(g[3], flux);
            for (int k = 0; k < 10; ++k) {
                const double* w = weights + 3 * (10 * q + k);
                total[k] += (w[0] * f1 + w[1] * f2) + w[2] * f3;
            }
        }
        for (int k = 0; k < 10; ++k) currents[10 * t + k] = total[k];
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

// E = -∂A/∂t - ∇φ at the centroids, in V/m, with φ quadratic in each tetrahedron: theory.md (33)
KERNEL quadratic_field(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const int* dofs /* m,10 */,
    const double* dadt /* m,3 */, const double* phi /* u */, double* E /* m,3 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3], p[6];
        const double six_volumes = six_volume_gradients(nodes, tets + 4 * t, g);
        // edges 01, 12, 02, 03, 13, 23; Σ φ_ab (∇λ_a + ∇λ_b) with ∇λ_0 = -∇λ_1 - ∇λ_2 - ∇λ_3
        for (int e = 0; e < 6; ++e) p[e] = phi[dofs[10 * t + 4 + e]];
        const double p1 = ((p[1] - p[2]) + (p[4] - p[3])) / six_volumes;
        const double p2 = ((p[1] - p[0]) + (p[5] - p[3])) / six_volumes;
        const double p3 = ((p[4] - p[0]) + (p[5] - p[2])) / six_volumes;
        for (int d = 0; d < 3; ++d) E[3 * t + d] = -dadt[3 * t + d] - (p1 * g[1][d] + p2 * g[2][d] + p3 * g[3][d]);
    });
}

// Mean over each tetrahedron of |∇φ of the elements - recovered|² in V²/m²: theory.md (40), by the rule of four points,
// which is exact for squares of linear differences.  values in V/m and derivatives in V/m² at the points.
KERNEL quadratic_changes(
    const int64 m, const double* points /* n,3 */, const int* corners /* m,4 */, const int* dofs /* m,10 */,
    const double* potential /* u */, const double* values /* n,3 */, const double* derivatives /* n,9 */,
    double* squares /* m */)
{
    for_each(m, [&](const int64 t) {
        // the edge between two corners among the unknowns of quadratic elements
        const int edge[4][4] = {{-1, 4, 6, 7}, {4, -1, 5, 8}, {6, 5, -1, 9}, {7, 8, 9, -1}};
        double g[4][3], total = 0;
        const int* corner = corners + 4 * t;
        const int* unknown = dofs + 10 * t;
        const double six_volumes = six_volume_gradients(points, corner, g);
        for (int q = 0; q < 4; ++q) {
            double change[3] = {0, 0, 0}, x[3] = {0, 0, 0};
            for (int a = 0; a < 4; ++a) {
                const double weight = a == q ? NEAR : FAR;
                double c = (4 * weight - 1) * potential[unknown[a]];  // ∇φ = Σ_a c_a ∇λ_a
                for (int b = 0; b < 4; ++b)
                    if (b != a) c += 4 * (b == q ? NEAR : FAR) * potential[unknown[edge[a][b]]];
                for (int d = 0; d < 3; ++d) {
                    change[d] += c * g[a][d] / six_volumes;
                    x[d] += weight * points[3 * (int64)corner[a] + d];
                }
            }
            for (int a = 0; a < 4; ++a) {
                const double weight = a == q ? NEAR : FAR;
                const int64 i = corner[a];
                for (int d = 0; d < 3; ++d) {
                    double recovered = values[3 * i + d];
                    for (int e = 0; e < 3; ++e)
                        recovered += derivatives[9 * i + 3 * d + e] * (x[e] - points[3 * i + e]) / 2;
                    change[d] -= weight * recovered;
                }
            }
            total += dot(change, change);
        }
        squares[t] = total / 4;
    });
}
