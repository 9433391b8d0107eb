// Points of grids and tetrahedra: only meshing, checks and maps need them, so they exist for the CPU alone.
#include <algorithm>
#include <cmath>

#include "tetrahedron.h"

// values at x in voxel indices; `outside` beyond the samples
KERNEL trilinear(
    const int64 n, const double* x /* n,3 */, const int64 nx, const int64 ny, const int64 nz,
    const float* volume /* nx,ny,nz */, const float outside, float* values /* n */)
{
    for_each(n, [&](const int64 i) {
        const double* p = x + 3 * i;
        const bool low = (p[0] >= 0) & (p[1] >= 0) & (p[2] >= 0);  // not for NaN either
        if (!(low & (p[0] < nx - 1) & (p[1] < ny - 1) & (p[2] < nz - 1))) {
            values[i] = outside;
            return;
        }
        const int64 a = (int64)p[0], b = (int64)p[1], c = (int64)p[2];
        const double u = p[0] - a, v = p[1] - b, w = p[2] - c;
        const float* f = volume + (a * ny + b) * nz + c;
        const auto along_z = [&](const float* at) { return (1 - w) * at[0] + w * at[1]; };
        const auto along_y = [&](const float* at) { return (1 - v) * along_z(at) + v * along_z(at + nz); };
        values[i] = (float)((1 - u) * along_y(f) + u * along_y(f + ny * nz));
    });
}

// The lowest tetrahedron at each grid point goes to owner, which comes with -1; x in grid indices.  Each thread has a
// slab of the grid and looks at all tetrahedra.
KERNEL rasterise_tets(
    const double* x /* n,3 */, const int64 m, const int* tets /* m,4 */, const int64 nx, const int64 ny, const int64 nz,
    int* owner /* nx,ny,nz */)
{
    const double ROUNDING = 1e-9;
    for_parts(nx, threads(), [&](int64, const int64 begin, const int64 end) {
        const int64 first[3] = {begin, 0, 0}, last[3] = {end - 1, ny - 1, nz - 1};
        for (int64 t = 0; t < m; ++t) {
            const int* tet = tets + 4 * t;
            int64 low[3], high[3];
            bool meets = true;
            for (int d = 0; d < 3 && meets; ++d) {
                const double c[4] = {
                    x[3 * (int64)tet[0] + d], x[3 * (int64)tet[1] + d], x[3 * (int64)tet[2] + d],
                    x[3 * (int64)tet[3] + d]};
                const double least = std::ceil(std::min(std::min(c[0], c[1]), std::min(c[2], c[3])) - ROUNDING);
                const double most = floor(std::max(std::max(c[0], c[1]), std::max(c[2], c[3])) + ROUNDING);
                meets = least <= most && least <= last[d] && most >= first[d];
                if (!meets) break;
                low[d] = (int64)std::max(least, (double)first[d]);
                high[d] = (int64)std::min(most, (double)last[d]);
            }
            if (!meets) continue;
            double g[4][3];
            const double volume = six_volume_gradients(x, tet, g);
            const double* x0 = x + 3 * (int64)tet[0];
            for (int64 i = low[0]; i <= high[0]; ++i)
                for (int64 j = low[1]; j <= high[1]; ++j)
                    for (int64 k = low[2]; k <= high[2]; ++k) {
                        int& own = owner[(i * ny + j) * nz + k];
                        if (own >= 0) continue;
                        const double r[3] = {i - x0[0], j - x0[1], k - x0[2]};
                        const double a = dot(g[1], r) / volume, b = dot(g[2], r) / volume, c = dot(g[3], r) / volume;
                        const bool inside = a >= -ROUNDING && b >= -ROUNDING && c >= -ROUNDING;
                        if (inside && a + b + c <= 1 + ROUNDING) own = (int)t;
                    }
        }
    });
}
