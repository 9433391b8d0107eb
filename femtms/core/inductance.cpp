// Self-inductance of wires: only reports need it, so it exists for the CPU alone.
#include <algorithm>

#include "device.h"

// Sums over all elements of dl·dl'/√(r² + e²): theory.md (29), with e² of the table where both u, along the width, and
// v, along the height, are within reach
KERNEL neumann_sums(
    const int64 n, const double* positions /* n,3 */, const double* vectors /* n,3 */, const double* axes /* n,3 */,
    const double width, const double height, const double reach, const int64 steps,
    const double* table /* steps,steps */, double* sums /* n */)
{
    const double far = (height * height - width * width) / 6;
    const int64 last = steps - 1;
    for_each_task(n, [&](const int64 i) {
        const double *own = vectors + 3 * i, *axis = axes + 3 * i;
        const double length = sqrt(own[0] * own[0] + own[1] * own[1] + own[2] * own[2]);
        double sum = 0;
        for (int64 j = 0; j < n; ++j) {
            const double x = positions[3 * i] - positions[3 * j], y = positions[3 * i + 1] - positions[3 * j + 1];
            const double z = positions[3 * i + 2] - positions[3 * j + 2];
            const double r2 = x * x + y * y + z * z;
            const double v = fabs(x * axis[0] + y * axis[1] + z * axis[2]);
            const double t = (x * own[0] + y * own[1] + z * own[2]) / length;
            const double u = sqrt(std::max(r2 - v * v - t * t, 0.0));
            double e2;
            if (u < reach && v < reach) {
                double a = last * sqrt(u / reach), b = last * sqrt(v / reach);
                const int64 m = std::min((int64)a, last - 1), k = std::min((int64)b, last - 1);
                // linear in u and v, between the nodes at the squares of m and k
                a = (a * a - m * m) / (2 * m + 1), b = (b * b - k * k) / (2 * k + 1);
                const double *here = table + m * steps + k, *next = here + steps;
                e2 = (1 - a) * ((1 - b) * here[0] + b * here[1]) + a * ((1 - b) * next[0] + b * next[1]);
            } else {
                e2 = far * (u * u - v * v) / (u * u + v * v);  // the next term falls with the square of the distance
            }
            const double* other = vectors + 3 * j;
            sum += (own[0] * other[0] + own[1] * other[1] + own[2] * other[2]) / sqrt(r2 + e2);
        }
        sums[i] = sum;
    });
}
