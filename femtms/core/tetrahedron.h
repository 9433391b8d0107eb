// A tetrahedron with linear shape functions λ_a, and its conductivity: for both devices.
#pragma once
#include "device.h"

SHARED double dot(const double* a, const double* b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

// g[a] = 6V ∇λ_a of the corners a = 0 ... 3; returns 6V: theory.md (8)
SHARED double six_volume_gradients(const double* nodes, const int* tet, double g[4][3])
{
    const double* x0 = nodes + 3 * (int64)tet[0];
    double e[3][3];
    for (int a = 0; a < 3; ++a)
        for (int d = 0; d < 3; ++d) e[a][d] = nodes[3 * (int64)tet[a + 1] + d] - x0[d];
    for (int a = 0; a < 3; ++a) {
        const double* p = e[(a + 1) % 3];
        const double* q = e[(a + 2) % 3];
        g[a + 1][0] = p[1] * q[2] - p[2] * q[1];
        g[a + 1][1] = p[2] * q[0] - p[0] * q[2];
        g[a + 1][2] = p[0] * q[1] - p[1] * q[0];
    }
    for (int d = 0; d < 3; ++d) g[0][d] = -(g[1][d] + g[2][d] + g[3][d]);
    return dot(e[0], g[1]);
}

// out = σ v, with 1 (isotropic) or 6 (xx, xy, xz, yy, yz, zz) components
SHARED void sigma_times(const int components, const double* s, const double* v, double* out)
{
    if (components == 1) {
        for (int d = 0; d < 3; ++d) out[d] = s[0] * v[d];
    } else {
        out[0] = s[0] * v[0] + s[1] * v[1] + s[2] * v[2];
        out[1] = s[1] * v[0] + s[3] * v[1] + s[4] * v[2];
        out[2] = s[2] * v[0] + s[4] * v[1] + s[5] * v[2];
    }
}
