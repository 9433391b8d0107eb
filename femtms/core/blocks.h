// One entry of what is made of blocks of columns (n,k): for both devices.
#pragma once
#include "device.h"

// w₀ X + w₁ B + w₂ A X + w₃ Z: any step of a polynomial smoother, and residuals
struct Step {
    float wx, wb, wa, wz;

    SHARED_METHOD float operator()(const float x, const float b, const float ax, const float z) const
    {
        return ((wx * x + wb * b) + wa * ax) + wz * z;
    }
};

// one step of conjugate gradients: x += α p, r -= α Ap; returns r²
SHARED double advanced(const double alpha, const double p, const double ap, double& x, double& r)
{
    x += alpha * p;
    r -= alpha * ap;
    return r * r;
}
