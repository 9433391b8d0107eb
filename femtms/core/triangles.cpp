// Distances between triangles: only checks of a coil's place need them, so they exist for the CPU alone.
//
// A tree of boxes is an implicit binary tree: box 1 holds all triangles, boxes 2i and 2i+1 are the halves of box i, and
// leaf j of L is box L+j with the triangles j f/L to (j+1) f/L.
#include <algorithm>

#include "triangle.h"

namespace
{

const double NOWHERE = std::numeric_limits<double>::quiet_NaN();
const int DEPTH = 64;  // of the stack: the tree is at most 31 levels deep, and each level leaves one box waiting

struct Tree {
    int64 f;                  // triangles
    const double* triangles;  // f,3,3
    int64 leaves;
    const double *low, *high;  // corners of the boxes, 2 leaves,3

    Triangle triangle(const int64 t) const
    {
        return {{vector_at(triangles, 3 * t), vector_at(triangles, 3 * t + 1), vector_at(triangles, 3 * t + 2)}};
    }

    // squared distance between the box from `lowest` to `highest` and one of the tree
    double gap2(const Vector& lowest, const Vector& highest, const int64 box) const
    {
        const double *l = low + 3 * box, *h = high + 3 * box;
        const double x = positive(std::max(l[0] - highest[0], lowest[0] - h[0]));
        const double y = positive(std::max(l[1] - highest[1], lowest[1] - h[1]));
        const double z = positive(std::max(l[2] - highest[2], lowest[2] - h[2]));
        return x * x + y * y + z * z;
    }
};

// body(t) for the triangles of all boxes whose squared distance from the box of `lowest` and `highest` is below
// `least`, which the body may lower.  The nearer half of a box comes first, or always the second.
template <typename Body>
void for_near(
    const Tree& tree, const Vector& lowest, const Vector& highest, const bool nearer_first, const double& least,
    const Body& body)
{
    struct {
        int64 box;
        double gap2;
    } waiting[DEPTH];
    waiting[0] = {1, tree.gap2(lowest, highest, 1)};
    for (int count = 1; count > 0;) {
        const auto [box, gap2] = waiting[--count];
        if (gap2 >= least) continue;
        if (box < tree.leaves) {
            waiting[count] = {2 * box, tree.gap2(lowest, highest, 2 * box)};
            waiting[count + 1] = {2 * box + 1, tree.gap2(lowest, highest, 2 * box + 1)};
            if (nearer_first && waiting[count].gap2 < waiting[count + 1].gap2)
                std::swap(waiting[count], waiting[count + 1]);
            count += 2;
            continue;
        }
        const int64 j = box - tree.leaves;
        for (int64 t = j * tree.f / tree.leaves; t < (j + 1) * tree.f / tree.leaves; ++t) body(t);
    }
}

struct Foot {
    Vector at;
    double least;  // square of the distance
    int64 triangle;
};

// the point of all triangles that is nearest to x
Foot nearest_foot(const Vector& x, const Tree& tree)
{
    Foot best = {x, INFINITE, -1};
    for_near(tree, x, x, true, best.least, [&](const int64 t) {
        const Vector foot = nearest_on_triangle(x, tree.triangle(t));
        const double d2 = square(x - foot);
        if (d2 < best.least) best = {foot, d2, t};
    });
    return best;
}

Vector middle(const Triangle& t)
{
    return (t.at[0] + t.at[1] + t.at[2]) / 3;
}

struct Normal {
    Vector n;
    double clear;  // how little the mean cancels: |mean|/mean of |.|, 0 to 1
};

// Mean outward unit normal of the triangles around a foot.  They count by their area and by how near their middles are:
// 1 - d²/reach², those beyond reach not at all.
Normal smooth_normal(const Foot& foot, double reach, const Tree& tree)
{
    const Vector& x = foot.at;
    reach = std::max(reach, 2 * length(x - middle(tree.triangle(foot.triangle))));  // the one underneath counts
    const double reach2 = reach * reach;
    Vector sum = {0, 0, 0};
    double total = 0;
    for_near(tree, x, x, false, reach2, [&](const int64 t) {
        const Triangle own = tree.triangle(t);
        const double fade = 1 - square(x - middle(own)) / reach2;
        if (!(fade > 0)) return;
        const Vector n = cross(own.at[1] - own.at[0], own.at[2] - own.at[0]);
        sum = sum + fade * n;
        total += fade * length(n);
    });
    const double size = length(sum);
    if (!(size > 0)) return {{0, 0, 0}, 0};
    return {sum / size, size / total};
}

// the unit vector along d without its component along the unit vector n
Vector tangent(const Vector& d, const Vector& n)
{
    const Vector t = d - dot(d, n) * n;
    return t / length(t);
}

struct Pair {
    double least;  // square of the distance
    Vector p, q;

    void take_nearer(const Vector& a, const Vector& b)
    {
        const double d2 = square(a - b);
        if (d2 < least) least = d2, p = a, q = b;
    }
};

// Where u, v in [0,1] on segments p + u d and q + v e come nearest to each other.
//
// The squared distance is a convex parabola in u and v: its least value on the square is inside, where both
// derivatives vanish, or follows from clipping one of them and solving for the other.
void between_segments(const Vector& p, const Vector& d, const Vector& q, const Vector& e, double& u, double& v)
{
    const Vector r = p - q;
    const double a = square(d), b = dot(d, e), c = square(e);
    const double g = dot(d, r), h = dot(e, r);
    const double det = a * c - b * b;
    // parallel segments, and points: any u will do first, as v and then u follow from it
    u = det > 1e-14 * a * c ? clamped(0, (b * h - c * g) / det, 1) : 0;
    v = c > 0 ? clamped(0, (b * u + h) / c, 1) : 0;
    u = a > 0 ? clamped(0, (b * v - g) / a, 1) : 0;
}

// where the segment from p to q goes through triangle t is a point of both
void take_cut(const Vector& p, const Vector& q, const Triangle& t, Pair& pair)
{
    const Vector e = t.at[1] - t.at[0], f = t.at[2] - t.at[0], n = cross(e, f);
    const double a = dot(n, p - t.at[0]), b = dot(n, q - t.at[0]);
    if (!(a * b < 0)) return;  // what touches without going through is left to the distances
    const Vector x = p + a / (a - b) * (q - p);
    double v, w;
    if (barycentric(x - t.at[0], e, f, n, square(n), v, w)) pair.take_nearer(x, x);
}

// Two triangles that do not cut each other are nearest in a corner of one, or between two edges.
void take_triangles(const Triangle& s, const Triangle& t, Pair& pair)
{
    for (int i = 0; i < 3; ++i) {
        pair.take_nearer(s.at[i], nearest_on_triangle(s.at[i], t));
        pair.take_nearer(nearest_on_triangle(t.at[i], s), t.at[i]);
        for (int j = 0; j < 3; ++j) {
            const Vector d = s.at[(i + 1) % 3] - s.at[i], e = t.at[(j + 1) % 3] - t.at[j];
            double u, v;
            between_segments(s.at[i], d, t.at[j], e, u, v);
            pair.take_nearer(s.at[i] + u * d, t.at[j] + v * e);
        }
    }
    for (int i = 0; i < 3; ++i) {
        take_cut(s.at[i], s.at[(i + 1) % 3], t, pair);
        take_cut(t.at[i], t.at[(i + 1) % 3], s, pair);
    }
}

}  // namespace

KERNEL nearest_points(
    const int64 count, const double* points /* count,3 */, const int64 f, const double* triangles /* f,3,3 */,
    const int64 boxes, const double* low /* boxes,3 */, const double* high /* boxes,3 */, double* nearest /* count,3 */,
    double* distance /* count */)
{
    const Tree tree = {f, triangles, boxes / 2, low, high};
    for_each(count, [&](const int64 i) {
        const Foot foot = nearest_foot(vector_at(points, i), tree);
        store(foot.at, nearest, i);
        distance[i] = sqrt(foot.least);
    });
}

// left: how much of `distance` is not gone, as the triangles did not go on
KERNEL walk(
    const double* start /* 3 */, const double* along /* 3 */, const double distance, const double step,
    const double reach, const double least_clear, const int64 f, const double* triangles /* f,3,3 */, const int64 boxes,
    const double* low /* boxes,3 */, const double* high /* boxes,3 */, double* place /* 3 */, double* direction /* 3 */,
    double* outward /* 3 */, double* left /* 1 */)
{
    const Tree tree = {f, triangles, boxes / 2, low, high};
    Foot p = nearest_foot(vector_at(start, 0), tree);
    Normal here = smooth_normal(p, reach, tree);
    Vector d = tangent(vector_at(along, 0), here.n);
    *left = distance;
    while (*left > 1e-9 * distance && here.clear > least_clear) {
        const double h = std::min(step, *left);
        const Foot q = nearest_foot(p.at + h * d, tree);
        const double gone = dot(q.at - p.at, d);
        if (gone < 0.1 * h) break;
        const Normal there = smooth_normal(q, reach, tree);
        // the turn that takes one normal to the other takes d along: parallel transport
        d = d - dot(d, there.n) / (1 + dot(here.n, there.n)) * (here.n + there.n);
        d = tangent(d, there.n);
        p = q, here = there, *left -= gone;
    }
    store(p.at, place, 0);
    store(d, direction, 0);
    store(here.n, outward, 0);
}

// p on the others, q on the triangles of the tree
KERNEL least_distance(
    const int64 g, const double* others /* g,3,3 */, const int64 f, const double* triangles /* f,3,3 */,
    const int64 boxes, const double* low /* boxes,3 */, const double* high /* boxes,3 */, const double within,
    double* distance /* 1 */, double* p /* 3 */, double* q /* 3 */)
{
    const Tree tree = {f, triangles, boxes / 2, low, high}, own = {g, others, 0, nullptr, nullptr};
    const Vector nowhere = {NOWHERE, NOWHERE, NOWHERE};
    Pair pair = {within * within, nowhere, nowhere};
    // the middles of `others` alone first: a good bound spares most of the work
    for (int64 i = 0; i < g; ++i) {
        const Vector x = middle(own.triangle(i));
        for_near(tree, x, x, true, pair.least, [&](const int64 t) {
            pair.take_nearer(x, nearest_on_triangle(x, tree.triangle(t)));
        });
    }
    for (int64 i = 0; i < g; ++i) {
        const Triangle s = own.triangle(i);
        const Vector &a = s.at[0], &b = s.at[1], &c = s.at[2];
        const Vector lowest = {
            std::min({a[0], b[0], c[0]}), std::min({a[1], b[1], c[1]}), std::min({a[2], b[2], c[2]})};
        const Vector highest = {
            std::max({a[0], b[0], c[0]}), std::max({a[1], b[1], c[1]}), std::max({a[2], b[2], c[2]})};
        for_near(
            tree, lowest, highest, true, pair.least, [&](const int64 t) { take_triangles(s, tree.triangle(t), pair); });
    }
    *distance = sqrt(pair.least);
    store(pair.p, p, 0);
    store(pair.q, q, 0);
}
