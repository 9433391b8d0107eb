// What tetrahedra are at each node, and how large they are, on the CPU.
#include <vector>

#include "tetrahedron.h"

// six_volumess in the cube of the unit of the nodes
KERNEL signed_volumes(const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, double* volumes /* m */)
{
    for_each(m, [&](const int64 t) {
        double g[4][3];
        volumes[t] = six_volume_gradients(nodes, tets + 4 * t, g) / 6;
    });
}

// Which rows of groups (m,each) of nodes name each node, in ascending order.
KERNEL incidence(
    const int64 m, const int64 each, const int* groups /* m,each */, const int64 n, int64* starts /* n+1 */,
    int* rows /* m*each */)
try {
    for (int64 i = 0; i <= n; ++i) starts[i] = 0;
    for (int64 s = 0; s < m * each; ++s) ++starts[groups[s] + 1];
    for (int64 i = 0; i < n; ++i) starts[i + 1] += starts[i];
    std::vector<int64> fill(starts, starts + n);
    for (int64 t = 0; t < m; ++t)
        for (int64 a = 0; a < each; ++a) rows[fill[groups[each * t + a]]++] = (int)t;
}
KEEP_FAILURE
