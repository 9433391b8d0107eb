// The loops of assembly.cpp on a GPU: a thread keeps the columns of its row ascending.  Rows are short.
#pragma once
#include "rows.h"

// How many distinct unknowns there are in the star of each unknown i, in lengths[i+1], counted where they are named
// first.  Most are named again soon: looking back over the star is quicker than keeping a list.
template <int each>
SHARED void row_lengths(const int64 n, const int* dofs, const int64* starts, const int* meeting, int64* lengths)
{
    for_each(n, [&](const int64 i) {
        int64 count = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s)
            for (int a = 0; a < each; ++a) {
                const int j = dofs[each * (int64)meeting[s] + a];
                int64 first = each * starts[i];
                while (dofs[each * (int64)meeting[first / each] + first % each] != j) ++first;
                if (first == each * s + a) ++count;
            }
        lengths[i + 1] = count;
    });
}

template <typename Elements>
SHARED void rows(
    const Elements& elements, const int64 n, const int64* starts, const int* meeting, const int* indptr, int* indices,
    double* values)
{
    for_each(n, [&](const int64 i) {
        int count = 0;
        for (int64 s = starts[i]; s < starts[i + 1]; ++s) {
            const int64 t = meeting[s];
            double k[Elements::each];
            elements.row(t, i, k);
            for (int a = 0; a < Elements::each; ++a)
                count = add_to_row(
                    elements.dofs[Elements::each * t + a], k[a], indices + indptr[i], values + indptr[i], count);
        }
    });
}
