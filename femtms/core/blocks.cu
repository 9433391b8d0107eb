// Linear algebra on blocks of columns (n,k) on a GPU: a thread for each entry.
#include "blocks.h"

template <typename Real>
SHARED Real row_times(
    const int* indptr, const int* indices, const Real* values, const Real* x, const int64 k, const int64 i,
    const int64 q)
{
    Real total = 0;
    for (int p = indptr[i]; p < indptr[i + 1]; ++p) total += values[p] * x[indices[p] * k + q];
    return total;
}

KERNEL spmm_float32(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float* x /* c,k */, float* out /* rows,k */)
{
    for_each(rows * k, [&](const int64 at) { out[at] = row_times(indptr, indices, v, x, k, at / k, at % k); });
}

KERNEL spmm_float64(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */,
    const double* v /* e */, const double* x /* c,k */, double* out /* rows,k */)
{
    for_each(rows * k, [&](const int64 at) { out[at] = row_times(indptr, indices, v, x, k, at / k, at % k); });
}

KERNEL spmm_add(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float* x /* c,k */, float* out /* rows,k */)
{
    for_each(rows * k, [&](const int64 at) { out[at] += row_times(indptr, indices, v, x, k, at / k, at % k); });
}

// b, z and out may be the same memory: every thread reads its entry before it writes it
KERNEL relax(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float wx, const float wb, const float wa, const float wz, const float* x /* rows,k */,
    const float* b /* rows,k */, const float* z /* rows,k */, float* out /* rows,k */)
{
    const Step step = {wx, wb, wa, wz};
    for_each(rows * k, [&](const int64 at) {
        out[at] = step(x[at], b[at], row_times(indptr, indices, v, x, k, at / k, at % k), z[at]);
    });
}

// Sums over the rows of (n,k) arrays go in `chunks` partial sums; rows c, c + chunks, c + 2 chunks ... make chunk c, so
// that threads side by side read memory side by side.
template <typename Real>
SHARED void dots_in_chunks(
    const int64 n, const int64 k, const int64 chunks, const double* x, const Real* y, double* partial)
{
    for_each(chunks * k, [&](const int64 entry) {
        double total = 0;
        for (int64 at = entry; at < n * k; at += chunks * k) total += y ? x[at] * y[at] : x[at];
        partial[entry] = total;
    });
}

// called again with y absent to add up the partial sums
KERNEL partial_dots_float64(
    const int64 n, const int64 k, const int64 chunks, const double* x /* n,k */, const double* y /* n,k? */,
    double* partial /* chunks,k */)
{
    dots_in_chunks(n, k, chunks, x, y, partial);
}

KERNEL partial_dots_float32(
    const int64 n, const int64 k, const int64 chunks, const double* x /* n,k */, const float* y /* n,k */,
    double* partial /* chunks,k */)
{
    dots_in_chunks(n, k, chunks, x, y, partial);
}

KERNEL advance(
    const int64 n, const int64 k, const int64 chunks, const double* alpha /* k */, const double* p /* n,k */,
    const double* ap /* n,k */, double* x /* n,k */, double* r /* n,k */, double* partial /* chunks,k */)
{
    for_each(chunks * k, [&](const int64 entry) {
        double total = 0;
        for (int64 at = entry; at < n * k; at += chunks * k)
            total += advanced(alpha[entry % k], p[at], ap[at], x[at], r[at]);
        partial[entry] = total;
    });
}

KERNEL turn(
    const int64 n, const int64 k, const double* scale /* k */, const double* beta /* k */, const float* z /* n,k */,
    double* p /* n,k */)
{
    for_each(n * k, [&](const int64 at) { p[at] = scale[at % k] * z[at] + beta[at % k] * p[at]; });
}

KERNEL narrow(
    const int64 n, const int64 k, const double* scale /* k */, const double* r /* n,k */, float* out /* n,k */)
{
    for_each(n * k, [&](const int64 at) { out[at] = (float)(scale[at % k] * r[at]); });
}
