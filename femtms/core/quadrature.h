// The rule of four points in a tetrahedron that is exact for quadratic polynomials: barycentric coordinates of each,
// one NEAR and the others FAR.
#pragma once

static const double NEAR = 0.5854101966249685;  // (5 + 3√5)/20
static const double FAR = 0.1381966011250105;   // (5 - √5)/20
