// Linear finite elements on tetrahedra: for both devices.  Nodes (n,3) in m, tetrahedra (m,4), σ in S/m.
#include "tetrahedron.h"

// b_i = -Σ_t ∫_t ∇λ_i·σ ∂A/∂t in A for k columns, in the order of the tetrahedra: theory.md (10); dadt in V/m, the mean
// over each.  COLUMNS at a time share what depends on the tetrahedra alone.
KERNEL loads(
    const int64 n, const double* nodes /* n,3 */, const int64 m, const int* tets /* m,4 */, const int components,
    const double* sigma /* m,components */, const int64* starts /* n+1 */, const int* meeting, const int64 k,
    const double* dadt /* k,m,3 */, double* b /* n,k */)
{
    const int COLUMNS = 8;
    const int64 groups = (k + COLUMNS - 1) / COLUMNS;
    for_each(n * groups, [&](const int64 entry) {
        const int64 i = entry / groups, first = entry % groups * COLUMNS;
        const int64 count = k - first < COLUMNS ? k - first : COLUMNS;
        double total[COLUMNS] = {0, 0, 0, 0, 0, 0, 0, 0};
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            const int64 t = meeting[s];
            double g[4][3], flux[3];
            six_volume_gradients(nodes, tets + 4 * t, g);
            int own = 0;
            while (tets[4 * t + own] != i) ++own;
            sigma_times(components, sigma + components * t, g[own], flux);
            for (int q = 0; q < count; ++q) total[q] += dot(flux, dadt + 3 * ((first + q) * m + t));
        }
        for (int q = 0; q < count; ++q) b[i * k + first + q] = -total[q] / 6;
    });
}

// E = -∂A/∂t - ∇φ of a tetrahedron: theory.md (12).  The ∇λ add up to zero: only differences of φ count.
SHARED void field_in(
    const double g[4][3], const double inverse, const double* dadt, const double p0, const double p1, const double p2,
    const double p3, double* E)
{
    const double c1 = (p1 - p0) * inverse, c2 = (p2 - p0) * inverse, c3 = (p3 - p0) * inverse;
    for (int d = 0; d < 3; ++d) E[d] = -dadt[d] - (c1 * g[1][d] + c2 * g[2][d] + c3 * g[3][d]);
}

// E at the centroids, in V/m
KERNEL electric_field(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const double* dadt /* m,3 */,
    const double* phi /* n */, double* E /* m,3 */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3];
        const int* tet = tets + 4 * t;
        const double inverse = 1 / six_volume_gradients(nodes, tet, g);
        field_in(g, inverse, dadt + 3 * t, phi[tet[0]], phi[tet[1]], phi[tet[2]], phi[tet[3]], E + 3 * t);
    });
}

// |E| of the same for k columns
KERNEL field_strengths(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const int64 k,
    const double* dadt /* k,m,3 */, const double* phi /* n,k */, double* magnE /* k,m */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3], E[3];
        const int* tet = tets + 4 * t;
        const double inverse = 1 / six_volume_gradients(nodes, tet, g);
        const double *p0 = phi + k * tet[0], *p1 = phi + k * tet[1], *p2 = phi + k * tet[2], *p3 = phi + k * tet[3];
        for (int64 q = 0; q < k; ++q) {
            field_in(g, inverse, dadt + 3 * (q * m + t), p0[q], p1[q], p2[q], p3[q], E);
            magnE[q * m + t] = sqrt(dot(E, E));
        }
    });
}

// Mean over each tetrahedron of |∇φ of the elements - recovered|² in V²/m² for k columns: theory.md (40).  In V/m at
// the corners; the difference is linear between them, and the integrals of λ_a λ_b are V/20, twice that for a = b.
KERNEL linear_changes(
    const int64 m, const double* points /* n,3 */, const int* corners /* m,4 */, const int* dofs /* m,4 */,
    const int64 k, const double* potential /* u,k */, const double* recovered /* n,3,k */, double* squares /* k,m */)
{
    for_each(m, [&](const int64 t) {
        const double nothing[3] = {0, 0, 0};
        double g[4][3], raw[3];
        const int *corner = corners + 4 * t, *unknown = dofs + 4 * t;
        const double inverse = 1 / six_volume_gradients(points, corner, g);
        for (int64 q = 0; q < k; ++q) {
            double p[4], each = 0, sum[3] = {0, 0, 0};
            for (int a = 0; a < 4; ++a) p[a] = potential[k * unknown[a] + q];
            field_in(g, inverse, nothing, p[0], p[1], p[2], p[3], raw);
            for (int a = 0; a < 4; ++a)
                for (int d = 0; d < 3; ++d) {
                    const double change = -raw[d] - recovered[k * (3 * (int64)corner[a] + d) + q];
                    each += change * change;
                    sum[d] += change;
                }
            squares[q * m + t] = (each + dot(sum, sum)) / 20;
        }
    });
}
