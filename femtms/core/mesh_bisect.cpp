// Bisection of tetrahedra at chosen edges, the most urgent edge first: see mesh/bisect.py.
#include "edges.h"

namespace
{

struct Chosen {
    EdgeTable table;
    const bool* touched;     // whether a node is an end of one
    const double* priority;  // of the edge whose middle is first_node + i
    int first_node;

    // The node in the middle of the most urgent chosen edge of a tetrahedron, the lowest among equals, and the two
    // corners between which it is; -1: none is chosen.
    int most_urgent(const int* tet, int* corners) const
    {
        int best = -1;
        double most = -1;
        for (int i = 0; i < 3; ++i) {
            if (tet[i] >= first_node || !touched[tet[i]]) continue;
            for (int j = i + 1; j < 4; ++j) {
                if (tet[j] >= first_node || !touched[tet[j]]) continue;
                const int node = table.find(tet[i], tet[j]);
                if (node < 0) continue;
                const double p = priority[node - first_node];
                if (p > most || (p == most && node < best)) {
                    best = node;
                    most = p;
                    corners[0] = i;
                    corners[1] = j;
                }
            }
        }
        return best;
    }
};

void copy_tet(const int* from, int* to)
{
    for (int i = 0; i < 4; ++i) to[i] = from[i];
}

}  // namespace

// counts of the tetrahedra that each becomes; if `out` is there, these go to its rows from starts[t] on
KERNEL bisect(
    const int64 m, const int* tets /* m,4 */, const int64 first_node, const bool* touched /* first_node */,
    const int64 size, int64* keys /* size */, int* middle /* size */, const double* priority,
    const int64* starts /* m? */, int* counts /* m */, int* out /* total,4? */)
{
    const Chosen chosen{{keys, middle, (uint64)size}, touched, priority, (int)first_node};
    for_each(m, [&](const int64 t) {
        const int* tet = tets + 4 * t;
        int* to = out ? out + 4 * starts[t] : nullptr;
        if (touched[tet[0]] + touched[tet[1]] + touched[tet[2]] + touched[tet[3]] < 2) {
            if (out) copy_tet(tet, to);
            counts[t] = 1;
            return;
        }
        int stack[64][4], corners[2];
        int depth = 1, count = 0;
        copy_tet(tet, stack[0]);
        while (depth) {
            int* top = stack[--depth];
            const int node = chosen.most_urgent(top, corners);
            if (node < 0) {
                if (out) copy_tet(top, to + 4 * count);
                ++count;
            } else {
                copy_tet(top, stack[depth + 1]);
                stack[depth][corners[1]] = stack[depth + 1][corners[0]] = node;
                depth += 2;
            }
        }
        counts[t] = count;
    });
}
