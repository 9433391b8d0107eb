// The loops of assembly.cpp on the CPU: a thread marks where the columns of its row are, in an array with a place for
// every unknown.  A GPU has no room for one per thread, and looks for them (assembly_gpu.h).
#pragma once
#include <vector>

#include "rows.h"

static const int64 PARTS = 16;  // of the rows: each has such arrays

// how many distinct unknowns there are in the star of each unknown i, in lengths[i+1]
template <int each>
static void row_lengths(const int64 n, const int* dofs, const int64* starts, const int* meeting, int64* lengths)
try {
    for_parts(n, PARTS, [&](int64, const int64 begin, const int64 end) {
        std::vector<int> last(n, -1);  // the last row that had an entry in this column
        for (int64 i = begin; i < end; ++i) {
            int64 count = 0;
            for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
                const int* unknowns = dofs + each * (int64)meeting[s];
                for (int a = 0; a < each; ++a) {
                    count += last[unknowns[a]] != i;
                    last[unknowns[a]] = (int)i;
                }
            }
            lengths[i + 1] = count;
        }
    });
}
KEEP_FAILURE

template <typename Elements>
static void rows(
    const Elements& elements, const int64 n, const int64* starts, const int* meeting, const int* indptr, int* indices,
    double* values)
try {
    for_parts(n, PARTS, [&](int64, const int64 first, const int64 past) {
        std::vector<int> last(n, -1), place(n);
        for (int64 i = first; i < past; ++i) {
            const int begin = indptr[i];
            int end = begin;
            for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
                const int64 t = meeting[s];
                double k[Elements::each];
                elements.row(t, i, k);
                for (int a = 0; a < Elements::each; ++a) {
                    const int j = elements.dofs[Elements::each * t + a];
                    if (last[j] != i) {
                        last[j] = (int)i;
                        place[j] = end;
                        indices[end] = j;
                        values[end++] = k[a];
                    } else {
                        values[place[j]] += k[a];
                    }
                }
            }
            sort_row(indices, values, begin, end);
        }
    });
}
KEEP_FAILURE
