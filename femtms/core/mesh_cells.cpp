// Tetrahedra by the cells of a grid: see mesh/cells.py.
#include <algorithm>

#include "vector.h"

namespace
{

// body(cell) for each cell that a tetrahedron's bounding box touches
template <typename Body>
void for_cells(
    const double* nodes, const int* tet, const double* low, const double size, const int64* shape, const Body& body)
{
    int64 first[3], last[3];
    for (int d = 0; d < 3; ++d) {
        const auto x = [&](const int a) { return nodes[3 * (int64)tet[a] + d]; };
        const double least = std::min({x(0), x(1), x(2), x(3)}), most = std::max({x(0), x(1), x(2), x(3)});
        first[d] = std::max((int64)((least - low[d]) / size - 1e-6), (int64)0);
        last[d] = std::min((int64)((most - low[d]) / size + 1e-6), shape[d] - 1);
    }
    for (int64 i = first[0]; i <= last[0]; ++i)
        for (int64 j = first[1]; j <= last[1]; ++j)
            for (int64 k = first[2]; k <= last[2]; ++k) body((i * shape[1] + j) * shape[2] + k);
}

// a·(b×c)
double triple(const Vector& a, const Vector& b, const Vector& c)
{
    return dot(a, cross(b, c));
}

// Whether x is in a tetrahedron: its barycentric coordinates are not negative, but for rounding.
bool in_tet(const Vector& x, const double* nodes, const int* tet)
{
    const Vector x0 = vector_at(nodes, tet[0]), r = x - x0;
    const Vector a = vector_at(nodes, tet[1]) - x0, b = vector_at(nodes, tet[2]) - x0,
                 c = vector_at(nodes, tet[3]) - x0;
    const double volume = triple(a, b, c);
    const double u = triple(r, b, c) / volume, v = triple(a, r, c) / volume, w = triple(a, b, r) / volume;
    return std::min({u, v, w}) >= -1e-9 && u + v + w <= 1 + 1e-9;
}

}  // namespace

// How many tetrahedra touch each cell, added to counts.
KERNEL count_members(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const double* low /* 3 */,
    const double size, const int64* shape /* 3 */, int64* counts)
{
    for (int64 t = 0; t < m; ++t)
        for_cells(nodes, tets + 4 * t, low, size, shape, [&](const int64 cell) { ++counts[cell]; });
}

// The tetrahedra that touch each cell; `free` is where the next one of the cell goes.
KERNEL list_members(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, const double* low /* 3 */,
    const double size, const int64* shape /* 3 */, int64* free, int* members)
{
    for (int64 t = 0; t < m; ++t)
        for_cells(nodes, tets + 4 * t, low, size, shape, [&](const int64 cell) { members[free[cell]++] = (int)t; });
}

// Whether each point is in a tetrahedron.
KERNEL points_held(
    const int64 count, const double* points /* count,3 */, const double* nodes /* n,3 */, const int* tets /* m,4 */,
    const double* low /* 3 */, const double size, const int64* shape /* 3 */, const int64* starts, const int* members,
    bool* held /* count */)
{
    for_each(count, [&](const int64 p) {
        held[p] = false;
        int64 cell = 0;
        for (int d = 0; d < 3; ++d) {
            const double position = (points[3 * p + d] - low[d]) / size;
            if (!(-1e-6 <= position && position <= shape[d] + 1e-6)) return;  // not for NaN either
            cell = cell * shape[d] + std::min(std::max((int64)position, (int64)0), shape[d] - 1);
        }
        const Vector x = vector_at(points, p);
        for (int64 s = starts[cell]; s < starts[cell + 1] && !held[p]; ++s)
            held[p] = in_tet(x, nodes, tets + 4 * (int64)members[s]);
    });
}
