// Vectors of three components, for both devices.
#pragma once
#include "device.h"

struct Vector {
    double x, y, z;
};

SHARED Vector vector_at(const double* rows, const int64 i)
{
    return {rows[3 * i], rows[3 * i + 1], rows[3 * i + 2]};
}

SHARED void store(const Vector& a, double* rows, const int64 i)
{
    rows[3 * i] = a.x;
    rows[3 * i + 1] = a.y;
    rows[3 * i + 2] = a.z;
}

SHARED Vector operator+(const Vector& a, const Vector& b)
{
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}

SHARED Vector operator-(const Vector& a, const Vector& b)
{
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}

SHARED Vector operator*(const double s, const Vector& a)
{
    return {s * a.x, s * a.y, s * a.z};
}

SHARED Vector operator/(const Vector& a, const double s)
{
    return {a.x / s, a.y / s, a.z / s};
}

SHARED double dot(const Vector& a, const Vector& b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

SHARED Vector cross(const Vector& a, const Vector& b)
{
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

SHARED double length(const Vector& a)
{
    return sqrt(dot(a, a));
}
