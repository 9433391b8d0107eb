// Rows of sparse matrices whose columns ascend: for both devices.
#pragma once
#include "device.h"

// where column c is, or would be, among ascending columns
SHARED int place_of(const int c, const int* columns, const int count)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (columns[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// adds to the entry of column c of a row, or inserts it; returns how many there are then
SHARED int add_to_row(const int c, const double value, int* columns, double* values, const int count)
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

// the entries of one row with their columns in ascending order
SHARED void sort_row(int* indices, double* values, const int begin, const int end)
{
    for (int p = begin + 1; p < end; ++p) {
        const int j = indices[p];
        const double k = values[p];
        int q = p;
        for (; q > begin && indices[q - 1] > j; --q) {
            indices[q] = indices[q - 1];
            values[q] = values[q - 1];
        }
        indices[q] = j;
        values[q] = k;
    }
}

// the part of a row that is orthogonal to the coarse near-null vector at its columns
SHARED void make_orthogonal(const int* columns, double* row, const int count, const double* coarse_null)
{
    double along = 0, size = 0;
    for (int q = 0; q < count; ++q) {
        const double c = coarse_null[columns[q]];
        along += row[q] * c;
        size += c * c;
    }
    for (int q = 0; q < count; ++q) row[q] -= along / size * coarse_null[columns[q]];
}
