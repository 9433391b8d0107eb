// What grounds K and builds a multigrid hierarchy, for NVIDIA GPUs; cuda_coarsen.py launches it, coarsen.py has the
// same for the CPU.  Continues cuda.cu: compiled with it as one source, and under the same rules.
//
// Rows are short, so a thread keeps the columns of its row ascending and finds them by bisection.

// --- any sparse matrix -------------------------------------------------------------------------------------

extern "C" __global__ void diagonal(
    const int64 n, const int* indptr, const int* indices, const double* values, double* result)
{
    FOR_EACH(i, n) {
        double found = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (indices[p] == i) found = values[p];
        result[i] = found;
    }
}

extern "C" __global__ void row_sums(const int64 n, const int* indptr, const double* values, double* sums)
{
    FOR_EACH(i, n) {
        double total = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) total += fabs(values[p]);
        sums[i] = total;
    }
}

extern "C" __global__ void scaled_symmetrically(
    const int64 n, const int* indptr, const int* indices, const double* values, const double* s, double* result)
{
    FOR_EACH(i, n)
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) result[p] = values[p] * s[i] * s[indices[p]];
}

extern "C" __global__ void scaled_rows(
    const int64 n, const int* indptr, const double* values, const double* s, double* result)
{
    FOR_EACH(i, n)
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) result[p] = values[p] * s[i];
}

// --- ground ------------------------------------------------------------------------------------------------

// One round of FastSV (Zhang, Azad & Hu 2020, doi 10.1137/1.9781611976137.5): a node and its parent take the lowest
// grandparent of the node's neighbours.  The lowest of integers is the same in whatever order the threads arrive.
extern "C" __global__ void hooked(
    const int64 n, const int* indptr, const int* indices, const int* parent, int* next)
{
    FOR_EACH(i, n) {
        const int own = parent[i], above = parent[own];
        int lowest = above;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) {
            const int grandparent = parent[parent[indices[p]]];
            if (grandparent < lowest) lowest = grandparent;
        }
        // next comes as a copy of parent: where nothing is lower, threads need not queue for the same place
        if (lowest < own) atomicMin(next + i, lowest);
        if (lowest < above) atomicMin(next + own, lowest);
    }
}

// result comes as a copy of the values
extern "C" __global__ void tied(
    const int64 n, const int* indptr, const int* indices, const int* piece, double* result)
{
    FOR_EACH(i, n)
        if (piece[i] == i)
            for (int p = indptr[i]; p < indptr[i + 1]; ++p)
                if (indices[p] == i) result[p] *= 2;
}

// --- aggregates --------------------------------------------------------------------------------------------

__device__ static bool is_strong(const int64 i, const int j, const double value, const double theta)
{
    return i == j || fabs(value) >= theta;
}

extern "C" __global__ void strong_lengths(
    const int64 n, const int* indptr, const int* indices, const double* values, const double theta, int64* lengths)
{
    FOR_EACH(i, n) {
        int64 count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) count += is_strong(i, indices[p], values[p], theta);
        lengths[i + 1] = count;
    }
}

extern "C" __global__ void strong_rows(
    const int64 n, const int* indptr, const int* indices, const double* values, const double theta,
    const int* starts, int* kept, double* kept_values)
{
    FOR_EACH(i, n) {
        int to = starts[i];
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (is_strong(i, indices[p], values[p], theta)) {
                kept[to] = indices[p];
                kept_values[to++] = values[p];
            }
    }
}

// The keys of nodes: see coarsen.py.
#define UNDECIDED (1ull << 62)
#define ROOT (2ull << 62)
#define STATE (3ull << 62)

extern "C" __global__ void first_keys(const int64 n, uint64* keys)
{
    FOR_EACH(i, n) {
        uint64 h = (uint64)i * 0x9E3779B97F4A7C15ull;
        h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDull;
        h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53ull;
        keys[i] = UNDECIDED | ((h >> 34) << 32) | (uint64)i;
    }
}

extern "C" __global__ void largest_nearby(
    const int64 n, const int* indptr, const int* indices, const uint64* keys, uint64* largest)
{
    FOR_EACH(i, n) {
        uint64 top = keys[i];
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            if (keys[indices[p]] > top) top = keys[indices[p]];
        largest[i] = top;
    }
}

extern "C" __global__ void decided(const int64 n, const uint64* largest, uint64* keys)
{
    FOR_EACH(i, n)
        if ((keys[i] & STATE) == UNDECIDED) {
            if (largest[i] == keys[i]) keys[i] = (keys[i] & ~STATE) | ROOT;
            else if ((largest[i] & STATE) == ROOT) keys[i] &= ~STATE;
        }
}

extern "C" __global__ void joined(
    const int64 n, const int* indptr, const int* indices, const double* values, const int* number, int* own)
{
    FOR_EACH(i, n) {
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
    }
}

// --- prolongators ------------------------------------------------------------------------------------------

// sqrt of the sum of squares over the members of each aggregate
extern "C" __global__ void coarse_null(
    const int64 count, const int64* starts, const int* members, const double* near_null, double* result)
{
    FOR_EACH(c, count) {
        double total = 0;
        for (int64 s = starts[c]; s < starts[c + 1]; ++s) total += near_null[members[s]] * near_null[members[s]];
        result[c] = sqrt(total);
    }
}

// the aggregates that each node touches, counted where they are touched first
extern "C" __global__ void pattern_lengths(
    const int64 n, const int* indptr, const int* indices, const int* aggregate, int64* lengths)
{
    FOR_EACH(i, n) {
        int64 count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) {
            int first = indptr[i];
            while (aggregate[indices[first]] != aggregate[indices[p]]) ++first;
            if (first == p) ++count;
        }
        lengths[i + 1] = count;
    }
}

// the same aggregates, ascending, and the piecewise constant prolongator there
extern "C" __global__ void tentative(
    const int64 n, const int* indptr, const int* indices, const int* aggregate, const double* near_null,
    const double* coarse_null, const int* starts, int* columns, double* values)
{
    FOR_EACH(i, n) {
        const int begin = starts[i];
        int count = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p)
            count = add_to_row(aggregate[indices[p]], 0, columns + begin, values + begin, count);
        for (int q = begin; q < begin + count; ++q)
            if (columns[q] == aggregate[i]) values[q] = near_null[i] / coarse_null[columns[q]];
    }
}

extern "C" __global__ void energy_gradient(
    const int64 n, const int* indptr, const int* indices, const double* values, const int* starts, const int* columns,
    const double* p_values, const double* coarse_null, double* out)
{
    FOR_EACH(i, n) {
        const int begin = starts[i], count = starts[i + 1] - begin;
        const int* own = columns + begin;
        double* row = out + begin;
        for (int q = 0; q < count; ++q) row[q] = 0;
        for (int p = indptr[i]; p < indptr[i + 1]; ++p) {
            const int j = indices[p];
            for (int s = starts[j]; s < starts[j + 1]; ++s) {
                const int at = place_of(columns[s], own, count);
                if (at < count && own[at] == columns[s]) row[at] += values[p] * p_values[s];
            }
        }
        double along = 0, size = 0;
        for (int q = 0; q < count; ++q) {
            const double c = coarse_null[own[q]];
            along += row[q] * c;
            size += c * c;
        }
        for (int q = 0; q < count; ++q) row[q] -= along / size * coarse_null[own[q]];
    }
}

// --- products ----------------------------------------------------------------------------------------------

// room[i+1]: an upper bound for the entries of row i of A B
extern "C" __global__ void product_room(
    const int64 n, const int* a_starts, const int* a_columns, const int* b_starts, const int64 width, int64* room)
{
    FOR_EACH(i, n) {
        int64 most = 0;
        for (int p = a_starts[i]; p < a_starts[i + 1]; ++p)
            most += b_starts[a_columns[p] + 1] - b_starts[a_columns[p]];
        room[i + 1] = most < width ? most : width;
    }
}

// rows first ... first + count - 1 of A B, each in the room that it may need
extern "C" __global__ void product_rows(
    const int64 count, const int64 first, const int* a_starts, const int* a_columns, const double* a_values,
    const int* b_starts, const int* b_columns, const double* b_values, const int64* room, int* columns,
    double* values, int64* lengths)
{
    FOR_EACH(row, count) {
        const int64 i = first + row, begin = room[i] - room[first];
        int filled = 0;
        for (int p = a_starts[i]; p < a_starts[i + 1]; ++p)
            for (int q = b_starts[a_columns[p]]; q < b_starts[a_columns[p] + 1]; ++q)
                filled = add_to_row(b_columns[q], a_values[p] * b_values[q], columns + begin, values + begin, filled);
        lengths[row + 1] = filled;
    }
}

// the same rows without gaps
extern "C" __global__ void product_packed(
    const int64 count, const int64 first, const int64* room, const int* columns, const double* values,
    const int64* starts, int* packed_columns, double* packed_values)
{
    FOR_EACH(row, count) {
        const int64 from = room[first + row] - room[first] - starts[row];
        for (int64 to = starts[row]; to < starts[row + 1]; ++to) {
            packed_columns[to] = columns[from + to];
            packed_values[to] = values[from + to];
        }
    }
}
