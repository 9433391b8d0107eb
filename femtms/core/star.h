// The tetrahedra around a node: how their energy Σ q^power (power 2 or 4) changes as the node moves.
#pragma once
#include <algorithm>
#include <vector>

#include "distortion.h"

// Gradient and Hessian (xx, xy, xz, yy, yz, zz).
struct Derivatives {
    Vector gradient;
    double hessian[6];
};

// The corners of all tetrahedra but the common one are gathered once, each coordinate of theirs in a row of 8 blocks
// columns, that of a tetrahedron: then all tries for the node work on a few cache lines, with vector instructions.
// The last tetrahedron fills the columns that are left.
const int64 COORDINATES = 9, TERMS = 9;

// Edges from p in the column t.
static inline void edges_from(
    const double* p, const double* corners, const int64 columns, const int64 t, Vector& a, Vector& b, Vector& c)
{
    const auto row = [&](const int64 r) { return corners[r * columns + t]; };
    a = {row(0) - p[0], row(1) - p[1], row(2) - p[2]};
    b = {row(3) - p[0], row(4) - p[1], row(5) - p[2]};
    c = {row(6) - p[0], row(7) - p[1], row(8) - p[2]};
}

VECTORISED static void star_distortions(
    const int64 blocks, const double* ALONE corners, const double* ALONE p, double* ALONE q)
{
    for (int64 t = 0; t < 8 * blocks; ++t) {
        Vector a, b, c;
        edges_from(p, corners, 8 * blocks, t, a, b, c);
        q[t] = distortion(a, b, c);
    }
}

// What each tetrahedron adds to gradient and Hessian.
//
// ln q = 1.5 ln S - ln 6V; 6V is linear in the point and S quadratic, so with e = power q^power and
// l = ∇ln q, each tetrahedron adds e l to the gradient and e (power l lᵀ + ∇²ln q) to the Hessian.
VECTORISED static void star_derivatives(
    const int64 blocks, const double* ALONE corners, const double* ALONE p, const double power, double* ALONE terms)
{
    const int64 columns = 8 * blocks;
    for (int64 t = 0; t < 8 * blocks; ++t) {
        Vector a, b, c;
        edges_from(p, corners, 8 * blocks, t, a, b, c);
        const Vector bc = cross(b, c), ca = cross(c, a), ab = cross(a, b);
        const double v = std::max(dot(a, bc), SMALLEST), s = squared_edges(a, b, c);
        const double q2 = REGULAR * REGULAR * s * s * s / (v * v), e = power * (power == 2 ? q2 : q2 * q2);
        const Vector gv = -1.0 * (bc + ca + ab) / v;  // ∇ln 6V
        const Vector gs = -2.0 * (a + b + c) / s;     // ∇ln S
        const Vector l = 1.5 * gs - gv;
        const auto second = [&](const int i, const int j) {
            return power * l.at[i] * l.at[j] + gv.at[i] * gv.at[j] - 1.5 * gs.at[i] * gs.at[j];
        };
        for (int d = 0; d < 3; ++d) terms[d * columns + t] = e * l.at[d];
        terms[3 * columns + t] = e * (second(0, 0) + 9 / s);
        terms[4 * columns + t] = e * second(0, 1);
        terms[5 * columns + t] = e * second(0, 2);
        terms[6 * columns + t] = e * (second(1, 1) + 9 / s);
        terms[7 * columns + t] = e * second(1, 2);
        terms[8 * columns + t] = e * (second(2, 2) + 9 / s);
    }
}

// Its memory is used again and again.
class Star
{
public:
    // The tetrahedra between a point and each three nodes of links (count,3); power is 2 or 4.
    void gather(const double* x, const int* links, const int64 count, const int power)
    {
        count_ = count;
        power_ = power;
        blocks_ = (count + 7) / 8;
        const int64 columns = 8 * blocks_;
        if ((int64)corners_.size() < COORDINATES * columns) {
            corners_.resize(COORDINATES * columns);
            terms_.resize(TERMS * columns);
        }
        for (int64 t = 0; t < columns; ++t)
            for (int k = 0; k < 3; ++k)
                for (int d = 0; d < 3; ++d)
                    corners_[(3 * k + d) * columns + t] = x[3 * (int64)links[3 * std::min(t, count - 1) + k] + d];
    }

    // Σ q^power with the node at p, and the largest q.
    double energy(const Vector& p, double& worst)
    {
        double* q = terms_.data();
        star_distortions(blocks_, corners_.data(), p, q);
        double energy = worst = 0;
        for (int64 t = 0; t < count_; ++t) {
            worst = std::max(worst, q[t]);
            const double q2 = q[t] * q[t];
            energy += power_ == 2 ? q2 : q2 * q2;
        }
        return energy;
    }

    Derivatives derivatives(const Vector& p)
    {
        star_derivatives(blocks_, corners_.data(), p, power_, terms_.data());
        double sums[TERMS] = {};
        for (int64 t = 0; t < count_; ++t)
            for (int64 d = 0; d < TERMS; ++d) sums[d] += terms_[d * 8 * blocks_ + t];
        Derivatives all;
        std::copy(sums, sums + 3, all.gradient.at);
        std::copy(sums + 3, sums + TERMS, all.hessian);
        return all;
    }

private:
    int64 count_ = 0, blocks_ = 0;
    int power_ = 2;
    std::vector<double> corners_, terms_;
};

// -H⁻¹ g, or a step of steepest descent where that does not point downhill.
static inline Vector newton_step(const Derivatives& at)
{
    const Vector& g = at.gradient;
    const double* h = at.hessian;
    const double trace = h[0] + h[3] + h[5], shift = 1e-6 * fabs(trace) + 1e-30;
    const double a = h[0] + shift, b = h[1], c = h[2], d = h[3] + shift, e = h[4], f = h[5] + shift;
    const Vector m0 = {d * f - e * e, c * e - b * f, b * e - c * d};  // rows of the adjugate
    const Vector m1 = {m0.at[1], a * f - c * c, b * c - a * e};
    const Vector m2 = {m0.at[2], m1.at[2], a * d - b * b};
    const double det = a * m0.at[0] + b * m0.at[1] + c * m0.at[2];
    if (fabs(det) > 1e-300) {
        const Vector step = {-dot(m0, g) / det, -dot(m1, g) / det, -dot(m2, g) / det};
        if (dot(step, g) <= 0) return step;
    }
    return -1.0 / (fabs(trace) + 1e-300) * g;
}
