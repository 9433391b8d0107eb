// Cubic polynomials through the four nearest samples along each axis of a grid: for both devices.
#pragma once
#include "device.h"

static const double ON_THE_RIM = 1e-6;  // of a voxel: points so little outside the grid are in it

// The 4×4×4 samples around a point.
struct Stencil {
    bool inside;     // whether the point is in the grid
    int64 first[3];  // next to the rim the four are those at the rim, so that cubic polynomials stay exact there
    double u[3];     // where the point is between the four, 0 to 3
    double w[3][4];  // weights along each axis
};

SHARED Stencil stencil_at(const double* x, const double* matrix, const double* offset, const int64* shape)
{
    Stencil s;
    s.inside = true;
    for (int d = 0; d < 3; ++d) {
        const double* row = matrix + 3 * d;
        const double i = row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + offset[d], last = (double)(shape[d] - 1);
        const double index = i > 0 ? i < last ? i : last : 0;
        s.inside = s.inside && fabs(i - index) <= ON_THE_RIM;  // not for NaN either
        const int64 first = (int64)index - 1;
        s.first[d] = first < 0 ? 0 : first > shape[d] - 4 ? shape[d] - 4 : first;
        const double u = s.u[d] = index - (double)s.first[d];
        s.w[d][0] = -(u - 1) * (u - 2) * (u - 3) / 6;
        s.w[d][1] = u * (u - 2) * (u - 3) / 2;
        s.w[d][2] = -u * (u - 1) * (u - 3) / 2;
        s.w[d][3] = u * (u - 1) * (u - 2) / 6;
    }
    return s;
}

// the sample (3,) at a place of the stencil
SHARED const double* sample(
    const Stencil& s, const int64* shape, const double* values, const int i, const int j, const int k)
{
    return values + 3 * (((s.first[0] + i) * shape[1] + s.first[1] + j) * shape[2] + s.first[2] + k);
}
