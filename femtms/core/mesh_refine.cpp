// Refinement of the lattice where it is too coarse: see mesh/refine.py.
#include <algorithm>
#include <vector>

#include "edges.h"
#include "snap.h"

namespace
{

const int ENDS[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};  // of the edges of a tetrahedron

// Squared length of an edge: a whole number.
int64 length2(const int* points, const int a, const int b)
{
    int64 total = 0;
    for (int d = 0; d < 3; ++d) {
        const int64 step = (int64)points[3 * (int64)a + d] - points[3 * (int64)b + d];
        total += step * step;
    }
    return total;
}

// Squared lengths of the edges of a tetrahedron; the largest is returned.
int64 lengths2(const int* points, const int* tet, int64* squares)
{
    int64 longest = 0;
    for (int k = 0; k < 6; ++k) {
        squares[k] = length2(points, tet[ENDS[k][0]], tet[ENDS[k][1]]);
        longest = std::max(longest, squares[k]);
    }
    return longest;
}

// The edges that are chosen, and their table, which grows.
struct Choice {
    int* edges;
    int64 count = 0;
    std::vector<int64> keys = std::vector<int64>(16);
    std::vector<int> middle = std::vector<int>(16);

    EdgeTable table() { return {keys.data(), middle.data(), keys.size()}; }

    void add(const int64 key)
    {
        edges[2 * count] = (int)(key >> 32);
        edges[2 * count + 1] = (int)(key & 0xFFFFFFFF);
        const bool full = 2 * (count + 1) >= (int64)keys.size();
        if (full) {
            keys.assign(4 * keys.size(), 0);
            middle.resize(keys.size());
        }
        ++count;
        for (int64 e = full ? 0 : count - 1; e < count; ++e) table().insert(edges[2 * e], edges[2 * e + 1], (int)e);
    }
};

// The longest edge, as its key, that is still to be chosen in a tetrahedron: it is wanted, or another edge is chosen
// but no longest one.  Of equal ones that with the lowest nodes; -1: none.
int64 missing_edge(const int* points, const int* tet, const EdgeTable& table, bool wanted)
{
    int64 squares[6], best = -1;
    const int64 longest = lengths2(points, tet, squares);
    for (int k = 0; k < 6; ++k) {
        const int a = tet[ENDS[k][0]], b = tet[ENDS[k][1]];
        if (table.find(a, b) >= 0) {
            if (squares[k] == longest) return -1;
            wanted = true;
        }
        if (squares[k] == longest && (best < 0 || edge_key(a, b) < best)) best = edge_key(a, b);
    }
    return wanted ? best : -1;
}

}  // namespace

// Squared lengths of the longest edges, in lattice units.
KERNEL longest_edges(const int64 m, const int* tets /* m,4 */, const int* points /* n,3 */, int64* out /* m */)
{
    for_each(m, [&](const int64 t) {
        int64 squares[6];
        out[t] = lengths2(points, tets + 4 * t, squares);
    });
}

// A longest edge of each wanted tetrahedron, and what closure adds: every cut tetrahedron is cut at a longest edge.
// `latest`, zeros at first, is the round, from 1 on, in which a node last became the end of a chosen edge.  Of the
// edges only the first `count` are.
KERNEL edges_to_cut(
    const int64 m, const int* tets /* m,4 */, const int* points /* n,3 */, const bool* wanted /* m */,
    int* latest /* n */, int* edges /* m,2 */, int64* count /* 1 */)
try {
    Choice choice{edges};
    std::vector<char> open(wanted, wanted + m);  // the tetrahedra in which a longest edge may still be missing
    for (int round = 1;; ++round) {
        const int64 before = choice.count;
        for (int64 t = 0; t < m; ++t) {
            if (!open[t]) continue;
            const int64 key = missing_edge(points, tets + 4 * t, choice.table(), round == 1);
            if (key < 0) continue;
            choice.add(key);
            latest[key >> 32] = latest[key & 0xFFFFFFFF] = round;
        }
        if (choice.count == before) break;
        const EdgeTable table = choice.table();
        for_each(m, [&](const int64 t) {
            const int* tet = tets + 4 * t;
            int ends = 0;  // of edges that are new
            for (int i = 0; i < 4; ++i) ends += latest[tet[i]] == round;
            open[t] = ends >= 2 && missing_edge(points, tet, table, false) >= 0;
        });
    }
    count[0] = choice.count;
}
KEEP_FAILURE

// What is seen at the ends, quarters and middle of edges: changes of label, and the finest label's size.
KERNEL seen_along(
    const int64 count, const int* edges /* count,2 */, const double* x /* n,3 */, const uint8* labels /* n */,
    const double* sizes, const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */,
    const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */, uint8* changes /* count */,
    double* finest /* count */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(count, [&](const int64 e) {
        const int a = edges[2 * e], b = edges[2 * e + 1];
        int before = labels[a];
        double size = std::min(sizes[labels[a]], sizes[labels[b]]);
        uint8 seen = 0;
        for (int quarter = 1; quarter <= 4; ++quarter) {
            const int here = quarter == 4 ? labels[b]
                                          : label_at(field, between(vector_at(x, a), vector_at(x, b), 0.25 * quarter));
            size = std::min(size, sizes[here]);
            seen += here != before;
            before = here;
        }
        changes[e] = seen;
        finest[e] = size;
    });
}

// The finest size that is seen along the edges of each tetrahedron, and whether tissue is thin there: an edge changes
// its label twice, or a flat interface would be wrong by more than `flattest` of that size. The middle of the points
// where the interface crosses the edges, `at`, should lie on the interface.
KERNEL thin_tissue(
    const int64 m, const int* tets /* m,4 */, const int* of_tet /* m,6 */, const int* edges /* e,2 */,
    const double* at /* e */, const uint8* changes /* e */, const double* finest /* e */, const double flattest,
    const double* x /* n,3 */, const uint8* labels /* n */, const uint8* indicators /* nx,ny,nz,l */,
    const int64* shape /* 4 */, const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */,
    double* size /* m */, bool* thin /* m */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(m, [&](const int64 t) {
        size[t] = finest[of_tet[6 * t]];
        thin[t] = false;
        for (int k = 0; k < 6; ++k) {
            size[t] = std::min(size[t], finest[of_tet[6 * t + k]]);
            thin[t] |= changes[of_tet[6 * t + k]] >= 2;
        }
        if (thin[t]) return;
        const int* tet = tets + 4 * t;
        const int a = labels[tet[0]];
        int b = a, count = 0;
        for (int i = 1; i < 4; ++i)
            if (labels[tet[i]] != a) b = labels[tet[i]];
        if (a == b) return;
        Vector centre{{0, 0, 0}};
        for (int k = 0; k < 6; ++k) {
            const int64 e = of_tet[6 * t + k];
            const int p = edges[2 * e], q = edges[2 * e + 1];
            if ((labels[p] == a && labels[q] == b) || (labels[p] == b && labels[q] == a)) {
                centre = centre + between(vector_at(x, p), vector_at(x, q), at[e]);
                ++count;
            }
        }
        centre = centre / count;
        Vector g;
        balance_gradient(field, a, b, centre, g.at);
        thin[t] = fabs(balance(field, a, b, centre)) > flattest * size[t] * length(g);
    });
}
