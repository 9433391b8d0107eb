// The terms of A of a coil at a point, and of its series of solid harmonics: for both devices.
#pragma once
#include "device.h"

static const double MU0_OVER_4PI = 1e-7;  // T m/A

// a += m × r / |r|³ for r = (x, y, z) - s: theory.md (2)
SHARED void add_dipole(
    const double x, const double y, const double z, const double* s, const double* m, double& ax, double& ay,
    double& az)
{
    const double rx = x - s[0], ry = y - s[1], rz = z - s[2];
    const double v = inverse_sqrt(rx * rx + ry * ry + rz * rz), w = v * v * v;
    ax += w * (m[1] * rz - m[2] * ry);
    ay += w * (m[2] * rx - m[0] * rz);
    az += w * (m[0] * ry - m[1] * rx);
}

// a += I dl / |r|: theory.md (3)
SHARED void add_current(
    const double x, const double y, const double z, const double* s, const double* dl, double& ax, double& ay,
    double& az)
{
    const double rx = x - s[0], ry = y - s[1], rz = z - s[2];
    const double w = inverse_sqrt(rx * rx + ry * ry + rz * rz);
    ax += w * dl[0];
    ay += w * dl[1];
    az += w * dl[2];
}

// One degree l of the series for one order m, theory.md (19): u, v += c q, and q goes on to degree l + 1.  Real is a
// number, or several side by side.
template <typename Real>
SHARED void add_degree(
    const int l, const int m, const double* c, const Real& z, const Real& r2, Real& q, Real& q_below, Real& ux,
    Real& uy, Real& uz, Real& vx, Real& vy, Real& vz)
{
    const double up = 2 * l + 1, down = l * l - m * m;
    ux += c[0] * q;
    uy += c[1] * q;
    uz += c[2] * q;
    vx += c[3] * q;
    vy += c[4] * q;
    vz += c[5] * q;
    const Real next = up * z * q - down * r2 * q_below;
    q_below = q;
    q = next;
}

// (x + iy)^m of one order m: its part of A, and on to m + 1
template <typename Real>
SHARED void add_order(
    const Real& x, const Real& y, const Real& ux, const Real& uy, const Real& uz, const Real& vx, const Real& vy,
    const Real& vz, Real& re, Real& im, Real& ax, Real& ay, Real& az)
{
    ax += re * ux + im * vx;
    ay += re * uy + im * vy;
    az += re * uz + im * vz;
    const Real turned = x * re - y * im;
    im = x * im + y * re;
    re = turned;
}
