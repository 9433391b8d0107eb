// Quadratic finite elements: goes on after cuda.cu, whose rules hold; quadratic.py has the same functions for the CPU.

extern "C" __global__ void metrics(
    const int64 m, const double* nodes, const int* tets, const int components, const double* sigma, double* metric)
{
    FOR_EACH(t, m) {
        double g[4][3], flux[3];
        const double volume = volume_gradients(nodes, tets + 4 * t, g);
        double* out = metric + 6 * t;
        for (int a = 1; a < 4; ++a) {
            apply_sigma(components, sigma + components * t, g[a], flux);
            for (int b = a; b < 4; ++b) *out++ = (flux[0] * g[b][0] + flux[1] * g[b][1] + flux[2] * g[b][2]) / volume;
        }
    }
}

extern "C" __global__ void quadratic_lengths(
    const int64 n, const int* dofs, const int64* starts, const int* meeting, int64* lengths)
{
    row_lengths<10>(n, dofs, starts, meeting, lengths);
}

extern "C" __global__ void quadratic_rows(
    const int64 n, const int* dofs, const double* metric, const double* table, const int64* starts, const int* meeting,
    const int* indptr, int* indices, double* values)
{
    FOR_EACH(i, n) {
        int count = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            const int* unknowns = dofs + 10 * (int64)meeting[s];
            const double* g = metric + 6 * (int64)meeting[s];
            int own = 0;
            while (unknowns[own] != i) ++own;
            for (int k = 0; k < 10; ++k) {
                const double* c = table + 6 * (10 * own + k);
                const double value = ((c[0] * g[0] + c[1] * g[1]) + (c[2] * g[2] + c[3] * g[3])) + (c[4] * g[4] + c[5] * g[5]);
                count = add_to_row(unknowns[k], value, indices + indptr[i], values + indptr[i], count);
            }
        }
    }
}

// what flows into each shape function of each tetrahedron
extern "C" __global__ void quadratic_currents(
    const int64 m, const double* nodes, const int* tets, const int components, const double* sigma, const int points,
    const double* dadt, const double* weights, double* currents)
{
    FOR_EACH(t, m) {
        double g[4][3], flux[3], total[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        volume_gradients(nodes, tets + 4 * t, g);
        for (int q = 0; q < points; ++q) {
            double f[3];
            apply_sigma(components, sigma + components * t, dadt + 3 * (points * t + q), flux);
            for (int a = 0; a < 3; ++a) f[a] = g[a + 1][0] * flux[0] + g[a + 1][1] * flux[1] + g[a + 1][2] * flux[2];
            for (int k = 0; k < 10; ++k) {
                const double* w = weights + 3 * (10 * q + k);
                total[k] += (w[0] * f[0] + w[1] * f[1]) + w[2] * f[2];
            }
        }
        for (int k = 0; k < 10; ++k) currents[10 * t + k] = total[k];
    }
}

extern "C" __global__ void quadratic_load(
    const int64 n, const int* dofs, const double* currents, const int64* starts, const int* meeting, double* b)
{
    FOR_EACH(i, n) {
        double total = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            int64 own = 10 * (int64)meeting[s];
            while (dofs[own] != i) ++own;
            total += currents[own];
        }
        b[i] = -total;
    }
}

extern "C" __global__ void quadratic_field(
    const int64 m, const double* nodes, const int* tets, const int* dofs, const double* dadt, const double* phi, double* E)
{
    FOR_EACH(t, m) {
        double g[4][3], p[6];
        const double volume = volume_gradients(nodes, tets + 4 * t, g);
        for (int e = 0; e < 6; ++e) p[e] = phi[dofs[10 * t + 4 + e]];  // edges 01, 12, 02, 03, 13, 23
        const double p1 = (p[1] - p[2]) + (p[4] - p[3]);
        const double p2 = (p[1] - p[0]) + (p[5] - p[3]);
        const double p3 = (p[4] - p[0]) + (p[5] - p[2]);
        for (int d = 0; d < 3; ++d)
            E[3 * t + d] = -dadt[3 * t + d] - (p1 * g[1][d] + p2 * g[2][d] + p3 * g[3][d]) / volume;
    }
}

// --- recovered fields --------------------------------------------------------------------------------------

// mean over each tetrahedron of |grad phi of the elements - recovered|^2: see recovered.py
extern "C" __global__ void squared_changes(
    const int64 m, const double* points, const int* corners, const int each, const int* dofs, const double* potential,
    const double* values, const int curved, const double* derivatives, double* squares)
{
    const double near = (5 + 3 * sqrt(5.0)) / 20, far = (5 - sqrt(5.0)) / 20;
    const int edge[4][4] = {{-1, 4, 6, 7}, {4, -1, 5, 8}, {6, 5, -1, 9}, {7, 8, 9, -1}};
    FOR_EACH(t, m) {
        double g[4][3], total = 0;
        const int* corner = corners + 4 * t;
        const int* unknown = dofs + each * t;
        const double volume = volume_gradients(points, corner, g);
        for (int q = 0; q < 4; ++q) {
            double change[3] = {0, 0, 0}, x[3] = {0, 0, 0};
            for (int a = 0; a < 4; ++a) {
                const double weight = a == q ? near : far;
                double c = potential[unknown[a]];
                if (each == 10) {
                    c *= 4 * weight - 1;
                    for (int b = 0; b < 4; ++b)
                        if (b != a) c += 4 * (b == q ? near : far) * potential[unknown[edge[a][b]]];
                }
                for (int d = 0; d < 3; ++d) {
                    change[d] += c * g[a][d] / volume;
                    x[d] += weight * points[3 * (int64)corner[a] + d];
                }
            }
            for (int a = 0; a < 4; ++a) {
                const double weight = a == q ? near : far;
                const int64 i = corner[a];
                for (int d = 0; d < 3; ++d) {
                    double recovered = values[3 * i + d];
                    if (curved)
                        for (int e = 0; e < 3; ++e)
                            recovered += derivatives[9 * i + 3 * d + e] * (x[e] - points[3 * i + e]) / 2;
                    change[d] -= weight * recovered;
                }
            }
            total += change[0] * change[0] + change[1] * change[1] + change[2] * change[2];
        }
        squares[t] = total / 4;
    }
}
