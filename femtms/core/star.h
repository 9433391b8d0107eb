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

// The tetrahedra are taken by WIDTH, and the coordinates of their other corners gathered once: 9 rows of WIDTH.  Then
// all tries for the node work on a few cache lines, with vector instructions.  The last one fills the last block.
const int WIDTH = 8, ROWS_OF_BLOCK = 9, BLOCK = WIDTH * ROWS_OF_BLOCK;

// Edges from p to the corners whose coordinates are in one column of a block.
static inline void edges_from(const double* p, const double* column, Vector& a, Vector& b, Vector& c)
{
    a = {column[0] - p[0], column[WIDTH] - p[1], column[2 * WIDTH] - p[2]};
    b = {column[3 * WIDTH] - p[0], column[4 * WIDTH] - p[1], column[5 * WIDTH] - p[2]};
    c = {column[6 * WIDTH] - p[0], column[7 * WIDTH] - p[1], column[8 * WIDTH] - p[2]};
}

VECTORISED static void star_distortions(
    const int64 blocks, const double* RESTRICT corners, const double* RESTRICT p, double* RESTRICT q)
{
    for (int64 block = 0; block < blocks; ++block)
        for (int column = 0; column < WIDTH; ++column) {
            Vector a, b, c;
            edges_from(p, corners + BLOCK * block + column, a, b, c);
            q[WIDTH * block + column] = distortion(a, b, c);
        }
}

// What each tetrahedron adds to gradient and Hessian, as rows of blocks again.
//
// ln q = 1.5 ln S - ln 6V; 6V is linear in the point and S quadratic, so with e = power q^power and
// l = ∇ln q, each tetrahedron adds e l to the gradient and e (power l lᵀ + ∇²ln q) to the Hessian.
VECTORISED static void star_derivatives(
    const int64 blocks, const double* RESTRICT corners, const double* RESTRICT p, const double power,
    double* RESTRICT terms)
{
    for (int64 block = 0; block < blocks; ++block)
        for (int column = 0; column < WIDTH; ++column) {
            Vector a, b, c;
            edges_from(p, corners + BLOCK * block + column, a, b, c);
            const Vector bc = cross(b, c), ca = cross(c, a), ab = cross(a, b);
            const double volume = dot(a, bc), v = volume > SMALLEST ? volume : SMALLEST, s = squared_edges(a, b, c);
            const double q2 = REGULAR * REGULAR * s * s * s / (v * v), e = power * (power == 2 ? q2 : q2 * q2);
            const Vector gv = -1.0 * (bc + ca + ab) / v;  // ∇ln 6V
            const Vector gs = -2.0 * (a + b + c) / s;     // ∇ln S
            const Vector l = 1.5 * gs - gv;
            const auto second = [&](const int i, const int j) {
                return power * l.at[i] * l.at[j] + gv.at[i] * gv.at[j] - 1.5 * gs.at[i] * gs.at[j];
            };
            double* out = terms + BLOCK * block + column;
            for (int d = 0; d < 3; ++d) out[d * WIDTH] = e * l.at[d];
            out[3 * WIDTH] = e * (second(0, 0) + 9 / s);
            out[4 * WIDTH] = e * second(0, 1);
            out[5 * WIDTH] = e * second(0, 2);
            out[6 * WIDTH] = e * (second(1, 1) + 9 / s);
            out[7 * WIDTH] = e * second(1, 2);
            out[8 * WIDTH] = e * (second(2, 2) + 9 / s);
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
        blocks_ = (count + WIDTH - 1) / WIDTH;
        if ((int64)corners_.size() < BLOCK * blocks_) {
            corners_.resize(BLOCK * blocks_);
            terms_.resize(BLOCK * blocks_);
        }
        for (int64 t = 0; t < WIDTH * blocks_; ++t) {
            const int* link = links + 3 * std::min(t, count - 1);
            double* column = corners_.data() + t / WIDTH * BLOCK + t % WIDTH;
            for (int k = 0; k < 3; ++k)
                for (int d = 0; d < 3; ++d) column[(3 * k + d) * WIDTH] = x[3 * (int64)link[k] + d];
        }
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
        double sums[ROWS_OF_BLOCK] = {};
        for (int64 t = 0; t < count_; ++t) {
            const double* column = terms_.data() + t / WIDTH * BLOCK + t % WIDTH;
            for (int row = 0; row < ROWS_OF_BLOCK; ++row) sums[row] += column[row * WIDTH];
        }
        Derivatives all;
        std::copy(sums, sums + 3, all.gradient.at);
        std::copy(sums + 3, sums + ROWS_OF_BLOCK, all.hessian);
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
