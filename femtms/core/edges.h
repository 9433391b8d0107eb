// A hash table from an edge of tetrahedra to the node in its middle.
#pragma once
#include "device.h"

// One number for an edge; never 0, which marks empty slots.
static inline int64 edge_key(const int a, const int b)
{
    return (int64)(a < b ? a : b) << 32 | (a < b ? b : a);
}

struct EdgeTable {
    int64* keys;  // of `size` slots: zeros where there is no edge
    int* middle;  // what belongs to it, >= 0
    uint64 size;  // a power of 2; less than half of the slots may be taken

    // The slot of an edge, or the empty one where it would be.
    uint64 slot(const int64 key) const
    {
        // Fibonacci hashing: the high bits of the product depend on all of the key
        uint64 s = (uint64)key * 0x9E3779B97F4A7C15 >> 40 & (size - 1);
        while (keys[s] && keys[s] != key) s = (s + 1) & (size - 1);
        return s;
    }

    // The node in the middle of an edge, or -1.
    int find(const int a, const int b) const
    {
        const uint64 s = slot(edge_key(a, b));
        return keys[s] ? middle[s] : -1;
    }

    // Enter an edge that is not in the table.
    void insert(const int a, const int b, const int node) const
    {
        const uint64 s = slot(edge_key(a, b));
        keys[s] = edge_key(a, b);
        middle[s] = node;
    }
};
