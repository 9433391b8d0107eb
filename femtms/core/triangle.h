// A triangle in space, which may be a segment or a point (corners that coincide).
#pragma once
#include <algorithm>

#include "vector.h"

struct Triangle {
    Vector at[3];
};

static inline double square(const Vector& a)
{
    return dot(a, a);
}

// max(x, 0) without a branch, which processors would often guess wrong
static inline double positive(const double x)
{
    return 0.5 * (x + fabs(x));
}

static inline double clamped(const double least, const double x, const double most)
{
    return std::min(std::max(x, least), most);
}

// v, w of the foot v e + w f of r on the plane of e and f, with n = e × f and n2 = n·n; whether 0 ≤ v, w and v + w ≤ 1
static inline bool barycentric(
    const Vector& r, const Vector& e, const Vector& f, const Vector& n, const double n2, double& v, double& w)
{
    v = dot(cross(r, f), n) / n2;
    w = dot(cross(e, r), n) / n2;
    return (v >= 0) & (w >= 0) & (v + w <= 1);
}

// the point of an edge from p to q that is nearest to x, if it is nearer than `nearest`; least: the squared distance
static inline void take_edge(const Vector& x, const Vector& p, const Vector& q, Vector& nearest, double& least)
{
    const Vector edge = q - p;
    const double length2 = square(edge);
    const double share = length2 > 0 ? clamped(0, dot(x - p, edge) / length2, 1) : 0;
    const Vector foot = p + share * edge;
    const double d2 = square(x - foot);
    const bool nearer = d2 < least;
    for (int d = 0; d < 3; ++d) nearest.at[d] = nearer ? foot[d] : nearest[d];
    least = nearer ? d2 : least;
}

// The point of triangle t that is nearest to x: its foot on the plane if that is inside, else on an edge.
static inline Vector nearest_on_triangle(const Vector& x, const Triangle& t)
{
    const Vector e = t.at[1] - t.at[0], f = t.at[2] - t.at[0], n = cross(e, f);
    const double n2 = square(n);
    double v, w;
    if (n2 > 0 && barycentric(x - t.at[0], e, f, n, n2, v, w)) return t.at[0] + v * e + w * f;
    Vector nearest = t.at[0];
    double least = std::numeric_limits<double>::infinity();
    take_edge(x, t.at[0], t.at[1], nearest, least);
    take_edge(x, t.at[1], t.at[2], nearest, least);
    take_edge(x, t.at[2], t.at[0], nearest, least);
    return nearest;
}
