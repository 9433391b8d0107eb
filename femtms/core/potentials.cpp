// A of a coil on the CPU: loops over LANES points, or over the terms of a sum, of which the compiler makes vector
// instructions.  A GPU has a thread for each (potentials.cu).  Sums are made in the same order.
#include <algorithm>
#include <vector>

#include "sources.h"

static const int LANES = 16;  // points that are treated together

// add(x, y, z, position, vector, ax, ay, az) is add_dipole or add_current
template <typename Add>
INLINED void potential(
    const int64 begin, const int64 end, const double* RESTRICT points, const int64 d, const double* RESTRICT s,
    const double* RESTRICT vectors, double* RESTRICT a, const Add& add)
{
    for (int64 first = begin; first < end; first += LANES) {
        double x[LANES], y[LANES], z[LANES], ax[LANES], ay[LANES], az[LANES];
        for (int q = 0; q < LANES; ++q) {
            const int64 i = std::min(first + q, end - 1);
            x[q] = points[3 * i], y[q] = points[3 * i + 1], z[q] = points[3 * i + 2];
            ax[q] = ay[q] = az[q] = 0;
        }
        for (int64 e = 0; e < d; ++e)
            for (int q = 0; q < LANES; ++q) add(x[q], y[q], z[q], s + 3 * e, vectors + 3 * e, ax[q], ay[q], az[q]);
        for (int64 i = first; i < std::min(first + LANES, end); ++i) {
            a[3 * i] = MU0_OVER_4PI * ax[i - first];
            a[3 * i + 1] = MU0_OVER_4PI * ay[i - first];
            a[3 * i + 2] = MU0_OVER_4PI * az[i - first];
        }
    }
}

VECTORISED static void of_dipoles(
    const int64 begin, const int64 end, const double* points, const int64 d, const double* s, const double* m,
    double* a)
{
    potential(begin, end, points, d, s, m, a, add_dipole);
}

VECTORISED static void of_currents(
    const int64 begin, const int64 end, const double* points, const int64 d, const double* s, const double* dl,
    double* a)
{
    potential(begin, end, points, d, s, dl, a, add_current);
}

KERNEL dipole_potential(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* s /* d,3 */, const double* m /* d,3 */,
    double* a /* n,3 */)
{
    for_ranges(n, [&](const int64 begin, const int64 end) { of_dipoles(begin, end, points, d, s, m, a); });
}

KERNEL current_potential(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* s /* d,3 */, const double* dl /* d,3 */,
    double* a /* n,3 */)
{
    for_ranges(n, [&](const int64 begin, const int64 end) { of_currents(begin, end, points, d, s, dl, a); });
}

// The coefficients c = `inverse`ᵀ a that fit samples a on the sphere of each box: theory.md (20, 21).
VECTORISED static void fit(
    const int64 samples, const int64 terms, const double* RESTRICT a, const double* RESTRICT inverse,
    double* RESTRICT cx, double* RESTRICT cy, double* RESTRICT cz)
{
    for (int64 s = 0; s < samples; ++s)
        for (int64 j = 0; j < terms; ++j) {
            cx[j] += inverse[terms * s + j] * a[3 * s];
            cy[j] += inverse[terms * s + j] * a[3 * s + 1];
            cz[j] += inverse[terms * s + j] * a[3 * s + 2];
        }
}

KERNEL fit_series(
    const int64 boxes, const int64 samples, const int64 terms, const double* a /* boxes,samples,3 */,
    const double* inverse /* samples,terms */, double* coefficients /* boxes,terms,3 */)
try {
    for_each_task(boxes, [&](const int64 b) {
        std::vector<double> c(3 * terms);
        fit(samples, terms, a + 3 * samples * b, inverse, c.data(), c.data() + terms, c.data() + 2 * terms);
        for (int64 j = 0; j < terms; ++j)
            for (int64 d = 0; d < 3; ++d) coefficients[3 * (terms * b + j) + d] = c[terms * d + j];
    });
}
KEEP_FAILURE

// The square of the length of what is left, a - `harmonics`ᵀ c.
VECTORISED static void residuals(
    const int64 samples, const int64 terms, const double* RESTRICT harmonics, const double* RESTRICT c,
    double* RESTRICT x, double* RESTRICT y, double* RESTRICT z, double* RESTRICT error)
{
    for (int64 j = 0; j < terms; ++j)
        for (int64 s = 0; s < samples; ++s) {
            x[s] -= harmonics[samples * j + s] * c[3 * j];
            y[s] -= harmonics[samples * j + s] * c[3 * j + 1];
            z[s] -= harmonics[samples * j + s] * c[3 * j + 2];
        }
    for (int64 s = 0; s < samples; ++s) error[s] = x[s] * x[s] + y[s] * y[s] + z[s] * z[s];
}

KERNEL fit_residuals(
    const int64 boxes, const int64 samples, const int64 terms, const double* a /* boxes,samples,3 */,
    const double* harmonics /* terms,samples */, const double* coefficients /* boxes,terms,3 */,
    double* error /* boxes,samples */)
try {
    for_each_task(boxes, [&](const int64 b) {
        std::vector<double> left(3 * samples);
        for (int64 s = 0; s < samples; ++s)
            for (int64 d = 0; d < 3; ++d) left[samples * d + s] = a[3 * (samples * b + s) + d];
        double* x = left.data();
        residuals(
            samples, terms, harmonics, coefficients + 3 * terms * b, x, x + samples, x + 2 * samples,
            error + samples * b);
    });
}
KEEP_FAILURE

// A of LANES points in a box from its series of solid harmonics: theory.md (19, 20)
VECTORISED static void series(
    const int degree, const double* RESTRICT c, const double* RESTRICT x, const double* RESTRICT y,
    const double* RESTRICT z, double* RESTRICT ax, double* RESTRICT ay, double* RESTRICT az)
{
    double r2[LANES], re[LANES], im[LANES], q[LANES], below[LANES];
    double ux[LANES], uy[LANES], uz[LANES], vx[LANES], vy[LANES], vz[LANES];
    for (int k = 0; k < LANES; ++k) {
        r2[k] = x[k] * x[k] + y[k] * y[k] + z[k] * z[k];
        re[k] = 1, im[k] = 0;  // (x + iy)^m
        ax[k] = ay[k] = az[k] = 0;
    }
    for (int m = 0; m <= degree; ++m) {
        for (int k = 0; k < LANES; ++k) {
            q[k] = 1, below[k] = 0;
            ux[k] = uy[k] = uz[k] = vx[k] = vy[k] = vz[k] = 0;
        }
        for (int l = m; l <= degree; ++l, c += 6)
            for (int k = 0; k < LANES; ++k)
                add_degree(l, m, c, z[k], r2[k], q[k], below[k], ux[k], uy[k], uz[k], vx[k], vy[k], vz[k]);
        for (int k = 0; k < LANES; ++k)
            add_order(x[k], y[k], ux[k], uy[k], uz[k], vx[k], vy[k], vz[k], re[k], im[k], ax[k], ay[k], az[k]);
    }
}

KERNEL harmonic_series(
    const int64 poses, const int64 n, const double* points /* n,3 */, const int* order /* n */, const int64 ranges,
    const int64* starts /* ranges+1 */, const int* owner /* ranges */, const double* centres /* b,3 */,
    const double* radii /* b */, const int degree, const double* coefficients, double* a /* poses,n,3 */)
{
    const int64 terms = (degree + 1) * (degree + 2) / 2, tasks = (n + ROWS - 1) / ROWS;  // of each pose
    for_each_task(poses * tasks, [&](const int64 task) {
        const int64 pose = task / tasks;
        int64 begin = pose * n + task % tasks * ROWS;
        const int64 end = std::min(pose * n + n, begin + ROWS);
        int64 at = std::upper_bound(starts, starts + ranges + 1, begin) - starts - 1;
        while (begin < end) {
            while (starts[at + 1] <= begin) ++at;
            const int64 count = std::min(std::min(end, starts[at + 1]), begin + LANES) - begin, b = owner[at];
            double x[LANES], y[LANES], z[LANES], ax[LANES] = {}, ay[LANES] = {}, az[LANES] = {};
            const int* rows = order + (begin - pose * n);
            if (b >= 0) {
                for (int64 k = 0; k < LANES; ++k) {
                    const double* point = points + 3 * (int64)rows[std::min(k, count - 1)];
                    x[k] = (point[0] - centres[3 * b]) / radii[b];
                    y[k] = (point[1] - centres[3 * b + 1]) / radii[b];
                    z[k] = (point[2] - centres[3 * b + 2]) / radii[b];
                }
                series(degree, coefficients + 6 * terms * b, x, y, z, ax, ay, az);
            }
            for (int64 k = 0; k < count; ++k) {
                double* out = a + 3 * (pose * n + rows[k]);
                out[0] = ax[k], out[1] = ay[k], out[2] = az[k];
            }
            begin += count;
        }
    });
}
