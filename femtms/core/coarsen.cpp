// What grounds K and builds a multigrid hierarchy: for both devices.
#include "rows.h"

// --- any sparse matrix -----------------------------------------------------------------------------------

KERNEL diagonal(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    double* result /* n */)
{
    for_each(n, [&](const int64 i) {
        double found = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (indices[p] == i) found = values[p];
        result[i] = found;
    });
}

// sums of absolute values
KERNEL row_sums(const int64 n, const int* indptr /* n+1 */, const double* values /* e */, double* sums /* n */)
{
    for_each(n, [&](const int64 i) {
        double total = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) total += fabs(values[p]);
        sums[i] = total;
    });
}

KERNEL scaled_symmetrically(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    const double* s /* n */, double* result /* e */)
{
    for_each(n, [&](const int64 i) {
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) result[p] = values[p] * s[i] * s[indices[p]];
    });
}

KERNEL scaled_rows(
    const int64 n, const int* indptr /* n+1 */, const double* values /* e */, const double* s /* n */,
    double* result /* e */)
{
    for_each(n, [&](const int64 i) {
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) result[p] = values[p] * s[i];
    });
}

// --- ground ------------------------------------------------------------------------------------------------

// Doubles the diagonal at the lowest node of each piece, after which the piece is called; result starts as a copy of
// the values.
KERNEL tied(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const int* piece /* n */,
    double* result /* e */)
{
    for_each(n, [&](const int64 i) {
        if (piece[i] != i) return;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (indices[p] == i) result[p] *= 2;
    });
}

// --- aggregates --------------------------------------------------------------------------------------------

SHARED bool is_strong(const int64 i, const int j, const double value, const double theta)
{
    return i == j || fabs(value) >= theta;
}

KERNEL strong_lengths(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    const double theta, int64* lengths /* n+1 */)
{
    for_each(n, [&](const int64 i) {
        int64 count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) count += is_strong(i, indices[p], values[p], theta);
        lengths[i + 1] = count;
    });
}

KERNEL strong_rows(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    const double theta, const int* starts /* n+1 */, int* kept /* k */, double* kept_values /* k */)
{
    for_each(n, [&](const int64 i) {
        int to = starts[i];
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (is_strong(i, indices[p], values[p], theta)) {
                kept[to] = indices[p];
                kept_values[to++] = values[p];
            }
    });
}

// A node's key orders nodes: its state first, then a number that looks random, then its index.
#define UNDECIDED (1ull << 62)
#define ROOT (2ull << 62)
#define STATE (3ull << 62)

KERNEL first_keys(const int64 n, uint64* keys /* n */)
{
    for_each(n, [&](const int64 i) {
        // the finaliser of MurmurHash3 (Appleby, public domain), 30 bits of it: neighbours get unlike numbers
        uint64 h = (uint64)i * 0x9E3779B97F4A7C15ull;
        h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDull;
        h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53ull;
        keys[i] = UNDECIDED | ((h >> 34) << 32) | (uint64)i;
    });
}

KERNEL largest_nearby(
    const int64 n, const int* indptr /* n+1 */, const int* indices, const uint64* keys /* n */, uint64* largest /* n */)
{
    for_each(n, [&](const int64 i) {
        uint64 top = keys[i];
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (keys[indices[p]] > top) top = keys[indices[p]];
        largest[i] = top;
    });
}

KERNEL decided(const int64 n, const uint64* largest /* n */, uint64* keys /* n */)
{
    for_each(n, [&](const int64 i) {
        if ((keys[i] & STATE) != UNDECIDED) return;
        if (largest[i] == keys[i])
            keys[i] = (keys[i] & ~STATE) | ROOT;
        else if ((largest[i] & STATE) == ROOT)
            keys[i] &= ~STATE;
    });
}

// the aggregate of each node, from `number`, that of those that have one; -1 for none
KERNEL joined(
    const int64 n, const int* indptr /* n+1 */, const int* indices /* e */, const double* values /* e */,
    const int* number /* n */, int* own /* n */)
{
    for_each(n, [&](const int64 i) {
        int joins = number[i];
        if (joins < 0) {
            double strongest = -1;
            for (int p = indptr[i]; p < indptr[i + 1]; ++p)
                if (number[indices[p]] >= 0 && fabs(values[p]) > strongest) {
                    joins = number[indices[p]];
                    strongest = fabs(values[p]);
                }
        }
        own[i] = joins;
    });
}

// --- prolongators ------------------------------------------------------------------------------------------

// the length of the near-null vector over the members of each aggregate
KERNEL coarse_null(
    const int64 count, const int64* starts /* count+1 */, const int* members /* n */, const double* near_null /* n */,
    double* result /* count */)
{
    for_each(count, [&](const int64 c) {
        double total = 0;
        for (int64 s = starts[c]; s < starts[c + 1]; ++s) total += near_null[members[s]] * near_null[members[s]];
        result[c] = sqrt(total);
    });
}

// the aggregates that each node touches, counted where they are touched first
KERNEL pattern_lengths(
    const int64 n, const int* indptr /* n+1 */, const int* indices, const int* aggregate /* n */,
    int64* lengths /* n+1 */)
{
    for_each(n, [&](const int64 i) {
        int64 count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) {
            int first = indptr[i];
            while (aggregate[indices[first]] != aggregate[indices[p]]) ++first;
            if (first == p) ++count;
        }
        lengths[i + 1] = count;
    });
}

// the same aggregates, ascending, and the piecewise constant prolongator there
KERNEL tentative(
    const int64 n, const int* indptr /* n+1 */, const int* indices, const int* aggregate /* n */,
    const double* near_null /* n */, const double* coarse_null /* c */, const int* starts /* n+1 */,
    int* columns /* e */, double* values /* e */)
{
    for_each(n, [&](const int64 i) {
        const int begin = starts[i];
        int count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            count = add_to_row(aggregate[indices[p]], 0, columns + begin, values + begin, count);
        for (int q = begin; q < begin + count; ++q)
            if (columns[q] == aggregate[i]) values[q] = near_null[i] / coarse_null[columns[q]];
    });
}
