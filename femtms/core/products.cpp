// Products of sparse matrices on the CPU: a thread marks where the columns of its row are, in an array with a place for
// every column.  A GPU has no room for one per thread, and keeps columns ascending (products.cu).
#include <algorithm>
#include <vector>

#include "rows.h"

static const int64 PARTS = 16;  // of the rows: each has such an array

// lengths[i+1] of row i of A B, for A (n,c) and B (c,width)
KERNEL product_lengths(
    const int64 n, const int64 width, const int* a_starts /* n+1 */, const int* a_columns, const int* b_starts,
    const int* b_columns, int64* lengths /* n+1 */)
try {
    for_parts(n, PARTS, [&](int64, const int64 begin, const int64 end) {
        std::vector<int> last(width, -1);  // the last row that had an entry in this column
        for (int64 i = begin; i < end; ++i) {
            int64 count = 0;
            for (int p = a_starts[i]; p < a_starts[i + 1]; ++p)
                for (int q = b_starts[a_columns[p]]; q < b_starts[a_columns[p] + 1]; ++q) {
                    count += last[b_columns[q]] != i;
                    last[b_columns[q]] = (int)i;
                }
            lengths[i + 1] = count;
        }
    });
}
KEEP_FAILURE

// the rows, their columns in the order in which they are met, or ascending
KERNEL product_rows(
    const int64 n, const int64 width, const int* a_starts /* n+1 */, const int* a_columns /* a */,
    const double* a_values /* a */, const int* b_starts, const int* b_columns /* b */, const double* b_values /* b */,
    const bool ascending, const int* starts /* n+1 */, int* columns /* e */, double* values /* e */)
try {
    for_parts(n, PARTS, [&](int64, const int64 first, const int64 past) {
        std::vector<int> last(width, -1), place(width);
        for (int64 i = first; i < past; ++i) {
            int end = starts[i];
            for (int p = a_starts[i]; p < a_starts[i + 1]; ++p)
                for (int q = b_starts[a_columns[p]]; q < b_starts[a_columns[p] + 1]; ++q) {
                    const int c = b_columns[q];
                    const double product = a_values[p] * b_values[q];
                    if (last[c] != i) {
                        last[c] = (int)i;
                        place[c] = end;
                        columns[end] = c;
                        values[end++] = product;
                    } else {
                        values[place[c]] += product;
                    }
                }
            if (ascending) sort_row(columns, values, starts[i], end);
        }
    });
}
KEEP_FAILURE

// A P where P may be nonzero, with rows made orthogonal to the coarse near-null vector
KERNEL energy_gradient(
    const int64 n, const int64 coarse, const int* indptr /* n+1 */, const int* indices /* a */,
    const double* values /* a */, const int* starts /* n+1 */, const int* columns /* e */,
    const double* p_values /* e */, const double* coarse_null /* coarse */, double* out /* e */)
try {
    for_parts(n, PARTS, [&](int64, const int64 first, const int64 past) {
        int longest = 0;
        for (int64 i = first; i < past; ++i) longest = std::max(longest, starts[i + 1] - starts[i]);
        std::vector<double> row(longest + 1);  // the last takes what falls outside of the pattern
        std::vector<int> place(coarse, longest);
        for (int64 i = first; i < past; ++i) {
            const int begin = starts[i], count = starts[i + 1] - begin;
            for (int q = 0; q < count; ++q) row[q] = 0, place[columns[begin + q]] = q;
            for (int p = indptr[i]; p < indptr[i + 1]; ++p)
                for (int s = starts[indices[p]]; s < starts[indices[p] + 1]; ++s)
                    row[place[columns[s]]] += values[p] * p_values[s];
            for (int q = 0; q < count; ++q) place[columns[begin + q]] = longest;
            make_orthogonal(columns + begin, row.data(), count, coarse_null);
            std::copy(row.begin(), row.begin() + count, out + begin);
        }
    });
}
KEEP_FAILURE
