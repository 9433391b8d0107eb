// K in CSR form, for both devices.  Row by row, not tetrahedron by tetrahedron: no two threads write the same entry,
// and the terms of an entry are added in the order of the tetrahedra.
#include "tetrahedron.h"
#ifdef __CUDACC__
#include "assembly_gpu.h"
#else
#include "assembly_cpu.h"
#endif

// which of the `each` unknowns of a tetrahedron is i
SHARED int corner_of(const int64 i, const int* unknowns)
{
    int own = 0;
    while (unknowns[own] != i) ++own;
    return own;
}

// Linear elements: k[a] = ∫_t ∇λ_i·σ∇λ_a in S, theory.md (9).
struct LinearElements {
    static const int each = 4;
    const double* nodes;
    const int* dofs;
    int components;
    const double* sigma;

    SHARED_METHOD void row(const int64 t, const int64 i, double* k) const
    {
        double g[4][3], flux[3];
        const double six_volumes = six_volume_gradients(nodes, dofs + 4 * t, g);
        sigma_times(components, sigma + components * t, g[corner_of(i, dofs + 4 * t)], flux);
        for (int a = 0; a < 4; ++a) k[a] = dot(flux, g[a]) / (6 * six_volumes);
    }
};

// Quadratic elements: k[l] = Σ_ab table[own,l,ab] metric[t,ab] in S, theory.md (31).
struct QuadraticElements {
    static const int each = 10;
    const int* dofs;
    const double* metric;
    const double* table;

    SHARED_METHOD void row(const int64 t, const int64 i, double* k) const
    {
        const double* g = metric + 6 * t;
        const double* c = table + 60 * corner_of(i, dofs + 10 * t);
        for (int l = 0; l < 10; ++l, c += 6)
            k[l] = ((c[0] * g[0] + c[1] * g[1]) + (c[2] * g[2] + c[3] * g[3])) + (c[4] * g[4] + c[5] * g[5]);
    }
};

// lengths[i+1] of row i, for n unknowns in the tetrahedra that `meeting` lists from starts[i] on
KERNEL stiffness_lengths(
    const int64 n, const int* dofs /* m,4 */, const int64* starts /* n+1 */, const int* meeting,
    int64* lengths /* n+1 */)
{
    row_lengths<4>(n, dofs, starts, meeting, lengths);
}

KERNEL quadratic_lengths(
    const int64 n, const int* dofs /* m,10 */, const int64* starts /* n+1 */, const int* meeting,
    int64* lengths /* n+1 */)
{
    row_lengths<10>(n, dofs, starts, meeting, lengths);
}

KERNEL stiffness_rows(
    const int64 n, const double* nodes /* n,3 */, const int* dofs /* m,4 */, const int components,
    const double* sigma /* m,components */, const int64* starts /* n+1 */, const int* meeting,
    const int* indptr /* n+1 */, int* indices /* entries */, double* values /* entries */)
{
    rows(LinearElements{nodes, dofs, components, sigma}, n, starts, meeting, indptr, indices, values);
}

KERNEL quadratic_rows(
    const int64 n, const int* dofs /* m,10 */, const double* metric /* m,6 */, const double* table /* 10,10,6 */,
    const int64* starts /* n+1 */, const int* meeting, const int* indptr /* n+1 */, int* indices /* entries */,
    double* values /* entries */)
{
    rows(QuadraticElements{dofs, metric, table}, n, starts, meeting, indptr, indices, values);
}
