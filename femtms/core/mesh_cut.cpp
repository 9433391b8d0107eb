// Edges that still join different labels are cut where the label changes: see mesh/cut.py.
#include <algorithm>

#include "snap.h"

namespace
{

const int UNKNOWN = 255;                // the label of nodes on an interface
const double LEAST = 0.25, MOST = 0.8;  // of the way from a node on an interface to one of a third label

// A way through the field, from p to q
struct Way {
    const LabelField& field;
    Vector p, q;

    int label(const double s) const { return label_at(field, between(p, q, s)); }

    // The last fraction of the way at which the label is another than that of q.
    double entry(const int last) const
    {
        const int steps = 8;
        double low = 0, high = 1;
        for (int step = steps - 1; step >= 0; --step) {
            const double s = (double)step / steps;
            if (label(s) != last) {
                low = s;
                high = s + 1.0 / steps;
                break;
            }
        }
        for (int k = 0; k < 4; ++k) {
            const double s = 0.5 * (low + high);
            (label(s) != last ? low : high) = s;
        }
        return 0.5 * (low + high);
    }
};

int lowest(const int64 bits)
{
    int label = 0;
    while (!(bits >> label & 1)) ++label;
    return label;
}

}  // namespace

// Where each edge is cut, as a fraction from its first node, NaN: not at all; and the two labels there, as bits.
//
// Between two nodes inside different labels the cut is where these balance, or, if a third label is there, where the
// second one begins: the third's other end is then cut in the next pass.  Between a node on an interface and one
// inside a label that does not belong to that interface, the cut is where that label begins; and between nodes on
// interfaces without a common label, where the label changes on the way.
KERNEL cuts(
    const int64 count, const int* edges /* count,2 */, const double* x /* n,3 */, const uint8* labels /* n */,
    const int64* bits /* n */, const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */,
    const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */, double* at /* count */,
    int64* sides /* count */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(count, [&](const int64 e) {
        const bool turned = bits[edges[2 * e + 1]] != 0;
        const int p = edges[2 * e + turned], q = edges[2 * e + !turned];
        const Way way{field, vector_at(x, p), vector_at(x, q)};
        int first, second = labels[q];
        double s;
        at[e] = std::numeric_limits<double>::quiet_NaN();
        sides[e] = 0;
        if (!bits[p]) {
            first = labels[p];
            if (first == second) return;
            s = where_balanced(field, first, second, way.p, way.q);
            const int here = way.label(s);
            if (here != first && here != second) {
                first = here;
                s = std::clamp(way.entry(second), LEAST, MOST);
            }
        } else if (!bits[q]) {
            if (bits[p] >> second & 1) return;
            first = lowest(bits[p]);
            s = std::min(way.entry(second), MOST);
            if (s <= LEAST) return;
        } else {
            if (bits[p] & bits[q]) return;
            first = way.label(LEAST);
            second = way.label(1 - LEAST);
            if (first == second) return;
            s = std::clamp(way.entry(second), LEAST, 1 - LEAST);
        }
        sides[e] = (int64)1 << first | (int64)1 << second;
        at[e] = turned ? 1 - s : s;
    });
}

// Label of each tetrahedron: that of its nodes which lie on no interface, else the largest mean f_l.
KERNEL tet_labels(
    const int64 m, const int* tets /* m,4 */, const double* x /* n,3 */, const uint8* labels /* n */, const int count,
    const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */, const double* to_voxel /* 3,4 */,
    const int64 layers, const double* radii /* layers */, uint8* out /* m */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(m, [&](const int64 t) {
        const int* tet = tets + 4 * t;
        int label = UNKNOWN;
        for (int i = 0; i < 4; ++i) label = std::min<int>(label, labels[tet[i]]);
        if (label == UNKNOWN) {
            Vector centre{{0, 0, 0}};
            for (int i = 0; i < 4; ++i) centre = centre + 0.25 * vector_at(x, tet[i]);
            double largest = -1e300;
            for (int candidate = 0; candidate < count; ++candidate) {
                double f = indicator(field, candidate, centre);
                for (int i = 0; i < 4; ++i) f += indicator(field, candidate, 0.5 * (centre + vector_at(x, tet[i])));
                if (f > largest) {
                    label = candidate;
                    largest = f;
                }
            }
        }
        out[t] = (uint8)label;
    });
}

// Whether the nodes of a tetrahedron are not all inside one label.
KERNEL mixed(
    const int64 m, const int* tets /* m,4 */, const uint8* labels /* n */, const int64* bits /* n */, bool* out /* m */)
{
    for_each(m, [&](const int64 t) {
        const int* tet = tets + 4 * t;
        out[t] = false;
        for (int i = 0; i < 4; ++i) out[t] = out[t] || bits[tet[i]] || labels[tet[i]] != labels[tet[0]];
    });
}
