// Edges of tetrahedra: see mesh/edges.py.
#include <algorithm>

#include "edges.h"

// Edges meet in the bucket of their lower node, so the time is linear in the number of tetrahedra.
// For working: ends of the buckets (zeros), upper nodes and where the edge is in of_tet, the latest edge at each node
// (-1).  Of the edges only the first `count` are.
KERNEL unique_edges(
    const int64 m, const int* tets /* m,4 */, const int64 n, int64* ends /* n */, int* upper /* m,6 */,
    int64* slot /* m,6 */, int* latest /* n */, int* edges /* most,2 */, int* of_tet /* m,6 */, int64* count /* 1 */)
{
    const auto visit = [&](const auto& edge) {
        for (int64 t = 0, e = 0; t < m; ++t)
            for (int i = 0; i < 3; ++i)
                for (int j = i + 1; j < 4; ++j, ++e) {
                    const int a = tets[4 * t + i], b = tets[4 * t + j];
                    edge(std::min(a, b), std::max(a, b), e);
                }
    };
    visit([&](const int low, int, int64) { ++ends[low]; });
    int64 total = 0;
    for (int64 i = 0; i < n; ++i) {
        total += ends[i];
        ends[i] = total - ends[i];
    }
    visit([&](const int low, const int high, const int64 e) {
        const int64 p = ends[low]++;
        upper[p] = high;
        slot[p] = e;
    });
    int found = 0;
    for (int64 a = 0, p = 0; a < n; ++a)
        for (const int first = found; p < ends[a]; ++p) {
            const int b = upper[p];
            if (latest[b] < first) {
                latest[b] = found;
                edges[2 * found] = (int)a;
                edges[2 * found + 1] = b;
                ++found;
            }
            of_tet[slot[p]] = latest[b];
        }
    count[0] = found;
}

// keys of zeros; the middle of edge i is node first_node + i
KERNEL edge_table(
    const int64 count, const int* edges /* count,2 */, const int64 first_node, const int64 size, int64* keys /* size */,
    int* middle /* size */)
{
    const EdgeTable table{keys, middle, (uint64)size};
    for (int64 i = 0; i < count; ++i) table.insert(edges[2 * i], edges[2 * i + 1], (int)(first_node + i));
}
