// What a GPU does otherwise than the CPU when it builds a hierarchy: products, and the pieces that a matrix falls into.
#include "rows.h"

// One round of FastSV (Zhang, Azad & Hu 2020, doi 10.1137/1.9781611976137.5): a node and its parent take the lowest
// grandparent of the node's neighbours.
KERNEL hooked(
    const int64 n, const int* indptr /* n+1 */, const int* indices, const int* parent /* n */, int* next /* n */)
{
    for_each(n, [&](const int64 i) {
        const int own = parent[i], above = parent[own];
        int lowest = above;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) {
            const int grandparent = parent[parent[indices[p]]];
            if (grandparent < lowest) lowest = grandparent;
        }
        // The lowest of integers is the same in whatever order the threads arrive.  next comes as a copy of parent:
        // where nothing is lower, threads need not queue for the same place.
        if (lowest < own) atomicMin(next + i, lowest);
        if (lowest < above) atomicMin(next + own, lowest);
    });
}

// room[i+1]: an upper bound for the entries of row i of A B
KERNEL product_room(
    const int64 n, const int* a_starts /* n+1 */, const int* a_columns, const int* b_starts, const int64 width,
    int64* room /* n+1 */)
{
    for_each(n, [&](const int64 i) {
        int64 most = 0;
        for (int p = a_starts[i]; p < a_starts[i + 1]; ++p) most += b_starts[a_columns[p] + 1] - b_starts[a_columns[p]];
        room[i + 1] = most < width ? most : width;
    });
}

// rows first ... first + count - 1 of A B, each in the room that it may need
KERNEL product_scattered(
    const int64 count, const int64 first, const int* a_starts, const int* a_columns /* a */,
    const double* a_values /* a */, const int* b_starts, const int* b_columns /* b */, const double* b_values /* b */,
    const int64* room, int* columns /* e */, double* values /* e */, int64* lengths /* count+1 */)
{
    for_each(count, [&](const int64 row) {
        const int64 i = first + row, begin = room[i] - room[first];
        int filled = 0;
        for (int p = a_starts[i]; p < a_starts[i + 1]; ++p)
            for (int q = b_starts[a_columns[p]]; q < b_starts[a_columns[p] + 1]; ++q)
                filled = add_to_row(b_columns[q], a_values[p] * b_values[q], columns + begin, values + begin, filled);
        lengths[row + 1] = filled;
    });
}

// the same rows without gaps
KERNEL product_packed(
    const int64 count, const int64 first, const int64* room, const int* columns /* e */, const double* values /* e */,
    const int64* starts /* count+1 */, int* packed_columns /* k */, double* packed_values /* k */)
{
    for_each(count, [&](const int64 row) {
        const int64 from = room[first + row] - room[first] - starts[row];
        for (int64 to = starts[row]; to < starts[row + 1]; ++to) {
            packed_columns[to] = columns[from + to];
            packed_values[to] = values[from + to];
        }
    });
}

// A P where P may be nonzero, with rows made orthogonal to the coarse near-null vector
KERNEL energy_gradient(
    const int64 n, const int64 coarse, const int* indptr /* n+1 */, const int* indices /* a */,
    const double* values /* a */, const int* starts /* n+1 */, const int* columns /* e */,
    const double* p_values /* e */, const double* coarse_null /* coarse */, double* out /* e */)
{
    (void)coarse;  // what the CPU must know
    for_each(n, [&](const int64 i) {
        const int begin = starts[i], count = starts[i + 1] - begin;
        const int* own = columns + begin;
        double* row = out + begin;
        for (int q = 0; q < count; ++q) row[q] = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            for (int s = starts[indices[p]]; s < starts[indices[p] + 1]; ++s) {
                const int at = place_of(columns[s], own, count);
                if (at < count && own[at] == columns[s]) row[at] += values[p] * p_values[s];
            }
        make_orthogonal(own, row, count, coarse_null);
    });
}
