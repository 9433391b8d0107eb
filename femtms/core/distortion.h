// The shape of tetrahedra as an energy, for the mesher: q = 1 for a regular one, infinite for a flat one.
#pragma once
#include "vector.h"

const double SMALLEST = 1e-9;                 // mm³ of 6V: below this a tetrahedron counts as flat
const double REGULAR = 0.048112522432468816;  // √½ / 6^1.5: a regular tetrahedron of unit edges has 6V = √½ and S = 6

// The other three nodes of a tetrahedron, in the order that keeps it positive when i goes first.
static inline void others_of(const int* tet, const int i, int* others)
{
    const int orders[4][3] = {{1, 2, 3}, {0, 3, 2}, {0, 1, 3}, {0, 2, 1}};
    const int first = tet[0] == i ? 0 : tet[1] == i ? 1 : tet[2] == i ? 2 : 3;
    for (int k = 0; k < 3; ++k) others[k] = tet[orders[first][k]];
}

// S: the sum of the squared edges of a tetrahedron, three of which start at one node and are a, b, c
static inline double squared_edges(const Vector& a, const Vector& b, const Vector& c)
{
    const Vector ab = a - b, bc = b - c, ca = c - a;
    return dot(a, a) + dot(b, b) + dot(c, c) + dot(ab, ab) + dot(bc, bc) + dot(ca, ca);
}

// q = c S^1.5 / 6V of the tetrahedron with the edges a, b, c at one node
static inline double distortion(const Vector& a, const Vector& b, const Vector& c)
{
    const double v = dot(a, cross(b, c)), s = squared_edges(a, b, c), q = REGULAR * s * sqrt(s) / v;
    return v > SMALLEST ? q : std::numeric_limits<double>::infinity();
}

// that of the tetrahedron between p and the three nodes `link` of x
static inline double distortion(const double* x, const int* link, const Vector& p)
{
    return distortion(vector_at(x, link[0]) - p, vector_at(x, link[1]) - p, vector_at(x, link[2]) - p);
}
