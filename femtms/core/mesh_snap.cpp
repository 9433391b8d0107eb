// Nodes close to an interface are moved onto it: see mesh/snap.py.
#include "distortion.h"
#include "snap.h"

// Fraction of the way along each edge at which the labels of its ends balance; NaN if they are equal.
KERNEL crossings(
    const int64 count, const int* edges /* count,2 */, const double* x /* n,3 */, const uint8* labels /* n */,
    const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */, const double* to_voxel /* 3,4 */,
    const int64 layers, const double* radii /* layers */, double* at /* count */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(count, [&](const int64 e) {
        const int p = edges[2 * e], q = edges[2 * e + 1], a = labels[p], b = labels[q];
        at[e] = std::numeric_limits<double>::quiet_NaN();
        if (a != b) at[e] = where_balanced(field, a, b, vector_at(x, p), vector_at(x, q));
    });
}

// Move nodes in the order of their numbers; bits, zeros at first, of each moved one are the labels that it separates.
// Edges and tetrahedra that meet at each node come as starts and meeting; at are the crossings of the edges.
KERNEL snap(
    const int64 n, double* x /* n,3 */, const uint8* labels /* n */, const int* edges /* e,2 */,
    const double* at /* e */, const int64* edge_starts /* n+1 */, const int* edges_meeting, const int* tets /* m,4 */,
    const int64* tet_starts /* n+1 */, const int* tets_meeting, const double near, const double worst,
    int64* bits /* n */)
{
    for (int i = 0; i < n; ++i) {
        double nearest = near;
        int there = -1;
        for (int64 p = edge_starts[i]; p < edge_starts[i + 1]; ++p) {
            const int e = edges_meeting[p];
            const bool first = edges[2 * (int64)e] == i;
            const int other = edges[2 * (int64)e + first];
            const double distance = first ? at[e] : 1 - at[e];
            if (!bits[other] && distance < nearest) {
                nearest = distance;
                there = other;
            }
        }
        if (there < 0) continue;
        const Vector p = vector_at(x, i), to = p + nearest * (vector_at(x, there) - p);
        bool fits = true;
        for (int64 s = tet_starts[i]; s < tet_starts[i + 1] && fits; ++s) {
            int others[3];
            others_of(tets + 4 * (int64)tets_meeting[s], i, others);
            fits = !(distortion(x, others, to) > worst);
        }
        if (!fits) continue;
        store(to, x, i);
        bits[i] = (int64)1 << labels[i] | (int64)1 << labels[there];
    }
}
