// Linear algebra on blocks of columns (n,k) on the CPU: a row at a time, its columns side by side in vector registers.
// A GPU has a thread for each entry (blocks.cu).
//
// Every column is treated alike, whatever k is: its bits do not depend on its neighbours in the block.  Sums over rows
// are made in tasks of ROWS, and these are added one after the other: bits do not depend on threads.
#include <algorithm>

#include "blocks.h"

// total[q] = Σ_p values[p] x[indices[p],q] for `width` columns.  Four entries at a time: fewer sums wait for each
// other.
template <int width, typename Real>
INLINED void row_times_columns(
    const int begin, const int end, const int* RESTRICT indices, const Real* RESTRICT values, const Real* RESTRICT x,
    const int64 k, Real* RESTRICT total)
{
    for (int q = 0; q < width; ++q) total[q] = 0;
    int p = begin;
    for (; p + 4 <= end; p += 4) {
        const Real a = values[p], b = values[p + 1], c = values[p + 2], d = values[p + 3];
        const Real *xa = x + indices[p] * k, *xb = x + indices[p + 1] * k;
        const Real *xc = x + indices[p + 2] * k, *xd = x + indices[p + 3] * k;
        for (int q = 0; q < width; ++q) total[q] += (a * xa[q] + b * xb[q]) + (c * xc[q] + d * xd[q]);
    }
    for (; p < end; ++p)
        for (int q = 0; q < width; ++q) total[q] += values[p] * x[indices[p] * k + q];
}

// use(at, q, total) with the entry of A X in row i and each column q from `first` on, where at = ik + q.  Columns go in
// groups of 16, 8, 4, 2 and 1, whose sums stay in registers; the row is read once for each.
template <int width, typename Real, typename Use>
INLINED void row_times(
    const int64 i, const int64 first, const int64 k, const int* RESTRICT indptr, const int* RESTRICT indices,
    const Real* RESTRICT values, const Real* RESTRICT x, const Use& use)
{
    int64 column = first;
    for (; column + width <= k; column += width) {
        Real total[width];
        row_times_columns<width>(indptr[i], indptr[i + 1], indices, values, x + column, k, total);
        INDEPENDENT
        for (int q = 0; q < width; ++q) use(i * k + column + q, column + q, total[q]);
    }
    if constexpr (width > 1) {
        if (column < k) row_times<width / 2>(i, column, k, indptr, indices, values, x, use);
    }
}

template <typename Real, typename Use>
INLINED void rows_times(
    const int64 begin, const int64 end, const int64 k, const int* RESTRICT indptr, const int* RESTRICT indices,
    const Real* RESTRICT values, const Real* RESTRICT x, const Use& use)
{
    if (k == 1)
        for (int64 i = begin; i < end; ++i) row_times<1>(i, 0, 1, indptr, indices, values, x, use);
    else
        for (int64 i = begin; i < end; ++i) row_times<16>(i, 0, k, indptr, indices, values, x, use);
}

VECTORISED static void multiply_float32(
    const int64 begin, const int64 end, const int64 k, const int* indptr, const int* indices, const float* values,
    const float* x, float* RESTRICT out)
{
    rows_times(begin, end, k, indptr, indices, values, x, [=](const int64 at, int64, const float ax) { out[at] = ax; });
}

VECTORISED static void multiply_float64(
    const int64 begin, const int64 end, const int64 k, const int* indptr, const int* indices, const double* values,
    const double* x, double* RESTRICT out)
{
    rows_times(
        begin, end, k, indptr, indices, values, x, [=](const int64 at, int64, const double ax) { out[at] = ax; });
}

VECTORISED static void multiply_and_add(
    const int64 begin, const int64 end, const int64 k, const int* indptr, const int* indices, const float* values,
    const float* x, float* RESTRICT out)
{
    rows_times(
        begin, end, k, indptr, indices, values, x, [=](const int64 at, int64, const float ax) { out[at] += ax; });
}

VECTORISED static void relax_rows(
    const int64 begin, const int64 end, const int64 k, const int* indptr, const int* indices, const float* values,
    const Step step, const float* x, const float* b, const float* z, float* out)
{
    rows_times(begin, end, k, indptr, indices, values, x, [=](const int64 at, int64, const float ax) {
        out[at] = step(x[at], b[at], ax, z[at]);
    });
}

VECTORISED static void multiply_and_dot(
    const int64 begin, const int64 end, const int64 k, const int* indptr, const int* indices, const double* values,
    const double* x, double* RESTRICT out, double* RESTRICT dots)
{
    for (int64 q = 0; q < k; ++q) dots[q] = 0;
    rows_times(begin, end, k, indptr, indices, values, x, [=](const int64 at, const int64 q, const double ax) {
        out[at] = ax;
        dots[q] += x[at] * ax;
    });
}

// out (rows,k) = A X
KERNEL spmm_float32(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float* x /* c,k */, float* out /* rows,k */)
{
    for_ranges(
        rows, [&](const int64 begin, const int64 end) { multiply_float32(begin, end, k, indptr, indices, v, x, out); });
}

KERNEL spmm_float64(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */,
    const double* v /* e */, const double* x /* c,k */, double* out /* rows,k */)
{
    for_ranges(
        rows, [&](const int64 begin, const int64 end) { multiply_float64(begin, end, k, indptr, indices, v, x, out); });
}

// out += A X
KERNEL spmm_add(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float* x /* c,k */, float* out /* rows,k */)
{
    for_ranges(
        rows, [&](const int64 begin, const int64 end) { multiply_and_add(begin, end, k, indptr, indices, v, x, out); });
}

// b, z and out may be the same memory
KERNEL relax(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */, const float* v /* e */,
    const float wx, const float wb, const float wa, const float wz, const float* x /* rows,k */,
    const float* b /* rows,k */, const float* z /* rows,k */, float* out /* rows,k */)
{
    for_ranges(rows, [&](const int64 begin, const int64 end) {
        relax_rows(begin, end, k, indptr, indices, v, Step{wx, wb, wa, wz}, x, b, z, out);
    });
}

// use(at, q) with each entry of the rows begin ... end - 1, q being its column
template <typename Use>
INLINED void entries(const int64 begin, const int64 end, const int64 k, const Use& use)
{
    if (k == 1)
        for (int64 i = begin; i < end; ++i) use(i, 0);
    else
        for (int64 i = begin; i < end; ++i) {
            INDEPENDENT
            for (int64 q = 0; q < k; ++q) use(i * k + q, q);
        }
}

// --- sums over rows ------------------------------------------------------------------------------------------

// sums[q] of the rows of partial sums, strictly one after the other
static void add_tasks(const int64 tasks, const int64 k, const double* partial, double* sums)
{
    for (int64 q = 0; q < k; ++q) sums[q] = 0;
    for (int64 task = 0; task < tasks; ++task)
        for (int64 q = 0; q < k; ++q) sums[q] += partial[task * k + q];
}

// out = A X, and the scalar product of each column of X with that of A X
KERNEL spmm_dots(
    const int64 rows, const int64 k, const int* indptr /* rows+1 */, const int* indices /* e */,
    const double* v /* e */, const double* x /* rows,k */, double* out /* rows,k */, double* partial /* tasks,k */,
    double* dots /* k */)
{
    for_ranges(rows, [&](const int64 begin, const int64 end) {
        multiply_and_dot(begin, end, k, indptr, indices, v, x, out, partial + begin / ROWS * k);
    });
    add_tasks((rows + ROWS - 1) / ROWS, k, partial, dots);
}

template <typename Real>
INLINED void add_products(
    const int64 begin, const int64 end, const int64 k, const double* RESTRICT x, const Real* RESTRICT y,
    double* RESTRICT sums)
{
    for (int64 q = 0; q < k; ++q) sums[q] = 0;
    entries(begin, end, k, [=](const int64 at, const int64 q) { sums[q] += x[at] * y[at]; });
}

VECTORISED static void dots_float64(
    const int64 begin, const int64 end, const int64 k, const double* x, const double* y, double* sums)
{
    add_products(begin, end, k, x, y, sums);
}

VECTORISED static void dots_float32(
    const int64 begin, const int64 end, const int64 k, const double* x, const float* y, double* sums)
{
    add_products(begin, end, k, x, y, sums);
}

// the scalar product of each column of X with that of Y
KERNEL column_dots_float64(
    const int64 n, const int64 k, const double* x /* n,k */, const double* y /* n,k */, double* partial /* tasks,k */,
    double* dots /* k */)
{
    for_ranges(
        n, [&](const int64 begin, const int64 end) { dots_float64(begin, end, k, x, y, partial + begin / ROWS * k); });
    add_tasks((n + ROWS - 1) / ROWS, k, partial, dots);
}

KERNEL column_dots_float32(
    const int64 n, const int64 k, const double* x /* n,k */, const float* y /* n,k */, double* partial /* tasks,k */,
    double* dots /* k */)
{
    for_ranges(
        n, [&](const int64 begin, const int64 end) { dots_float32(begin, end, k, x, y, partial + begin / ROWS * k); });
    add_tasks((n + ROWS - 1) / ROWS, k, partial, dots);
}

VECTORISED static void advance_rows(
    const int64 begin, const int64 end, const int64 k, const double* RESTRICT alpha, const double* RESTRICT p,
    const double* RESTRICT ap, double* RESTRICT x, double* RESTRICT r, double* RESTRICT sums)
{
    for (int64 q = 0; q < k; ++q) sums[q] = 0;
    entries(begin, end, k, [=](const int64 at, const int64 q) {
        sums[q] += advanced(alpha[q], p[at], ap[at], x[at], r[at]);
    });
}

// x += α p, r -= α Ap, and r·r
KERNEL advance_and_dot(
    const int64 n, const int64 k, const double* alpha /* k */, const double* p /* n,k */, const double* ap /* n,k */,
    double* x /* n,k */, double* r /* n,k */, double* partial /* tasks,k */, double* dots /* k */)
{
    for_ranges(n, [&](const int64 begin, const int64 end) {
        advance_rows(begin, end, k, alpha, p, ap, x, r, partial + begin / ROWS * k);
    });
    add_tasks((n + ROWS - 1) / ROWS, k, partial, dots);
}

// --- entry by entry --------------------------------------------------------------------------------------------

VECTORISED static void turn_rows(
    const int64 begin, const int64 end, const int64 k, const double* RESTRICT scale, const double* RESTRICT beta,
    const float* RESTRICT z, double* RESTRICT p)
{
    entries(begin, end, k, [=](const int64 at, const int64 q) { p[at] = scale[q] * z[at] + beta[q] * p[at]; });
}

// p = s z + β p
KERNEL turn(
    const int64 n, const int64 k, const double* scale /* k */, const double* beta /* k */, const float* z /* n,k */,
    double* p /* n,k */)
{
    for_ranges(n, [&](const int64 begin, const int64 end) { turn_rows(begin, end, k, scale, beta, z, p); });
}

VECTORISED static void narrow_rows(
    const int64 begin, const int64 end, const int64 k, const double* RESTRICT scale, const double* RESTRICT r,
    float* RESTRICT out)
{
    entries(begin, end, k, [=](const int64 at, const int64 q) { out[at] = (float)(scale[q] * r[at]); });
}

// out = s r
KERNEL narrow(
    const int64 n, const int64 k, const double* scale /* k */, const double* r /* n,k */, float* out /* n,k */)
{
    for_ranges(n, [&](const int64 begin, const int64 end) { narrow_rows(begin, end, k, scale, r, out); });
}

// --- padding ---------------------------------------------------------------------------------------------------

template <typename Real>
static void pad(
    const int64 n, const int* indptr, const int* indices, const Real* values, const int* starts, int* columns,
    Real* padded)
{
    for_each(n, [&](const int64 i) {
        int q = starts[i];
        for (int p = indptr[i]; p < indptr[i + 1]; ++p, ++q) {
            columns[q] = indices[p];
            padded[q] = values[p];
        }
        for (; q < starts[i + 1]; ++q) {
            // a column that the row has already: where x is NaN there, the row is NaN without the padding, too
            columns[q] = indices[indptr[i + 1] - 1];
            padded[q] = 0;
        }
    });
}

// the same matrix with zeros at the ends of rows, which begin at starts[i]
KERNEL padded_float32(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const float* values /* e */,
    const int* starts /* n+1 */, int* columns /* p */, float* padded /* p */)
{
    pad(n, indptr, indices, values, starts, columns, padded);
}

KERNEL padded_float64(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    const int* starts /* n+1 */, int* columns /* p */, double* padded /* p */)
{
    pad(n, indptr, indices, values, starts, columns, padded);
}
