// B of a coil at points: only maps need it, so it exists for the CPU alone.
#include <algorithm>

#include "sampled.h"

namespace
{

const int LANES = 16;  // points that go along the sources together, for vector instructions

struct Lanes {
    double x[3][LANES];
    double B[3][LANES];
};

typedef void Flux(int64 d, const double* positions, const double* vectors, double mu0_over_4pi, Lanes& at);

// Σ (3 (m·r) r/|r|² - m)/|r|³
VECTORISED void add_dipoles(
    const int64 d, const double* positions, const double* moments, const double mu0_over_4pi, Lanes& at)
{
    for (int64 s = 0; s < d; ++s) {
        const double *o = positions + 3 * s, *m = moments + 3 * s;
        for (int l = 0; l < LANES; ++l) {
            const double x = at.x[0][l] - o[0], y = at.x[1][l] - o[1], z = at.x[2][l] - o[2];
            const double r2 = x * x + y * y + z * z;
            const double w = mu0_over_4pi / (r2 * sqrt(r2));
            const double along = 3 * (m[0] * x + m[1] * y + m[2] * z) / r2;
            at.B[0][l] += w * (along * x - m[0]);
            at.B[1][l] += w * (along * y - m[1]);
            at.B[2][l] += w * (along * z - m[2]);
        }
    }
}

// Σ I dl × r/|r|³
VECTORISED void add_currents(
    const int64 d, const double* positions, const double* vectors, const double mu0_over_4pi, Lanes& at)
{
    for (int64 s = 0; s < d; ++s) {
        const double *o = positions + 3 * s, *dl = vectors + 3 * s;
        for (int l = 0; l < LANES; ++l) {
            const double x = at.x[0][l] - o[0], y = at.x[1][l] - o[1], z = at.x[2][l] - o[2];
            const double r2 = x * x + y * y + z * z;
            const double w = mu0_over_4pi / (r2 * sqrt(r2));
            at.B[0][l] += w * (dl[1] * z - dl[2] * y);
            at.B[1][l] += w * (dl[2] * x - dl[0] * z);
            at.B[2][l] += w * (dl[0] * y - dl[1] * x);
        }
    }
}

void flux_at(
    Flux& add, const int64 n, const double* points, const int64 d, const double* positions, const double* vectors,
    const double mu0_over_4pi, double* B)
{
    for_each_task((n + LANES - 1) / LANES, [&](const int64 task) {
        const int64 begin = task * LANES, count = std::min((int64)LANES, n - begin);
        Lanes at = {};
        for (int c = 0; c < 3; ++c)
            for (int64 l = 0; l < LANES; ++l) at.x[c][l] = points[3 * (begin + std::min(l, count - 1)) + c];
        add(d, positions, vectors, mu0_over_4pi, at);
        for (int64 l = 0; l < count; ++l)
            for (int c = 0; c < 3; ++c) B[3 * (begin + l) + c] = at.B[c][l];
    });
}

}  // namespace

KERNEL dipole_flux(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* positions /* d,3 */,
    const double* moments /* d,3 */, const double mu0_over_4pi, double* B /* n,3 */)
{
    flux_at(add_dipoles, n, points, d, positions, moments, mu0_over_4pi, B);
}

KERNEL current_flux(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* positions /* d,3 */,
    const double* vectors /* d,3 */, const double mu0_over_4pi, double* B /* n,3 */)
{
    flux_at(add_currents, n, points, d, positions, vectors, mu0_over_4pi, B);
}

// ∂A_i/∂index_j of the cubic potential in sampled.cpp
KERNEL cubic_slopes(
    const int64 n, const double* points /* n,3 */, const double* matrix /* 3,3 */, const double* offset /* 3 */,
    const int64 nx, const int64 ny, const int64 nz, const double* values /* nx,ny,nz,3 */,
    const double* rotation /* 3,3 */, double* slopes /* n,3,3 */)
{
    const int64 shape[3] = {nx, ny, nz};
    for_each(n, [&](const int64 p) {
        const Stencil s = stencil_at(points + 3 * p, matrix, offset, shape);
        double dw[3][4], along[3][3] = {};
        for (int d = 0; d < 3; ++d) {
            const double u = s.u[d];
            dw[d][0] = -((u - 2) * (u - 3) + (u - 1) * (u - 3) + (u - 1) * (u - 2)) / 6;
            dw[d][1] = ((u - 2) * (u - 3) + u * (u - 3) + u * (u - 2)) / 2;
            dw[d][2] = -((u - 1) * (u - 3) + u * (u - 3) + u * (u - 1)) / 2;
            dw[d][3] = ((u - 1) * (u - 2) + u * (u - 2) + u * (u - 1)) / 6;
        }
        if (s.inside)
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j)
                    for (int k = 0; k < 4; ++k) {
                        const double w[3] = {
                            dw[0][i] * s.w[1][j] * s.w[2][k], s.w[0][i] * dw[1][j] * s.w[2][k],
                            s.w[0][i] * s.w[1][j] * dw[2][k]};
                        const double* v = sample(s, shape, values, i, j, k);
                        for (int c = 0; c < 3; ++c)
                            for (int d = 0; d < 3; ++d) along[c][d] += w[d] * v[c];
                    }
        for (int r = 0; r < 3; ++r)
            for (int d = 0; d < 3; ++d) {
                const double* row = rotation + 3 * r;
                slopes[9 * p + 3 * r + d] = row[0] * along[0][d] + row[1] * along[1][d] + row[2] * along[2][d];
            }
    });
}
