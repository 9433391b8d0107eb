// Walks over tetrahedra and over a surface: see mesh/enclose.py, which has the terms.
#include <algorithm>
#include <vector>

#include "device.h"

// Clears `solid` for every tetrahedron that is not inside and is connected to one of the seeds by faces.
KERNEL flood(
    const int64 count, const int64* seeds /* count */, const int* neighbours /* m,4 */, const bool* inside /* m */,
    bool* solid /* m */)
try {
    std::vector<int64> stack;
    const auto clear = [&](const int64 t) {
        if (t < 0 || inside[t] || !solid[t]) return;
        solid[t] = false;
        stack.push_back(t);
    };
    for (int64 s = 0; s < count; ++s) {
        clear(seeds[s]);
        while (!stack.empty()) {
            const int64 t = stack.back();
            stack.pop_back();
            for (int a = 0; a < 4; ++a) clear(neighbours[4 * t + a]);
        }
    }
}
KEEP_FAILURE

// Number of the node at each corner: corners are one node when they follow each other around it.
KERNEL fans(const int64 darts, const int64* mates /* darts */, int* fan /* darts */)
{
    std::fill(fan, fan + darts, -1);
    int count = 0;
    for (int64 start = 0; start < darts; ++start) {
        if (fan[start] >= 0) continue;
        for (int64 corner = start; fan[corner] < 0;) {
            fan[corner] = count;
            const int64 mate = mates[corner];  // runs towards this node: the next corner is at its end
            corner = mate - mate % 3 + (mate + 1) % 3;
        }
        ++count;
    }
}

// Flips `odd` of the owner of each triangle that the ray from a point towards +z goes through.
KERNEL ray_crossings(
    const double* point /* 3 */, const double* nodes /* n,3 */, const int64 f, const int* triangles /* f,3 */,
    const int* owner /* f */, bool* odd /* v */)
{
    const double x = point[0], y = point[1], z = point[2];
    for (int64 t = 0; t < f; ++t) {
        const int* corners = triangles + 3 * t;
        bool left = false;
        for (int k = 0; k < 3; ++k) {
            // both triangles of an edge must come to the same answer
            const double* a = nodes + 3 * (int64)std::min(corners[k], corners[(k + 1) % 3]);
            const double* b = nodes + 3 * (int64)std::max(corners[k], corners[(k + 1) % 3]);
            if ((a[1] > y) == (b[1] > y)) continue;
            const double share = (y - a[1]) / (b[1] - a[1]);
            if (a[0] + share * (b[0] - a[0]) > x) left = !left;
        }
        if (!left) continue;
        const double *a = nodes + 3 * (int64)corners[0], *b = nodes + 3 * (int64)corners[1];
        const double* c = nodes + 3 * (int64)corners[2];
        const double bx = b[0] - a[0], by = b[1] - a[1], bz = b[2] - a[2];
        const double cx = c[0] - a[0], cy = c[1] - a[1], cz = c[2] - a[2];
        const double px = x - a[0], py = y - a[1];
        const double height = a[2] + (bz * (px * cy - py * cx) + cz * (bx * py - by * px)) / (bx * cy - by * cx);
        if (height > z) odd[owner[t]] = !odd[owner[t]];
    }
}
