// Triangle surfaces to pixels: only pictures need it, so it exists for the CPU alone.
#include <algorithm>
#include <cmath>

#include "vector.h"

// Draw triangles: the sample nearest the viewer wins, of those as near the first.
//
// xyz: column, row (in samples, centres at +0.5) and depth.  Each task has a band of rows and looks at all triangles.
KERNEL draw_triangles(
    const double* xyz /* n,3 */, const int64 f, const int* faces /* f,3 */, const int64 q, const double* inks /* n,q */,
    const int64 rows, const int64 columns, double* depth /* rows,columns */, float* out /* rows,columns,q */)
{
    const int64 BAND = 128;
    for_each_task((rows + BAND - 1) / BAND, [&](const int64 band) {
        const double top = (double)(band * BAND), bottom = (double)(std::min(rows, (band + 1) * BAND) - 1);
        for (int64 t = 0; t < f; ++t) {
            const int* face = faces + 3 * t;
            const Vector a = vector_at(xyz, face[0]), b = vector_at(xyz, face[1]), c = vector_at(xyz, face[2]);
            const double area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
            if (!(fabs(area) > 0)) continue;  // seen edge-on
            const double first = std::max(std::ceil(std::min({a[1], b[1], c[1]}) - 0.5), top);
            const double last = std::min(std::trunc(std::max({a[1], b[1], c[1]}) - 0.5), bottom);
            if (first > last) continue;
            const double left = std::max(std::ceil(std::min({a[0], b[0], c[0]}) - 0.5), 0.0);
            const double right = std::min(std::trunc(std::max({a[0], b[0], c[0]}) - 0.5), columns - 1.0);
            for (int64 i = (int64)first; i <= (int64)last; ++i)
                for (int64 j = (int64)left; j <= (int64)right; ++j) {
                    const double x = (double)j + 0.5, y = (double)i + 0.5;
                    const double wa = ((b[0] - x) * (c[1] - y) - (c[0] - x) * (b[1] - y)) / area;
                    const double wb = ((c[0] - x) * (a[1] - y) - (a[0] - x) * (c[1] - y)) / area;
                    const double wc = 1 - wa - wb;
                    if (wa < -1e-9 || wb < -1e-9 || wc < -1e-9) continue;
                    const double z = wa * a[2] + wb * b[2] + wc * c[2];
                    const int64 at = i * columns + j;
                    if (!(z > depth[at])) continue;
                    depth[at] = z;
                    for (int64 k = 0; k < q; ++k)
                        out[q * at + k] = (float)(wa * inks[q * face[0] + k] + wb * inks[q * face[1] + k] +
                                                  wc * inks[q * face[2] + k]);
                }
        }
    });
}
