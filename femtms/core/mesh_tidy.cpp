// From labelled tetrahedra with air around them to one connected head: see mesh/tidy.py.  Label 0 is air, all else
// solid.
#include <algorithm>
#include <vector>

#include "device.h"

namespace
{

struct Tetrahedra {
    const int* tets;
    uint8* labels;
    const int* behind;
    const double* volumes;

    bool solid(const int64 t) const { return labels[t] > 0; }
    bool solid_behind(const int64 t, const int f) const { return behind[4 * t + f] >= 0 && solid(behind[4 * t + f]); }
    bool has(const int64 t, const int node) const
    {
        return std::find(tets + 4 * t, tets + 4 * t + 4, node) < tets + 4 * t + 4;
    }
};

// Tetrahedra around a node or an edge, and their pieces.
struct Star {
    std::vector<int> tets;
    std::vector<int> piece;    // of each
    std::vector<double> sums;  // volume of each piece
    std::vector<int> stack;

    // Finds the pieces, which are connected through faces that hold the node `key` (and `other`, if >= 0).
    void divide(const Tetrahedra& all, const int key, const int other)
    {
        piece.assign(tets.size(), -1);
        sums.clear();
        for (size_t seed = 0; seed < tets.size(); ++seed) {
            if (piece[seed] >= 0) continue;
            const int number = (int)sums.size();
            sums.push_back(0);
            piece[seed] = number;
            stack.assign(1, (int)seed);
            while (!stack.empty()) {
                const int64 t = tets[stack.back()];
                stack.pop_back();
                sums[number] += all.volumes[t];
                for (int f = 0; f < 4; ++f) {
                    const int u = all.behind[4 * t + f], opposite = all.tets[4 * t + f];
                    if (u < 0 || opposite == key || opposite == other || all.solid(u) != all.solid(t)) continue;
                    const size_t r = std::find(tets.begin(), tets.end(), u) - tets.begin();
                    if (r == tets.size() || piece[r] >= 0) continue;
                    piece[r] = number;
                    stack.push_back((int)r);
                }
            }
        }
    }

    // Turns the smallest piece from tissue to air, or from air to tissue; returns its size.
    int64 flip_smallest(const Tetrahedra& all, const bool only_remove) const
    {
        std::vector<bool> of_solid(sums.size());
        for (size_t s = 0; s < tets.size(); ++s) of_solid[piece[s]] = all.solid(tets[s]);
        const int64 solids = std::count(of_solid.begin(), of_solid.end(), true), airs = (int64)sums.size() - solids;
        double smallest = std::numeric_limits<double>::infinity();
        int chosen = -1;
        for (size_t c = 0; c < sums.size(); ++c) {
            // if air may not be filled, a ring of tissue between two pieces of air goes as a whole
            const bool may_go = only_remove ? of_solid[c] : (of_solid[c] ? solids : airs) > 1;
            if (may_go && sums[c] < smallest) smallest = sums[c], chosen = (int)c;
        }
        int64 flipped = 0;
        for (size_t s = 0; s < tets.size(); ++s) {
            if (piece[s] != chosen) continue;
            const int64 t = tets[s];
            all.labels[t] = all.solid(t) ? 0 : label_around(all, t);
            ++flipped;
        }
        return flipped;
    }

    // the tissue behind one of the faces of t; any tissue of the star where there is none
    uint8 label_around(const Tetrahedra& all, const int64 t) const
    {
        for (int f = 3; f >= 0; --f)
            if (all.solid_behind(t, f)) return all.labels[all.behind[4 * t + f]];
        for (const int u : tets)
            if (all.solid(u)) return all.labels[u];
        return 0;
    }
};

// The other end of a pinched edge at node i, or -1: an edge of the surface belongs to two of its triangles.
int pinched_edge(const Tetrahedra& all, const std::vector<int>& star, const int i, std::vector<int>& ends)
{
    ends.clear();
    for (const int t : star)
        for (int f = 0; f < 4; ++f) {
            const int* tet = all.tets + 4 * (int64)t;
            if (!all.solid(t) || all.solid_behind(t, f) || tet[f] == i) continue;
            for (int e = 0; e < 4; ++e)
                if (e != f && tet[e] != i) ends.push_back(tet[e]);
        }
    std::sort(ends.begin(), ends.end());
    for (size_t e = ends.size(); e > 2; --e)
        if (ends[e - 1] == ends[e - 3]) return ends[e - 1];
    return -1;
}

// The label of a tetrahedron with these neighbours, after spikes are gone.
uint8 without_spike(const uint8* labels, const uint8 own, const int* beyond)
{
    const auto alike = [&](const uint8 label) {
        int count = 0;
        for (int f = 0; f < 4; ++f) count += beyond[f] >= 0 && labels[beyond[f]] == label;
        return count;
    };
    if (alike(own) > 1) return own;
    for (int f = 0; f < 2; ++f)  // three of four alike: one of the first two is among them
        if (beyond[f] >= 0 && alike(labels[beyond[f]]) > 2) return labels[beyond[f]];
    return own;
}

}  // namespace

// Tetrahedra with three neighbours of another label, and at most one of their own, join it.
KERNEL without_spikes(const int64 m, const uint8* labels /* m */, const int* behind /* m,4 */, uint8* out /* m */)
{
    for_ranges(m, [&](const int64 begin, const int64 end) {
        // stay in registers: bytes that are written might be anything, also the captured pointers
        const uint8* given = labels;
        const int* beyond = behind;
        uint8* joined = out;
        for (int64 t = begin; t < end; ++t) joined[t] = without_spike(given, given[t], beyond + 4 * t);
    });
}

// Changes labels where the outer surface touches itself in one of the given nodes or an edge at it, one after the
// other. Afterwards only tissue gives way, if so wanted.
KERNEL open_pinches(
    const int64 count, const int* nodes /* count */, const int* tets /* m,4 */, uint8* labels /* m */,
    const int* behind /* m,4 */, const int64* starts, const int* meeting, const double* volumes /* m */,
    const bool only_remove, int64* flipped /* 1 */)
try {
    const Tetrahedra all{tets, labels, behind, volumes};
    Star star;
    std::vector<int> ends;
    *flipped = 0;
    for (int64 k = 0; k < count; ++k) {
        const int i = nodes[k];
        const int *begin = meeting + starts[i], *end = meeting + starts[i + 1];
        const auto solids = std::count_if(begin, end, [&](const int t) { return all.solid(t); });
        if (solids == 0 || solids == end - begin) continue;
        star.tets.assign(begin, end);
        const int other = pinched_edge(all, star.tets, i, ends);
        if (other >= 0) {
            const auto elsewhere = [&](const int t) { return !all.has(t, other); };
            star.tets.erase(std::remove_if(star.tets.begin(), star.tets.end(), elsewhere), star.tets.end());
        }
        star.divide(all, i, other);
        if (other >= 0 || star.sums.size() > 2) *flipped += star.flip_smallest(all, only_remove);
    }
}
KEEP_FAILURE
