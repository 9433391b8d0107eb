// A of a coil on a GPU: a thread for each point, or for each sum.
#include "sources.h"

KERNEL dipole_potential(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* s /* d,3 */, const double* m /* d,3 */,
    double* a /* n,3 */)
{
    for_each(n, [&](const int64 i) {
        double ax = 0, ay = 0, az = 0;
        for (int64 e = 0; e < d; ++e)
            add_dipole(points[3 * i], points[3 * i + 1], points[3 * i + 2], s + 3 * e, m + 3 * e, ax, ay, az);
        a[3 * i] = MU0_OVER_4PI * ax;
        a[3 * i + 1] = MU0_OVER_4PI * ay;
        a[3 * i + 2] = MU0_OVER_4PI * az;
    });
}

KERNEL current_potential(
    const int64 n, const double* points /* n,3 */, const int64 d, const double* s /* d,3 */, const double* dl /* d,3 */,
    double* a /* n,3 */)
{
    for_each(n, [&](const int64 i) {
        double ax = 0, ay = 0, az = 0;
        for (int64 e = 0; e < d; ++e)
            add_current(points[3 * i], points[3 * i + 1], points[3 * i + 2], s + 3 * e, dl + 3 * e, ax, ay, az);
        a[3 * i] = MU0_OVER_4PI * ax;
        a[3 * i + 1] = MU0_OVER_4PI * ay;
        a[3 * i + 2] = MU0_OVER_4PI * az;
    });
}

KERNEL fit_series(
    const int64 boxes, const int64 samples, const int64 terms, const double* a /* boxes,samples,3 */,
    const double* inverse /* samples,terms */, double* coefficients /* boxes,terms,3 */)
{
    for_each(boxes * terms, [&](const int64 entry) {
        const double* sample = a + 3 * samples * (entry / terms);
        double cx = 0, cy = 0, cz = 0;
        for (int64 s = 0; s < samples; ++s) {
            const double w = inverse[terms * s + entry % terms];
            cx += w * sample[3 * s];
            cy += w * sample[3 * s + 1];
            cz += w * sample[3 * s + 2];
        }
        coefficients[3 * entry] = cx;
        coefficients[3 * entry + 1] = cy;
        coefficients[3 * entry + 2] = cz;
    });
}

KERNEL fit_residuals(
    const int64 boxes, const int64 samples, const int64 terms, const double* a /* boxes,samples,3 */,
    const double* harmonics /* terms,samples */, const double* coefficients /* boxes,terms,3 */,
    double* error /* boxes,samples */)
{
    for_each(boxes * samples, [&](const int64 entry) {
        const double* c = coefficients + 3 * terms * (entry / samples);
        double x = a[3 * entry], y = a[3 * entry + 1], z = a[3 * entry + 2];
        for (int64 j = 0; j < terms; ++j) {
            const double w = harmonics[samples * j + entry % samples];
            x -= w * c[3 * j];
            y -= w * c[3 * j + 1];
            z -= w * c[3 * j + 2];
        }
        error[entry] = x * x + y * y + z * z;
    });
}

KERNEL harmonic_series(
    const int64 poses, const int64 n, const double* points /* n,3 */, const int* order /* n */, const int64 ranges,
    const int64* starts /* ranges+1 */, const int* owner /* ranges */, const double* centres /* b,3 */,
    const double* radii /* b */, const int* degrees /* b */, const int64* firsts /* b */,
    const double* coefficients /* c,2,3 */, double* a /* poses,n,3 */)
{
    for_each(poses * n, [&](const int64 row) {
        int64 at = 0, above = ranges;  // starts[at] <= row < starts[above]
        while (above - at > 1) {
            const int64 middle = (at + above) / 2;
            if (starts[middle] <= row)
                at = middle;
            else
                above = middle;
        }
        const int64 i = order[row % n], b = owner[at];
        double ax = 0, ay = 0, az = 0;
        if (b >= 0) {
            const double x = (points[3 * i] - centres[3 * b]) / radii[b];
            const double y = (points[3 * i + 1] - centres[3 * b + 1]) / radii[b];
            const double z = (points[3 * i + 2] - centres[3 * b + 2]) / radii[b];
            const double r2 = x * x + y * y + z * z;
            const double* c = coefficients + 6 * firsts[b];
            const int degree = degrees[b];
            double re = 1, im = 0;  // (x + iy)^m
            for (int m = 0; m <= degree; ++m) {
                double q = 1, q_below = 0;
                double ux = 0, uy = 0, uz = 0, vx = 0, vy = 0, vz = 0;
                for (int l = m; l <= degree; ++l, c += 6)
                    add_degree(l, m, c, z, r2, q, q_below, ux, uy, uz, vx, vy, vz);
                add_order(x, y, ux, uy, uz, vx, vy, vz, re, im, ax, ay, az);
            }
        }
        double* out = a + 3 * (row / n * n + i);
        out[0] = ax;
        out[1] = ay;
        out[2] = az;
    });
}
