// WIDTH numbers side by side, in vector registers: arrays of them would be stored and loaded at each step.
#pragma once
#include "cpu.h"

static const int WIDTH = 8;

#if defined(__GNUC__)

#pragma GCC diagnostic ignored "-Wpsabi"  // nobody passes them to another library
typedef double Lanes __attribute__((vector_size(8 * WIDTH)));

#else

struct Lanes {
    double at[WIDTH];
    double& operator[](const int k) { return at[k]; }
};

template <typename Operation>
INLINED Lanes lane_by_lane(const Operation& operation)
{
    Lanes result;
    for (int k = 0; k < WIDTH; ++k) result.at[k] = operation(k);
    return result;
}

INLINED Lanes operator+(const Lanes& a, const Lanes& b)
{
    return lane_by_lane([&](const int k) { return a.at[k] + b.at[k]; });
}

INLINED Lanes operator-(const Lanes& a, const Lanes& b)
{
    return lane_by_lane([&](const int k) { return a.at[k] - b.at[k]; });
}

INLINED Lanes operator*(const Lanes& a, const Lanes& b)
{
    return lane_by_lane([&](const int k) { return a.at[k] * b.at[k]; });
}

INLINED Lanes operator*(const double a, const Lanes& b)
{
    return lane_by_lane([&](const int k) { return a * b.at[k]; });
}

INLINED Lanes& operator+=(Lanes& a, const Lanes& b)
{
    return a = a + b;
}

#endif

INLINED Lanes all(const double value)
{
    Lanes result;
    for (int k = 0; k < WIDTH; ++k) result[k] = value;
    return result;
}
