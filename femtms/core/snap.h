// Where interfaces cross the edges of a mesh.
#pragma once
#include "label_field.h"
#include "vector.h"

// The point (1 - s) p + s q
static inline Vector between(const Vector& p, const Vector& q, const double s)
{
    return (1 - s) * p + s * q;
}

// The fraction of the way from p (label a) to q (label b) at which f_a = f_b.
static inline double where_balanced(const LabelField& field, const int a, const int b, const Vector& p, const Vector& q)
{
    const int halvings = 5;
    double low = 0, high = 1, f_low = 0, f_high = 0;
    for (int k = 0; k < halvings; ++k) {
        const double s = 0.5 * (low + high);
        const double f = balance(field, a, b, p + s * (q - p));
        (f > 0 ? low : high) = s;
        (f > 0 ? f_low : f_high) = f;
    }
    if (f_low > f_high)  // both ends of the bracket have been seen or are ends of the edge
        return low + (high - low) * f_low / (f_low - f_high);
    return 0.5 * (low + high);
}
