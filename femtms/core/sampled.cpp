// A that is sampled on a grid, at points: for both devices.
//
// The stencil is local.  A spline through all samples would be smoother and more exact where A is smooth, but where the
// grid holds the coil, the huge values near a wire would ring through many voxels around.
#include "sampled.h"

KERNEL cubic_potential(
    const int64 n, const double* points /* n,3 */, const double* matrix /* 3,3 */, const double* offset /* 3 */,
    const int64 nx, const int64 ny, const int64 nz, const double* values /* nx,ny,nz,3 */,
    const double* rotation /* 3,3 */, double* a /* n,3 */)
{
    for_each(n, [&](const int64 p) {
        const int64 shape[3] = {nx, ny, nz};
        const Stencil s = stencil_at(points + 3 * p, matrix, offset, shape);
        double own[3] = {0, 0, 0};
        if (s.inside)
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j)
                    for (int k = 0; k < 4; ++k) {
                        const double w = s.w[0][i] * s.w[1][j] * s.w[2][k];
                        const double* v = sample(s, shape, values, i, j, k);
                        for (int c = 0; c < 3; ++c) own[c] += w * v[c];
                    }
        for (int r = 0; r < 3; ++r) {
            const double* row = rotation + 3 * r;
            a[3 * p + r] = row[0] * own[0] + row[1] * own[1] + row[2] * own[2];
        }
    });
}
