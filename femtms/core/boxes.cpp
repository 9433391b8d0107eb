// Points along a curve, in boxes and in turned frames: for both devices.
#include "device.h"

// two zero bits between each two of the lowest 21 bits
SHARED uint64 spread(uint64 bits)
{
    bits = (bits | (bits << 32)) & 0x1F00000000FFFFull;
    bits = (bits | (bits << 16)) & 0x1F0000FF0000FFull;
    bits = (bits | (bits << 8)) & 0x100F00F00F00F00Full;
    bits = (bits | (bits << 4)) & 0x10C30C30C30C30C3ull;
    return (bits | (bits << 2)) & 0x1249249249249249ull;
}

// the place of each point on the Morton (Z-order) curve, which visits 2^bits cells in each direction
KERNEL morton_codes(
    const int64 n, const double* points /* n,3 */, const double* low /* 3 */, const double* size /* 3 */,
    const int bits, uint64* codes /* n */)
{
    const double cells = (double)(1ll << bits);
    for_each(n, [&](const int64 i) {
        uint64 code = 0;
        for (int d = 0; d < 3; ++d) {
            const double x = (points[3 * i + d] - low[d]) / size[d] * cells;
            code |= spread((uint64)(x < cells - 1 ? x : cells - 1)) << d;
        }
        codes[i] = code;
    });
}

// lowest and highest coordinates of the points order[starts[r]] ... order[starts[r+1] - 1]
KERNEL corners(
    const int64 ranges, const double* points, const int* order, const int64* starts /* ranges+1 */,
    double* low /* ranges,3 */, double* high /* ranges,3 */)
{
    for_each(3 * ranges, [&](const int64 entry) {
        const int64 r = entry / 3, d = entry % 3;
        double lowest = points[3 * (int64)order[starts[r]] + d], highest = lowest;
        for (int64 s = starts[r] + 1; s < starts[r + 1]; ++s) {
            const double x = points[3 * (int64)order[s] + d];
            if (x < lowest) lowest = x;
            if (x > highest) highest = x;
        }
        low[entry] = lowest;
        high[entry] = highest;
    });
}

// (v - o) M with the origin o and the matrix M of each row
KERNEL turned(
    const int64 rows, const int64 each, const double* vectors /* rows,each,3 */, const double* origins /* k,3 */,
    const double* matrices /* k,3,3 */, const int64* which /* rows */, double* out /* rows,each,3 */)
{
    for_each(rows * each, [&](const int64 i) {
        const double* o = origins + 3 * which[i / each];
        const double* m = matrices + 9 * which[i / each];
        const double x = vectors[3 * i] - o[0], y = vectors[3 * i + 1] - o[1], z = vectors[3 * i + 2] - o[2];
        for (int d = 0; d < 3; ++d) out[3 * i + d] = x * m[d] + y * m[3 + d] + z * m[6 + d];
    });
}

// square of the distance to the nearest of each chunk of positions
KERNEL nearest(
    const int64 n, const int64 d, const int64 chunks, const double* points /* n,3 */, const double* s /* d,3 */,
    double* squares /* n,chunks */)
{
    const int64 rows = (d + chunks - 1) / chunks;
    for_each(n * chunks, [&](const int64 entry) {
        const double* point = points + 3 * (entry / chunks);
        const int64 first = rows * (entry % chunks), stop = first + rows < d ? first + rows : d;
        double least = INFINITE;
        for (int64 e = first; e < stop; ++e) {
            const double x = point[0] - s[3 * e], y = point[1] - s[3 * e + 1], z = point[2] - s[3 * e + 2];
            const double r2 = x * x + y * y + z * z;
            if (r2 < least) least = r2;
        }
        squares[entry] = least;
    });
}
