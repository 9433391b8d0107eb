// Better shapes: see mesh/optimise.py.  Lengths are in mm.
#include <vector>

#include "label_field.h"
#include "star.h"

namespace
{

const double ALREADY_REGULAR = 1.15;  // stars whose worst distortion is below this stay as they are
const double GOOD = 4;                // a node may go to its interface as long as no tetrahedron gets worse than this
const double RELAX = 0.7;             // of the correction, each time
const double HIGHEST_LEVEL = 0.5;
const double STILL_MM = 0.01;
const double LONGEST_STEP_MM = 0.5;
const int64 TOGETHER = 128;  // nodes that are a task

// The three lowest labels in a set of bits, -1 where there are fewer, and how many there are.
struct Labels {
    int a = -1, b = -1, c = -1, count = 0;

    explicit Labels(const int64 bits)
    {
        for (int label = 0; bits >> label; ++label) {
            if (!(bits >> label & 1)) continue;
            if (count == 0) a = label;
            if (count == 1) b = label;
            if (count == 2) c = label;
            ++count;
        }
    }
};

Vector gradient(const LabelField& field, const int a, const int b, const Vector& p)
{
    Vector g;
    balance_gradient(field, a, b, p, g.at);
    return g;
}

// The nearest point, by Gauss-Newton, with f_a - f_b = level; and f_a = f_c, if c >= 0, where three labels meet.
Vector projected(const LabelField& field, const Labels& labels, const double level, Vector p, const int steps)
{
    for (int step = 0; step < steps; ++step) {
        const double d = balance(field, labels.a, labels.b, p) - level;
        const Vector g = gradient(field, labels.a, labels.b, p);
        Vector move;
        if (labels.c < 0) {
            const double gg = dot(g, g);
            if (gg < 1e-4) break;
            move = -d / gg * g;
        } else {
            const double e = balance(field, labels.a, labels.c, p);
            const Vector h = gradient(field, labels.a, labels.c, p);
            double aa = dot(g, g), bb = dot(h, h);
            const double ab = dot(g, h);
            const double damping = 0.02 * (aa + bb) + 1e-6;  // where the two surfaces are nearly parallel
            aa += damping;
            bb += damping;
            const double det = aa * bb - ab * ab;
            move = -(bb * d - ab * e) / det * g + -(aa * e - ab * d) / det * h;
        }
        const double size = length(move);
        if (size > LONGEST_STEP_MM) move = LONGEST_STEP_MM / size * move;
        p = p + move;
        if (size < 2e-3) break;
    }
    return p;
}

// Restricts gradient and Hessian to steps at right angles to the unit vector n.
void hold_along(const Vector& n, Derivatives& of)
{
    double* h = of.hessian;
    const double stiff = 1e3 * (h[0] + h[3] + h[5]);
    of.gradient = of.gradient - dot(of.gradient, n) * n;
    for (int i = 0; i < 3; ++i)
        for (int j = i; j < 3; ++j) *h++ += stiff * n.at[i] * n.at[j];
}

// New place of a node inside a tissue.
Vector inner_place(Star& star, const Vector& p)
{
    double worst;
    const double energy = star.energy(p, worst);
    if (worst < ALREADY_REGULAR) return p;
    const Vector step = newton_step(star.derivatives(p));
    double s = 1;
    for (int attempt = 0; attempt < 5; ++attempt) {
        const Vector q = p + s * step;
        if (star.energy(q, worst) < energy) return q;
        s *= 0.4;
    }
    return p;
}

// New place of a node on an interface: along it to a better shape, and back onto it as far as shapes allow.
Vector interface_place(const LabelField& field, Star& star, const Vector& p, const int64 bits, const double level)
{
    double worst;
    const double energy = star.energy(p, worst);
    const Labels labels(bits);
    Vector step = {0, 0, 0};
    if (labels.count <= 3) {
        Derivatives of = star.derivatives(p);
        Vector n = gradient(field, labels.a, labels.b, p);
        const double nn = length(n);
        if (nn > 1e-6) {
            n = n / nn;
            hold_along(n, of);
            if (labels.c >= 0) {
                Vector t = gradient(field, labels.a, labels.c, p);
                t = t - dot(n, t) * n;
                const double tt = length(t);
                if (tt > 1e-6) hold_along(t / tt, of);
            }
        }
        step = newton_step(of);
    }
    double s = 1;
    Vector q = p;
    for (int attempt = 0; attempt < 4; ++attempt) {
        if (attempt == 3) s = 0;  // straight onto the interface
        q = projected(field, labels, level, p + s * step, 3);
        const double next = star.energy(q, worst);
        if (next < energy || (worst < GOOD && (attempt == 3 || next < 1.02 * energy))) return q;
        s *= 0.4;
    }
    double part = 0.5;
    for (int attempt = 0; attempt < 3; ++attempt) {  // part of the way
        const Vector r = p + part * (q - p);
        if (star.energy(r, worst) < energy || worst < GOOD) return r;
        part *= 0.5;
    }
    return p;
}

// Whether a gap (4) is closed when node i goes to q.
//
// It is when corner d is behind triangle abc. If abc and bad are hinged at ab, d must also be on the same side of ab
// as c: when they are opened so far that there is no gap any more, d is behind abc too, but on the other side.
bool closes(const double* x, const int i, const int* gap, const bool hinged, const Vector& q)
{
    Vector at[4];
    for (int k = 0; k < 4; ++k) at[k] = gap[k] == i ? q : vector_at(x, gap[k]);
    const Vector ab = at[1] - at[0], ad = at[3] - at[0], normal = cross(ab, at[2] - at[0]);
    return dot(normal, ad) <= 0 && (!hinged || dot(normal, cross(ab, ad)) > 0);
}

}  // namespace

// A colour for each node, such that the nodes of a tetrahedron or gap differ: the lowest that is free.
KERNEL colours_of(
    const int64 n, const int* tets /* m,4 */, const int64* starts /* n+1 */, const int* meeting,
    const int* gaps /* g,4 */, const int64* gap_starts /* n+1 */, const int* gap_rows, int* colours /* n */)
try {
    std::vector<int64> taken;  // by colour, the last node that has a neighbour of it
    for (int64 i = 0; i < n; ++i) {
        const auto take = [&](const int* four) {
            for (int k = 0; k < 4; ++k)
                if (four[k] < i) taken[colours[four[k]]] = i;
        };
        for (int64 p = starts[i]; p < starts[i + 1]; ++p) take(tets + 4 * (int64)meeting[p]);
        for (int64 p = gap_starts[i]; p < gap_starts[i + 1]; ++p) take(gaps + 4 * (int64)gap_rows[p]);
        const auto none = std::find_if(taken.begin(), taken.end(), [&](const int64 j) { return j != i; });
        colours[i] = (int)(none - taken.begin());
        if (none == taken.end()) taken.push_back(-1);
    }
}
KEEP_FAILURE

// The other three nodes of each tetrahedron of a node, for all nodes in the order in which they move: those of
// order[k] begin in row begins[k].
KERNEL links_of(
    const int64 n, const int* order /* n */, const int* tets /* m,4 */, const int64* starts /* n+1 */,
    const int* meeting /* e */, const int64* begins /* n+1 */, int* links /* e,3 */)
{
    for_each(n, [&](const int64 k) {
        const int i = order[k];
        int* link = links + 3 * begins[k];
        for (int64 p = starts[i]; p < starts[i + 1]; ++p, link += 3) others_of(tets + 4 * (int64)meeting[p], i, link);
    });
}

// Moves the nodes order[first] ... order[end - 1], if chosen: they share no tetrahedron and no gap.  Those with at most
// one label move as if inside a tissue.
KERNEL move_nodes(
    const int64 first, const int64 end, const int* order /* n */, const bool* chosen /* n? */, double* x /* n,3 */,
    const int64* begins /* n+1 */, const int* links /* e,3 */, const int64* bits /* n */, const double* level /* n */,
    const int power, bool* still /* n */, const int* gaps /* g,4 */, const bool* hinged /* g */,
    const int64* gap_starts /* n+1 */, const int* gap_rows, const uint8* indicators /* nx,ny,nz,l */,
    const int64* shape /* 4 */, const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */)
try {
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    const int64 count = end - first;
    for_parts(count, (count + TOGETHER - 1) / TOGETHER, [&](int64, const int64 from, const int64 to) {
        Star star;
        for (int64 k = first + from; k < first + to; ++k) {
            const int i = order[k];
            if (chosen && !chosen[i]) continue;
            bool quiet = still[i];
            for (int64 p = 3 * begins[k]; p < 3 * begins[k + 1] && quiet; ++p) quiet = still[links[p]];
            if (quiet) continue;
            const Vector p = vector_at(x, i);
            star.gather(x, links + 3 * begins[k], begins[k + 1] - begins[k], power);
            const bool on_interface = bits[i] & (bits[i] - 1);
            const Vector q = on_interface ? interface_place(field, star, p, bits[i], level[i]) : inner_place(star, p);
            bool closed = false;
            for (int64 g = gap_starts[i]; g < gap_starts[i + 1] && !closed; ++g)
                closed = closes(x, i, gaps + 4 * (int64)gap_rows[g], hinged[gap_rows[g]], q);
            if (closed) continue;
            still[i] = dot(q - p, q - p) < STILL_MM * STILL_MM;
            store(q, x, i);
        }
    });
}
KEEP_FAILURE

// Areas of triangles.
KERNEL areas_of(const int64 f, const double* x /* n,3 */, const int* triangles /* f,3 */, double* areas /* f */)
{
    for_each(f, [&](const int64 t) {
        const Vector o = vector_at(x, triangles[3 * t]);
        const Vector u = vector_at(x, triangles[3 * t + 1]) - o, v = vector_at(x, triangles[3 * t + 2]) - o;
        areas[t] = 0.5 * length(cross(u, v));
    });
}

// Mean of f_a - f_b over triangles: that of the quadratic through corners (1/12 each) and centroid (3/4).
KERNEL mean_balance(
    const int64 f, const double* x /* n,3 */, const int* triangles /* f,3 */, const uint8* pairs /* f,2 */,
    const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */, const double* to_voxel /* 3,4 */,
    const int64 layers, const double* radii /* layers */, double* means /* f */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(f, [&](const int64 t) {
        Vector corners[3];
        for (int k = 0; k < 3; ++k) corners[k] = vector_at(x, triangles[3 * t + k]);
        const int a = pairs[2 * t], b = pairs[2 * t + 1];
        means[t] = 0.75 * balance(field, a, b, (corners[0] + corners[1] + corners[2]) / 3);
        for (const Vector& corner : corners) means[t] += balance(field, a, b, corner) / 12;
    });
}

// Changes the level of two-label nodes so that the mean of f_a - f_b around each becomes that of the wanted growth,
// which is by how many mm label a shall reach beyond f_a = f_b into label b.
KERNEL adjust_levels(
    const int64 n, const double* x /* n,3 */, const double* areas /* f */, const double* means /* f */,
    const int64* starts /* n+1 */, const int* meeting, const int64* bits /* n */, const int64 l,
    const double* growth /* l,l */, const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */,
    const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */, double* level /* n */,
    bool* still /* n */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(n, [&](const int64 i) {
        const Labels labels(bits[i]);
        if (labels.count != 2) return;
        double total = 0, weight = 0;
        for (int64 p = starts[i]; p < starts[i + 1]; ++p) {
            total += areas[meeting[p]] * means[meeting[p]];
            weight += areas[meeting[p]];
        }
        if (!(weight > 0)) return;
        const double steepness = length(gradient(field, labels.a, labels.b, vector_at(x, i)));
        const double change = RELAX * (total / weight + growth[l * labels.a + labels.b] * steepness);
        level[i] = std::min(std::max(level[i] - change, -HIGHEST_LEVEL), HIGHEST_LEVEL);
        still[i] = false;
    });
}

// q of each tetrahedron
KERNEL distortions(const int64 m, const double* x /* n,3 */, const int* tets /* m,4 */, double* q /* m */)
{
    for_each(m, [&](const int64 t) { q[t] = distortion(x, tets + 4 * t + 1, vector_at(x, tets[4 * t])); });
}
