// Vectors of three components: functions that take `const double*` take them, too.
#pragma once
#include "device.h"

struct Vector {
    double at[3];
    operator const double*() const { return at; }
};

static inline Vector vector_at(const double* rows, const int64 i)
{
    return {rows[3 * i], rows[3 * i + 1], rows[3 * i + 2]};
}

static inline void store(const Vector& a, double* rows, const int64 i)
{
    for (int d = 0; d < 3; ++d) rows[3 * i + d] = a.at[d];
}

static inline Vector operator+(const Vector& a, const Vector& b)
{
    return {a.at[0] + b.at[0], a.at[1] + b.at[1], a.at[2] + b.at[2]};
}

static inline Vector operator-(const Vector& a, const Vector& b)
{
    return {a.at[0] - b.at[0], a.at[1] - b.at[1], a.at[2] - b.at[2]};
}

static inline Vector operator*(const double s, const Vector& a)
{
    return {s * a.at[0], s * a.at[1], s * a.at[2]};
}

static inline Vector operator/(const Vector& a, const double s)
{
    return {a.at[0] / s, a.at[1] / s, a.at[2] / s};
}

static inline double dot(const Vector& a, const Vector& b)
{
    return a.at[0] * b.at[0] + a.at[1] * b.at[1] + a.at[2] * b.at[2];
}

static inline Vector cross(const Vector& a, const Vector& b)
{
    return {
        a.at[1] * b.at[2] - a.at[2] * b.at[1], a.at[2] * b.at[0] - a.at[0] * b.at[2],
        a.at[0] * b.at[1] - a.at[1] * b.at[0]};
}

static inline double length(const Vector& a)
{
    return sqrt(dot(a, a));
}
