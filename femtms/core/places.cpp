// Which tetrahedron holds a point, or is nearest to it, and what is there.  Only sampling needs it, so it exists for
// the CPU alone.  The tetrahedra are split into parts; each has a row of its own in `owner` and `least`.
#include <algorithm>

#include "tetrahedron.h"
#include "triangle.h"

namespace
{

const double ROUNDING = 1e-9;  // of a barycentric coordinate
const int ALL = -1;            // in place of a tissue

// the lowest and the highest coordinates of a tetrahedron
struct Box {
    double low[3], high[3];

    Box(const double* nodes, const int* tet)
    {
        for (int d = 0; d < 3; ++d) {
            const double x[4] = {
                nodes[3 * (int64)tet[0] + d], nodes[3 * (int64)tet[1] + d], nodes[3 * (int64)tet[2] + d],
                nodes[3 * (int64)tet[3] + d]};
            low[d] = std::min(std::min(x[0], x[1]), std::min(x[2], x[3]));
            high[d] = std::max(std::max(x[0], x[1]), std::max(x[2], x[3]));
        }
    }

    Box grown(const double by) const
    {
        Box box = *this;
        for (int d = 0; d < 3; ++d) box.low[d] -= by, box.high[d] += by;
        return box;
    }

    double outside(const double* x, const int d) const { return positive(std::max(low[d] - x[d], x[d] - high[d])); }

    bool holds(const double* x) const
    {
        return x[0] >= low[0] && x[0] <= high[0] && x[1] >= low[1] && x[1] <= high[1] && x[2] >= low[2] &&
               x[2] <= high[2];
    }
};

// Points in the order of the cells of a grid, from `low` to `high`.
struct Grid {
    const int64* starts;
    const double *low, *high;
    double size;
    const int64* shape;

    // the cell along one axis, that at the rim for what is beyond it
    int64 cell(const double x, const int d) const
    {
        return (int64)std::min(std::max(x - low[d], 0.0) / size, (double)(shape[d] - 1));
    }

    // body(p) for the points of all cells that a box meets; none where it misses low to high: cells alone do not tell
    // that, as what is beyond the grid would meet all points of those at its rim
    template <typename Body>
    void for_points_near(const Box& box, const Body& body) const
    {
        for (int d = 0; d < 3; ++d)
            if (box.high[d] < low[d] || box.low[d] > high[d]) return;
        const int64 i1 = cell(box.high[0], 0), j0 = cell(box.low[1], 1), j1 = cell(box.high[1], 1);
        const int64 k0 = cell(box.low[2], 2), k1 = cell(box.high[2], 2);
        for (int64 i = cell(box.low[0], 0); i <= i1; ++i)
            for (int64 j = j0; j <= j1; ++j) {
                const int64 row = (i * shape[1] + j) * shape[2];
                for (int64 p = starts[row + k0]; p < starts[row + k1 + 1]; ++p) body(p);
            }
    }
};

// a tetrahedron for barycentric coordinates
struct Tetrahedron {
    double g[4][3], volume;  // 6V∇λ and 6V
    Vector corner;

    Tetrahedron(const double* nodes, const int* tet)
        : volume(six_volume_gradients(nodes, tet, g)), corner(vector_at(nodes, tet[0]))
    {
    }

    // barycentric coordinates of a point, and whether it is inside
    bool weights(const Vector& point, double* w) const
    {
        const Vector x = point - corner;
        for (int a = 1; a < 4; ++a) w[a] = dot(g[a], x) / volume;
        w[0] = 1 - (w[1] + w[2] + w[3]);
        return w[0] >= -ROUNDING && w[1] >= -ROUNDING && w[2] >= -ROUNDING && w[3] >= -ROUNDING;
    }
};

// Whether triangle t is farther from x than √least because its plane is, by far more than rounding: most can be told
// so.
bool clearly_beyond(const Vector& x, const Triangle& t, const double least)
{
    const Vector e = t.at[1] - t.at[0], f = t.at[2] - t.at[0], n = cross(e, f), r = x - t.at[0];
    const double n2 = square(n), height = dot(n, r);
    const bool has_plane = n2 > 1e-12 * (square(e) * square(f));
    return has_plane & (height * height > n2 * (1.001 * least + 1e-15 * square(r)));
}

// the point of a tetrahedron that is nearest to a point outside, and lowers `least`, the squared distance
void take_nearest(const double* nodes, const int* tet, const Vector& x, double& least, Vector& nearest)
{
    static const int faces[4][3] = {{1, 2, 3}, {0, 3, 2}, {0, 1, 3}, {0, 2, 1}};
    for (const int* face : faces) {
        const Triangle t = {
            {vector_at(nodes, tet[face[0]]), vector_at(nodes, tet[face[1]]), vector_at(nodes, tet[face[2]])}};
        if (clearly_beyond(x, t, least)) continue;
        const Vector foot = nearest_on_triangle(x, t);
        const double d2 = square(x - foot);
        if (d2 < least) least = d2, nearest = foot;
    }
}

}  // namespace

// the lowest tetrahedron that holds each point goes to the first row of owner, which comes with -1
KERNEL held_by(
    const double* nodes /* n,3 */, const int64 m, const int* tets /* m,4 */, const int* tags /* m */, const int tag,
    const int64 count, const double* points /* count,3 */, const int64* starts, const double* low /* 3 */,
    const double* high /* 3 */, const double size, const int64* shape /* 3 */, const int parts,
    int* owner /* parts,count */)
{
    const Grid grid = {starts, low, high, size, shape};
    for_parts(m, parts, [&](const int64 part, const int64 begin, const int64 end) {
        int* own = owner + part * count;
        for (int64 t = begin; t < end; ++t) {
            if (tag != ALL && tags[t] != tag) continue;
            const int* tet = tets + 4 * t;
            Box box(nodes, tet);
            const double *l = box.low, *h = box.high;
            box = box.grown(4 * ROUNDING * (h[0] - l[0] + h[1] - l[1] + h[2] - l[2]));
            grid.for_points_near(box, [&](const int64 p) {
                double w[4];
                if (own[p] >= 0 || !box.holds(points + 3 * p)) return;
                if (Tetrahedron(nodes, tet).weights(vector_at(points, p), w)) own[p] = (int)t;
            });
        }
    });
    for_each(count, [&](const int64 p) {
        for (int part = 1; part < parts && owner[p] < 0; ++part) owner[p] = owner[part * count + p];
    });
}

// the nearest tetrahedron goes to the first row of owner, which comes with -1; least comes with reach²
KERNEL nearest_to(
    const double* nodes /* n,3 */, const int64 m, const int* tets /* m,4 */, const int* tags /* m */, const int tag,
    const int64 count, const double* points /* count,3 */, const int64* starts, const double* low /* 3 */,
    const double* high /* 3 */, const double size, const int64* shape /* 3 */, const double reach, const int parts,
    int* owner /* parts,count */, double* least /* parts,count */)
{
    const Grid grid = {starts, low, high, size, shape};
    for_parts(m, parts, [&](const int64 part, const int64 begin, const int64 end) {
        int* own = owner + part * count;
        double* own_least = least + part * count;
        for (int64 t = begin; t < end; ++t) {
            if (tag != ALL && tags[t] != tag) continue;
            const int* tet = tets + 4 * t;
            const Box box(nodes, tet);
            grid.for_points_near(box.grown(reach), [&](const int64 p) {
                const double* x = points + 3 * p;
                const Vector gap = {box.outside(x, 0), box.outside(x, 1), box.outside(x, 2)};
                if (square(gap) >= own_least[p]) return;
                const double before = own_least[p];
                Vector nearest;
                take_nearest(nodes, tet, vector_at(points, p), own_least[p], nearest);
                if (own_least[p] < before) own[p] = (int)t;
            });
        }
    });
    for_each(count, [&](const int64 p) {
        for (int64 other = count + p; other < parts * count; other += count)
            if (least[other] < least[p]) least[p] = least[other], owner[p] = owner[other];
    });
}

KERNEL weights_in(
    const double* nodes /* n,3 */, const int* tets /* m,4 */, const int64 count, const int* owner /* count */,
    const double* points /* count,3 */, double* weights /* count,4 */)
{
    for_each(count, [&](const int64 p) {
        double* w = weights + 4 * p;
        if (owner[p] < 0) {
            for (int a = 0; a < 4; ++a) w[a] = std::numeric_limits<double>::quiet_NaN();
            return;
        }
        const int* tet = tets + 4 * (int64)owner[p];
        const Tetrahedron own(nodes, tet);
        const Vector x = vector_at(points, p);
        if (!own.weights(x, w)) {
            double least = std::numeric_limits<double>::infinity();
            Vector nearest;
            take_nearest(nodes, tet, x, least, nearest);
            own.weights(nearest, w);
        }
        for (int a = 0; a < 4; ++a) w[a] = std::max(w[a], 0.0);
        const double total = w[0] + w[1] + w[2] + w[3];
        for (int a = 0; a < 4; ++a) w[a] /= total;
    });
}

KERNEL points_in(
    const double* nodes /* n,3 */, const int* tets /* m,4 */, const int64 count, const int* owner /* count */,
    const double* weights /* count,4 */, double* points /* count,3 */)
{
    for_each(count, [&](const int64 p) {
        const int* tet = tets + 4 * (int64)owner[p];
        const double* w = weights + 4 * p;
        const Vector a = w[0] * vector_at(nodes, tet[0]), b = w[1] * vector_at(nodes, tet[1]);
        store(a + b + w[2] * vector_at(nodes, tet[2]) + w[3] * vector_at(nodes, tet[3]), points, p);
    });
}

KERNEL field_in(
    const double* nodes /* n,3 */, const int* tets /* m,4 */, const int64 count, const int* owner /* count */,
    const double* values /* count,4 */, const double* dadt /* count,3 */, double* E /* count,3 */)
{
    for_each(count, [&](const int64 p) {
        double g[4][3];
        const double volume = six_volume_gradients(nodes, tets + 4 * (int64)owner[p], g);
        // the ∇λ add up to zero: only differences count
        const double* c = values + 4 * p;
        const double c1 = c[1] - c[0], c2 = c[2] - c[0], c3 = c[3] - c[0];
        for (int d = 0; d < 3; ++d)
            E[3 * p + d] = -dadt[3 * p + d] - (c1 * g[1][d] + c2 * g[2][d] + c3 * g[3][d]) / volume;
    });
}
