// A of a coil on the CPU: loops over LANES points, or over the terms of a sum, of which the compiler makes vector
// instructions.  A GPU has a thread for each (potentials.cu).  Sums are made in the same order.
#include <algorithm>
#include <vector>

#include "lanes.h"
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

// A of the points order[0] ... order[count-1], WIDTH at a time, from a series of solid harmonics: theory.md (19, 20);
// out (n,3)
VECTORISED static void series(
    const int64 count, const int* RESTRICT order, const double* RESTRICT points, const double* centre,
    const double radius, const int degree, const double* RESTRICT coefficients, double* RESTRICT out)
{
    for (int64 first = 0; first < count; first += WIDTH) {
        const int* rows = order + first;
        const int64 some = std::min(count - first, (int64)WIDTH);
        Lanes x, y, z;
        for (int k = 0; k < WIDTH; ++k) {
            const double* point = points + 3 * (int64)rows[std::min((int64)k, some - 1)];
            x[k] = (point[0] - centre[0]) / radius;
            y[k] = (point[1] - centre[1]) / radius;
            z[k] = (point[2] - centre[2]) / radius;
        }
        const double* c = coefficients;
        const Lanes r2 = x * x + y * y + z * z, zero = all(0);
        Lanes re = all(1), im = zero, ax = zero, ay = zero, az = zero;  // (x + iy)^m, and A
        for (int m = 0; m <= degree; ++m) {
            Lanes q = all(1), q_below = zero, ux = zero, uy = zero, uz = zero, vx = zero, vy = zero, vz = zero;
            for (int l = m; l <= degree; ++l, c += 6) add_degree(l, m, c, z, r2, q, q_below, ux, uy, uz, vx, vy, vz);
            add_order(x, y, ux, uy, uz, vx, vy, vz, re, im, ax, ay, az);
        }
        for (int64 k = 0; k < some; ++k) {
            double* a = out + 3 * (int64)rows[k];
            a[0] = ax[k], a[1] = ay[k], a[2] = az[k];
        }
    }
}

KERNEL harmonic_series(
    const int64 poses, const int64 n, const double* points /* n,3 */, const int* order /* n */, const int64 ranges,
    const int64* starts /* ranges+1 */, const int* owner /* ranges */, const double* centres /* b,3 */,
    const double* radii /* b */, const int* degrees /* b */, const int64* firsts /* b */,
    const double* coefficients /* c,2,3 */, double* a /* poses,n,3 */)
{
    const int64 tasks = (n + ROWS - 1) / ROWS;  // of each pose
    for_each_task(poses * tasks, [&](const int64 task) {
        const int64 pose = task / tasks;
        int64 begin = pose * n + task % tasks * ROWS;
        const int64 end = std::min(pose * n + n, begin + ROWS);
        int64 at = std::upper_bound(starts, starts + ranges + 1, begin) - starts - 1;
        double* out = a + 3 * pose * n;
        while (begin < end) {
            while (starts[at + 1] <= begin) ++at;
            const int64 count = std::min(end, starts[at + 1]) - begin, b = owner[at];
            const int* rows = order + (begin - pose * n);
            if (b >= 0) {
                const double* c = coefficients + 6 * firsts[b];
                series(count, rows, points, centres + 3 * b, radii[b], degrees[b], c, out);
            } else {
                for (int64 k = 0; k < count; ++k)
                    for (int d = 0; d < 3; ++d) out[3 * (int64)rows[k] + d] = 0;
            }
            begin += count;
        }
    });
}
