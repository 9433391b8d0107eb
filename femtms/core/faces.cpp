// Which tetrahedra meet at which face: only meshing, checks and reports need it, so it exists for the CPU alone.
#include <utility>
#include <vector>

#include "tetrahedron.h"

// The lowest tetrahedron of each one's piece: they are joined through the faces that two of them share.  Union-find
// with path halving (Tarjan and van Leeuwen 1984, JACM 31:245).
KERNEL piece_of(const int64 m, const int* neighbour /* m,4 */, int64* parent /* m */)
{
    for (int64 t = 0; t < m; ++t) parent[t] = t;
    const auto root = [&](int64 p) {
        while (parent[p] != p) p = parent[p] = parent[parent[p]];
        return p;
    };
    for (int64 t = 0; t < m; ++t)
        for (int a = 0; a < 4; ++a) {
            const int64 q = neighbour[4 * t + a];
            if (q <= t) continue;  // nobody, or joined when it was its turn
            const int64 one = root(t), two = root(q);
            parent[one > two ? one : two] = one > two ? two : one;
        }
    for (int64 t = 0; t < m; ++t) parent[t] = parent[parent[t]];  // parents are lower, so theirs are known
}
