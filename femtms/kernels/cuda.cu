// The hot loops for NVIDIA GPUs; cuda.py launches them, cpu.py has the same functions for the CPU.  coarsen.cu and
// quadratic.cu go on.
//
// Every kernel is a grid-stride loop without shared memory or block synchronisation: one thread computes an output
// entry alone and in a fixed order, so results do not depend on the launch geometry, nor a column on its neighbours.

typedef long long int64;
typedef unsigned long long uint64;

#define FOR_EACH(index, count)                                             \
    for (int64 index = (int64)blockIdx.x * blockDim.x + threadIdx.x;       \
         index < (count); index += (int64)gridDim.x * blockDim.x)

static const double MU0_OVER_4PI = 1e-7;  // T m/A
static const double ON_THE_RIM = 1e-6;  // of a voxel: points so little outside a grid are in it

// --- the coil: A at points -------------------------------------------------------------------------------

extern "C" __global__ void dipole_potential(
    const int64 n, const double* points, const int64 d, const double* s, const double* m, double* a)
{
    FOR_EACH(i, n) {
        const double x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2];
        double ax = 0, ay = 0, az = 0;
        for (int64 e = 0; e < d; ++e) {
            const double rx = x - s[3 * e], ry = y - s[3 * e + 1], rz = z - s[3 * e + 2];
            const double v = rsqrt(rx * rx + ry * ry + rz * rz), w = v * v * v;
            ax += w * (m[3 * e + 1] * rz - m[3 * e + 2] * ry);
            ay += w * (m[3 * e + 2] * rx - m[3 * e] * rz);
            az += w * (m[3 * e] * ry - m[3 * e + 1] * rx);
        }
        a[3 * i] = MU0_OVER_4PI * ax;
        a[3 * i + 1] = MU0_OVER_4PI * ay;
        a[3 * i + 2] = MU0_OVER_4PI * az;
    }
}

extern "C" __global__ void current_potential(
    const int64 n, const double* points, const int64 d, const double* s, const double* dl, double* a)
{
    FOR_EACH(i, n) {
        const double x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2];
        double ax = 0, ay = 0, az = 0;
        for (int64 e = 0; e < d; ++e) {
            const double rx = x - s[3 * e], ry = y - s[3 * e + 1], rz = z - s[3 * e + 2];
            const double w = rsqrt(rx * rx + ry * ry + rz * rz);
            ax += w * dl[3 * e];
            ay += w * dl[3 * e + 1];
            az += w * dl[3 * e + 2];
        }
        a[3 * i] = MU0_OVER_4PI * ax;
        a[3 * i + 1] = MU0_OVER_4PI * ay;
        a[3 * i + 2] = MU0_OVER_4PI * az;
    }
}

// first of the four samples around x in an axis of n, and their weights
__device__ static int64 stencil(const double x, const int64 n, double* w)
{
    int64 first = (int64)floor(x) - 1;
    first = first < 0 ? 0 : first > n - 4 ? n - 4 : first;
    const double u = x - first;
    w[0] = -(u - 1) * (u - 2) * (u - 3) / 6;
    w[1] = u * (u - 2) * (u - 3) / 2;
    w[2] = -u * (u - 1) * (u - 3) / 2;
    w[3] = u * (u - 1) * (u - 2) / 6;
    return first;
}

extern "C" __global__ void cubic_potential(
    const int64 n, const double* points, const double* matrix, const double* offset, const int64 nx, const int64 ny,
    const int64 nz, const double* values, const double* rotation, double* a)
{
    FOR_EACH(p, n) {
        double index[3], own[3] = {0, 0, 0};
        int inside = 1;
        for (int d = 0; d < 3; ++d) {
            const double last = (double)((d == 0 ? nx : d == 1 ? ny : nz) - 1);
            double i = offset[d];
            for (int e = 0; e < 3; ++e) i += matrix[3 * d + e] * points[3 * p + e];
            index[d] = i < 0 ? 0 : i > last ? last : i;
            inside = inside && fabs(i - index[d]) <= ON_THE_RIM;  // not for NaN either
        }
        if (inside) {
            double wx[4], wy[4], wz[4];
            const int64 x = stencil(index[0], nx, wx), y = stencil(index[1], ny, wy), z = stencil(index[2], nz, wz);
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j)
                    for (int k = 0; k < 4; ++k) {
                        const double w = wx[i] * wy[j] * wz[k];
                        const double* v = values + 3 * (((x + i) * ny + y + j) * nz + z + k);
                        for (int c = 0; c < 3; ++c) own[c] += w * v[c];
                    }
        }
        for (int r = 0; r < 3; ++r)
            a[3 * p + r] = rotation[3 * r] * own[0] + rotation[3 * r + 1] * own[1] + rotation[3 * r + 2] * own[2];
    }
}

// --- points along a curve, and in boxes ------------------------------------------------------------------

// two zero bits between each two of the lowest 21 bits
__device__ static uint64 spread(uint64 bits)
{
    bits = (bits | (bits << 32)) & 0x1F00000000FFFFull;
    bits = (bits | (bits << 16)) & 0x1F0000FF0000FFull;
    bits = (bits | (bits << 8)) & 0x100F00F00F00F00Full;
    bits = (bits | (bits << 4)) & 0x10C30C30C30C30C3ull;
    return (bits | (bits << 2)) & 0x1249249249249249ull;
}

extern "C" __global__ void morton_codes(
    const int64 n, const double* points, const double* low, const double* size, const int bits, uint64* codes)
{
    const double cells = (double)(1ll << bits);
    FOR_EACH(i, n) {
        uint64 code = 0;
        for (int d = 0; d < 3; ++d) {
            const double x = (points[3 * i + d] - low[d]) / size[d] * cells;
            code |= spread((uint64)(x < cells - 1 ? x : cells - 1)) << d;
        }
        codes[i] = code;
    }
}

extern "C" __global__ void corners(
    const int64 ranges, const double* points, const int* order, const int64* starts, double* low, double* high)
{
    FOR_EACH(entry, 3 * ranges) {
        const int64 r = entry / 3, d = entry % 3;
        double lowest = points[3 * (int64)order[starts[r]] + d], highest = lowest;
        for (int64 s = starts[r] + 1; s < starts[r + 1]; ++s) {
            const double x = points[3 * (int64)order[s] + d];
            if (x < lowest) lowest = x;
            if (x > highest) highest = x;
        }
        low[entry] = lowest;
        high[entry] = highest;
    }
}

// --- the coil: A in boxes away from it ---------------------------------------------------------------------

extern "C" __global__ void turned(
    const int64 rows, const int64 each, const double* vectors, const double* origins, const double* matrices,
    const int64* which, double* out)
{
    FOR_EACH(i, rows * each) {
        const double* o = origins + 3 * which[i / each];
        const double* m = matrices + 9 * which[i / each];
        const double x = vectors[3 * i] - o[0], y = vectors[3 * i + 1] - o[1], z = vectors[3 * i + 2] - o[2];
        for (int d = 0; d < 3; ++d) out[3 * i + d] = x * m[d] + y * m[3 + d] + z * m[6 + d];
    }
}

// square of the distance to the nearest of each chunk of positions
extern "C" __global__ void nearest(
    const int64 n, const int64 d, const int64 chunks, const double* points, const double* s, double* squares)
{
    const int64 rows = (d + chunks - 1) / chunks;
    FOR_EACH(entry, n * chunks) {
        const double* point = points + 3 * (entry / chunks);
        const int64 first = rows * (entry % chunks), stop = first + rows < d ? first + rows : d;
        double least = 1.0 / 0.0;
        for (int64 e = first; e < stop; ++e) {
            const double x = point[0] - s[3 * e], y = point[1] - s[3 * e + 1], z = point[2] - s[3 * e + 2];
            const double r2 = x * x + y * y + z * z;
            if (r2 < least) least = r2;
        }
        squares[entry] = least;
    }
}

// the coefficients that fit samples on the sphere of a box; see cpu.py
extern "C" __global__ void fit_series(
    const int64 boxes, const int64 samples, const int64 terms, const double* a, const double* inverse,
    double* coefficients)
{
    FOR_EACH(entry, boxes * terms) {
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
    }
}

// and the squares of what is left of the samples
extern "C" __global__ void fit_residuals(
    const int64 boxes, const int64 samples, const int64 terms, const double* a, const double* harmonics,
    const double* coefficients, double* error)
{
    FOR_EACH(entry, boxes * samples) {
        const double* c = coefficients + 3 * terms * (entry / samples);
        double x = a[3 * entry], y = a[3 * entry + 1], z = a[3 * entry + 2];
        for (int64 j = 0; j < terms; ++j) {
            const double w = harmonics[samples * j + entry % samples];
            x -= w * c[3 * j];
            y -= w * c[3 * j + 1];
            z -= w * c[3 * j + 2];
        }
        error[entry] = x * x + y * y + z * z;
    }
}

// A from the series of solid harmonics of the box that each point is in, for one pose after the other; see cpu.py
extern "C" __global__ void harmonic_series(
    const int64 poses, const int64 n, const double* points, const int* order, const int64 ranges, const int64* starts,
    const int* owner, const double* centres, const double* radii, const int degree, const double* coefficients, double* a)
{
    const int64 terms = (degree + 1) * (degree + 2) / 2;
    FOR_EACH(row, poses * n) {
        int64 at = 0, above = ranges;  // starts[at] <= row < starts[above]
        while (above - at > 1) {
            const int64 middle = (at + above) / 2;
            if (starts[middle] <= row) at = middle;
            else above = middle;
        }
        const int64 i = order[row % n], b = owner[at];
        double ax = 0, ay = 0, az = 0;
        if (b >= 0) {
            const double x = (points[3 * i] - centres[3 * b]) / radii[b];
            const double y = (points[3 * i + 1] - centres[3 * b + 1]) / radii[b];
            const double z = (points[3 * i + 2] - centres[3 * b + 2]) / radii[b];
            const double r2 = x * x + y * y + z * z;
            const double* c = coefficients + 6 * terms * b;
            double re = 1, im = 0;  // (x + iy)^m
            for (int m = 0; m <= degree; ++m) {
                double q = 1, q_below = 0;
                double ux = 0, uy = 0, uz = 0, vx = 0, vy = 0, vz = 0;
                for (int l = m; l <= degree; ++l, c += 6) {
                    ux += c[0] * q;
                    uy += c[1] * q;
                    uz += c[2] * q;
                    vx += c[3] * q;
                    vy += c[4] * q;
                    vz += c[5] * q;
                    const double next = (2 * l + 1) * z * q - (l * l - m * m) * r2 * q_below;
                    q_below = q;
                    q = next;
                }
                ax += re * ux + im * vx;
                ay += re * uy + im * vy;
                az += re * uz + im * vz;
                const double turned = x * re - y * im;
                im = x * im + y * re;
                re = turned;
            }
        }
        double* out = a + 3 * (row / n * n + i);
        out[0] = ax;
        out[1] = ay;
        out[2] = az;
    }
}

// --- finite elements ---------------------------------------------------------------------------------------

// g[a] = V grad(lambda_a); returns V
__device__ static double volume_gradients(const double* nodes, const int* tet, double g[4][3])
{
    const double* x0 = nodes + 3 * (int64)tet[0];
    double e[3][3];
    for (int a = 0; a < 3; ++a)
        for (int d = 0; d < 3; ++d) e[a][d] = nodes[3 * (int64)tet[a + 1] + d] - x0[d];
    for (int a = 0; a < 3; ++a) {
        const double* p = e[(a + 1) % 3];
        const double* q = e[(a + 2) % 3];
        g[a + 1][0] = (p[1] * q[2] - p[2] * q[1]) / 6;
        g[a + 1][1] = (p[2] * q[0] - p[0] * q[2]) / 6;
        g[a + 1][2] = (p[0] * q[1] - p[1] * q[0]) / 6;
    }
    for (int d = 0; d < 3; ++d) g[0][d] = -(g[1][d] + g[2][d] + g[3][d]);
    return e[0][0] * g[1][0] + e[0][1] * g[1][1] + e[0][2] * g[1][2];
}

// out = sigma v, with 1 (isotropic) or 6 (xx, xy, xz, yy, yz, zz) components
__device__ static void apply_sigma(const int components, const double* s, const double* v, double* out)
{
    if (components == 1) {
        for (int d = 0; d < 3; ++d) out[d] = s[0] * v[d];
    } else {
        out[0] = s[0] * v[0] + s[1] * v[1] + s[2] * v[2];
        out[1] = s[1] * v[0] + s[3] * v[1] + s[4] * v[2];
        out[2] = s[2] * v[0] + s[4] * v[1] + s[5] * v[2];
    }
}

// where column c is, or would be, among ascending columns
__device__ static int place_of(const int c, const int* columns, const int count)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (columns[middle] < c) low = middle + 1;
        else high = middle;
    }
    return low;
}

// adds to the entry of column c of a row with ascending columns, or inserts it; returns how many there are then
__device__ static int add_to_row(const int c, const double value, int* columns, double* values, const int count)
{
    const int at = place_of(c, columns, count);
    if (at < count && columns[at] == c) {
        values[at] += value;
        return count;
    }
    for (int q = count; q > at; --q) {
        columns[q] = columns[q - 1];
        values[q] = values[q - 1];
    }
    columns[at] = c;
    values[at] = value;
    return count + 1;
}

// Distinct unknowns in the star of each, counted where they are named first.  Most are named again soon: looking back
// over the star is quicker than keeping a list.
template <int each>
__device__ static void row_lengths(
    const int64 n, const int* dofs, const int64* starts, const int* meeting, int64* lengths)
{
    FOR_EACH(i, n) {
        int64 count = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s)
            for (int a = 0; a < each; ++a) {
                const int j = dofs[each * (int64)meeting[s] + a];
                int64 first = each * starts[i];
                while (dofs[each * (int64)meeting[first / each] + first % each] != j) ++first;
                if (first == each * s + a) ++count;
            }
        lengths[i + 1] = count;
    }
}

extern "C" __global__ void stiffness_lengths(
    const int64 n, const int* tets, const int64* starts, const int* meeting, int64* lengths)
{
    row_lengths<4>(n, tets, starts, meeting, lengths);
}

extern "C" __global__ void stiffness_rows(
    const int64 n, const double* nodes, const int* tets, const int components, const double* sigma,
    const int64* starts, const int* meeting, const int* indptr, int* indices, double* values)
{
    FOR_EACH(i, n) {
        int count = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            const int64 t = meeting[s];
            double g[4][3], flux[3];
            const double volume = volume_gradients(nodes, tets + 4 * t, g);
            int own = 0;
            while (tets[4 * t + own] != i) ++own;
            for (int a = 0; a < 4; ++a) {
                apply_sigma(components, sigma + components * t, g[a], flux);
                const double k = (g[own][0] * flux[0] + g[own][1] * flux[1] + g[own][2] * flux[2]) / volume;
                count = add_to_row(tets[4 * t + a], k, indices + indptr[i], values + indptr[i], count);
            }
        }
    }
}

extern "C" __global__ void load(
    const int64 n, const double* nodes, const int* tets, const int components, const double* sigma,
    const double* dadt, const int64* starts, const int* meeting, double* b)
{
    FOR_EACH(i, n) {
        double g[4][3], flux[3], total = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            const int64 t = meeting[s];
            volume_gradients(nodes, tets + 4 * t, g);
            apply_sigma(components, sigma + components * t, dadt + 3 * t, flux);
            int own = 0;
            while (tets[4 * t + own] != i) ++own;
            total += g[own][0] * flux[0] + g[own][1] * flux[1] + g[own][2] * flux[2];
        }
        b[i] = -total;
    }
}

extern "C" __global__ void electric_field(
    const int64 m, const double* nodes, const int* tets, const double* dadt, const double* phi, double* E)
{
    FOR_EACH(t, m) {
        double g[4][3];
        const double volume = volume_gradients(nodes, tets + 4 * t, g);
        for (int d = 0; d < 3; ++d) {
            double gradient = 0;
            for (int a = 0; a < 4; ++a) gradient += phi[tets[4 * t + a]] * g[a][d];
            E[3 * t + d] = -dadt[3 * t + d] - gradient / volume;
        }
    }
}

// --- linear algebra on blocks of columns ---------------------------------------------------------------------

template <typename Real>
__device__ static Real row_times(
    const int* indptr, const int* indices, const Real* values, const Real* x, const int64 k, const int64 i, const int64 q)
{
    Real total = 0;
    for (int p = indptr[i]; p < indptr[i + 1]; ++p) total += values[p] * x[indices[p] * k + q];
    return total;
}

extern "C" __global__ void spmm_float32(
    const int64 rows, const int64 k, const int* indptr, const int* indices, const float* v, const float* x, float* out)
{
    FOR_EACH(entry, rows * k) out[entry] = row_times(indptr, indices, v, x, k, entry / k, entry % k);
}

extern "C" __global__ void spmm_float64(
    const int64 rows, const int64 k, const int* indptr, const int* indices, const double* v, const double* x, double* out)
{
    FOR_EACH(entry, rows * k) out[entry] = row_times(indptr, indices, v, x, k, entry / k, entry % k);
}

extern "C" __global__ void spmm_add(
    const int64 rows, const int64 k, const int* indptr, const int* indices, const float* v, const float* x, float* out)
{
    FOR_EACH(entry, rows * k) out[entry] += row_times(indptr, indices, v, x, k, entry / k, entry % k);
}

// b, z and out may be the same memory: every thread reads its entry before it writes it
extern "C" __global__ void relax(
    const int64 rows, const int64 k, const int* indptr, const int* indices, const float* v, const float wx,
    const float wb, const float wa, const float wz, const float* x, const float* b, const float* z, float* out)
{
    FOR_EACH(entry, rows * k) {
        const float ax = row_times(indptr, indices, v, x, k, entry / k, entry % k);
        out[entry] = ((wx * x[entry] + wb * b[entry]) + wa * ax) + wz * z[entry];
    }
}

// Sums over the rows of (n,k) arrays go in `chunks` partial sums; rows c, c + chunks, c + 2 chunks ... make chunk c, so
// that threads side by side read memory side by side.

template <typename Real>
__device__ static void partial_dots(
    const int64 n, const int64 k, const int64 chunks, const double* x, const Real* y, double* partial)
{
    FOR_EACH(entry, chunks * k) {
        double total = 0;
        for (int64 at = entry; at < n * k; at += chunks * k) total += y ? x[at] * y[at] : x[at];
        partial[entry] = total;
    }
}

// called again with y absent to add up the partial sums
extern "C" __global__ void partial_dots_float64(
    const int64 n, const int64 k, const int64 chunks, const double* x, const double* y, double* partial)
{
    partial_dots(n, k, chunks, x, y, partial);
}

extern "C" __global__ void partial_dots_float32(
    const int64 n, const int64 k, const int64 chunks, const double* x, const float* y, double* partial)
{
    partial_dots(n, k, chunks, x, y, partial);
}

extern "C" __global__ void advance(
    const int64 n, const int64 k, const int64 chunks, const double* alpha, const double* p, const double* ap, double* x,
    double* r, double* partial)
{
    FOR_EACH(entry, chunks * k) {
        const double a = alpha[entry % k];
        double total = 0;
        for (int64 at = entry; at < n * k; at += chunks * k) {
            x[at] += a * p[at];
            const double left = r[at] - a * ap[at];
            r[at] = left;
            total += left * left;
        }
        partial[entry] = total;
    }
}

extern "C" __global__ void turn(
    const int64 n, const int64 k, const double* scale, const double* beta, const float* z, double* p)
{
    FOR_EACH(entry, n * k) p[entry] = scale[entry % k] * z[entry] + beta[entry % k] * p[entry];
}

extern "C" __global__ void narrow(const int64 n, const int64 k, const double* scale, const double* r, float* out)
{
    FOR_EACH(entry, n * k) out[entry] = (float)(scale[entry % k] * r[entry]);
}
