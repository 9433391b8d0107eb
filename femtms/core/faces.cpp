// Which tetrahedra meet at which face: only meshing, checks and reports need it, so it exists for the CPU alone.
#include <algorithm>
#include <utility>
#include <vector>

#include "device.h"

const int OUTSIDE = -1;   // nobody on the other side of the face
const int OVERFULL = -2;  // more than two tetrahedra have this face

// The tetrahedron beyond each face, and the number of overfull faces of which each node is the lowest.
KERNEL face_neighbours(
    const int64 n, const int* tets /* m,4 */, const int64* starts /* n+1 */, const int* meeting,
    int* neighbour /* m,4 */, int* overfull /* n */)
try {
    for_ranges(n, [&](const int64 begin, const int64 end) {
        std::vector<std::pair<int64, int64>> faces;  // those whose lowest node is i: their other two nodes, 4t + face
        for (int64 i = begin; i < end; ++i) {
            faces.resize(4 * (starts[i + 1] - starts[i]));
            size_t own = 0;
            for (int64 p = starts[i]; p < starts[i + 1]; ++p)
                for (int face = 0; face < 4; ++face) {
                    const int* tet = tets + 4 * (int64)meeting[p];
                    const int a = tet[(face + 1) % 4], b = tet[(face + 2) % 4], c = tet[(face + 3) % 4];
                    const int low = std::min({a, b, c}), high = std::max({a, b, c});
                    faces[own] = {(int64)(a ^ b ^ c ^ low ^ high) << 32 | high, 4 * (int64)meeting[p] + face};
                    own += low == i;  // no branch: nobody could predict it
                }
            faces.resize(own);
            std::sort(faces.begin(), faces.end());
            overfull[i] = 0;
            for (size_t first = 0, last; first < faces.size(); first = last) {
                for (last = first + 1; last < faces.size() && faces[last].first == faces[first].first;) ++last;
                const size_t count = last - first;
                overfull[i] += count > 2;
                for (size_t f = first; f < last; ++f)
                    neighbour[faces[f].second] = count == 1  ? OUTSIDE
                                                 : count > 2 ? OVERFULL
                                                             : (int)(faces[first + last - 1 - f].second / 4);
            }
        }
    });
}
KEEP_FAILURE

// The lowest tetrahedron of each one's piece: they are joined through the faces that two of them share, those of the
// same group if there are groups.  Union-find with path halving (Tarjan and van Leeuwen 1984, JACM 31:245).
KERNEL piece_of(const int64 m, const int* neighbour /* m,4 */, const uint8* group /* m? */, int64* parent /* m */)
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
            if (group && group[q] != group[t]) continue;
            const int64 one = root(t), two = root(q);
            parent[one > two ? one : two] = one > two ? two : one;
        }
    for (int64 t = 0; t < m; ++t) parent[t] = parent[parent[t]];  // parents are lower, so theirs are known
}

// The node that follows the lowest one on the way round a face, seen from outside: it tells the two ways round apart.
static inline int after_lowest(const int* tet, const int face)
{
    const int outward[4][3] = {{1, 2, 3}, {0, 3, 2}, {0, 1, 3}, {0, 2, 1}};
    int c = 0;
    for (int d = 1; d < 3; ++d)
        if (tet[outward[face][d]] < tet[outward[face][c]]) c = d;
    return tet[outward[face][(c + 1) % 3]];
}

// Number of faces whose two tetrahedra, both positively oriented, lie on the same side; and one of the first two, or
// -1. Seen from outside of each, the face must go round the other way.
KERNEL folded_pairs(
    const int64 m, const int* tets /* m,4 */, const int* neighbour /* m,4 */, int64* count /* 1 */,
    int64* first /* 1 */)
{
    *count = 0;
    *first = -1;
    for (int64 t = 0; t < m; ++t)
        for (int a = 0; a < 4; ++a) {
            const int64 s = neighbour[4 * t + a];
            if (s <= t) continue;
            int b = 0;
            while (neighbour[4 * s + b] != t) ++b;
            if (after_lowest(tets + 4 * t, a) == after_lowest(tets + 4 * s, b)) {
                if (*first < 0) *first = t;
                ++*count;
            }
        }
}
