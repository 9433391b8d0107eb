// A triangle in space, which may be a segment or a point (corners that coincide).
#pragma once
#include "vector.h"

struct Triangle {
    Vector at[3];
};

static inline double square(const Vector& a)
{
    return dot(a, a);
}

static inline double between(const double least, const double x, const double most)
{
    return x < least ? least : x > most ? most : x;
}

// v, w of the foot v e + w f of r on the plane of e and f, with n = e × f and n2 = n·n; whether 0 ≤ v, w and v + w ≤ 1
static inline bool barycentric(
    const Vector& r, const Vector& e, const Vector& f, const Vector& n, const double n2, double& v, double& w)
{
    v = dot(cross(r, f), n) / n2;
    w = dot(cross(e, r), n) / n2;
    return v >= 0 && w >= 0 && v + w <= 1;
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
    for (int i = 0; i < 3; ++i) {
        const Vector edge = t.at[(i + 1) % 3] - t.at[i];
        const double length2 = square(edge);
        const double share = length2 > 0 ? between(0, dot(x - t.at[i], edge) / length2, 1) : 0;
        const Vector foot = t.at[i] + share * edge;
        const double d2 = square(x - foot);
        if (d2 < least) nearest = foot, least = d2;
    }
    return nearest;
}
