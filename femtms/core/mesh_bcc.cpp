// The body-centred-cubic lattice: see mesh/bcc.py.
#include "device.h"

namespace
{

// The places of half a cell: corners of cells are at even ones, centres at odd ones.
struct Places {
    int64 c0, c1, c2;  // cells
    const bool* near;  // those that tissue reaches into
    int64 strides[3];

    Places(const int64 c0, const int64 c1, const int64 c2, const bool* near)
        : c0(c0), c1(c1), c2(c2), near(near), strides{(2 * c1 + 1) * (2 * c2 + 1), 2 * c2 + 1, 1}
    {
    }

    // tet(places) for four tetrahedra, of the edges and the two centres, around each face between two cells of which
    // one is near
    template <typename Tet>
    void visit(const Tet& tet) const
    {
        const int corner[5][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}, {-1, -1}};
        const int64 cells[3] = {c1 * c2, c2, 1};
        for (int64 i = 0; i < c0; ++i)
            for (int64 j = 0; j < c1; ++j)
                for (int64 k = 0; k < c2; ++k) {
                    const int64 cell = i * cells[0] + j * cells[1] + k;
                    const int64 centre = (2 * i + 1) * strides[0] + (2 * j + 1) * strides[1] + 2 * k + 1;
                    const bool last[3] = {i + 1 == c0, j + 1 == c1, k + 1 == c2};
                    for (int axis = 0; axis < 3; ++axis) {
                        if (last[axis] || !(near[cell] || near[cell + cells[axis]])) continue;
                        const int64 face = centre + strides[axis];
                        const int64 u = strides[(axis + 1) % 3], v = strides[(axis + 2) % 3];
                        for (int turn = 0; turn < 4; ++turn) {
                            const int *one = corner[turn], *next = corner[turn + 1];
                            const int64 places[4] = {
                                centre, face + strides[axis], face + one[0] * u + one[1] * v,
                                face + next[0] * u + next[1] * v};
                            tet(places);
                        }
                    }
                }
    }
};

}  // namespace

// The number of each place that tetrahedra use; the others stay -1.  And how many such places and tetrahedra there are.
KERNEL lattice_places(
    const int64 c0, const int64 c1, const int64 c2, const bool* near /* c0,c1,c2 */, const int64 places,
    int* number /* places */, int64* counts /* 2 */)
{
    int64 n = 0, m = 0;
    Places(c0, c1, c2, near).visit([&](const int64* tet) {
        for (int e = 0; e < 4; ++e) number[tet[e]] = 0;
        ++m;
    });
    for (int64 p = 0; p < places; ++p)
        if (number[p] == 0) number[p] = (int)n++;
    counts[0] = n;
    counts[1] = m;
}

// Points, in half cells, and tetrahedra.
KERNEL lattice_tets(
    const int64 c0, const int64 c1, const int64 c2, const bool* near /* c0,c1,c2 */, const int64 places,
    const int* number /* places */, int* points /* n,3 */, int* tets /* m,4 */)
{
    const Places all(c0, c1, c2, near);
    for (int64 p = 0; p < places; ++p) {
        if (number[p] < 0) continue;
        int* point = points + 3 * (int64)number[p];
        point[0] = (int)(p / all.strides[0]);
        point[1] = (int)(p % all.strides[0] / all.strides[1]);
        point[2] = (int)(p % all.strides[1]);
    }
    all.visit([&](const int64* tet) {
        for (int e = 0; e < 4; ++e) *tets++ = number[tet[e]];
    });
}
