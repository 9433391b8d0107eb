// Which tissue is where: smooth indicator functions f_l(x) of x in mm; see mesh/label_field.py.
//
// Kernels take a field as
//     const uint8* indicators, const int64* shape, const double* to_voxel, const int64 layers, const double* radii
// which is LabelField.arguments in Python.
#pragma once
#include <algorithm>

#include "vector.h"

struct LabelField {
    const uint8* indicators;  // (nx,ny,nz,l), 0 ... 255
    const int64* shape;       // nx, ny, nz, l
    const double* to_voxel;   // (3,4)
    int64 layers;             // of spheres; 0 for volumes
    const double* radii;      // (layers)
};

// Voxel coordinates of a point in mm.
static inline Vector voxel_position(const LabelField& field, const double* x)
{
    const auto along = [&](const double* a) { return a[0] * x[0] + a[1] * x[1] + a[2] * x[2] + a[3]; };
    return {along(field.to_voxel), along(field.to_voxel + 4), along(field.to_voxel + 8)};
}

// A voxel position between eight samples: where the lowest of them starts, how far the next ones are from it, and
// the fraction along each axis.  The border's value goes on outside.
struct VoxelCell {
    const uint8* samples;
    int64 next[3];
    double fraction[3];

    VoxelCell(const LabelField& field, const double* voxel) : samples(field.indicators)
    {
        next[2] = field.shape[3];
        next[1] = next[2] * field.shape[2];
        next[0] = next[1] * field.shape[1];
        for (int d = 0; d < 3; ++d) {
            const double x = std::min(std::max(voxel[d], 0.0), field.shape[d] - 1.000001);
            const int64 i = (int64)x;
            fraction[d] = x - i;
            samples += i * next[d];
        }
    }

    // of a label in the corner (di, dj, dk)
    int sample(const int label, const int di, const int dj, const int dk) const
    {
        return samples[di * next[0] + dj * next[1] + dk * next[2] + label];
    }
};

const double FULL = 255;  // an indicator of 1, in a uint8

static inline double trilinear(const VoxelCell& cell, const int label)
{
    const double u = cell.fraction[0], v = cell.fraction[1], w = cell.fraction[2];
    const auto along = [&](const int di, const int dj) {
        return cell.sample(label, di, dj, 0) * (1 - w) + cell.sample(label, di, dj, 1) * w;
    };
    const double v00 = along(0, 0), v01 = along(0, 1), v10 = along(1, 0), v11 = along(1, 1);
    return ((v00 * (1 - v) + v01 * v) * (1 - u) + (v10 * (1 - v) + v11 * v) * u) / FULL;
}

// f_a - f_b at voxel coordinates; air is held against all tissue together, f_0 - (1 - f_0).
static inline double voxel_balance(const LabelField& field, const int a, const int b, const double* voxel)
{
    const VoxelCell cell(field, voxel);
    if (a == 0) return 2 * trilinear(cell, 0) - 1;
    if (b == 0) return 1 - 2 * trilinear(cell, 0);
    const double u = cell.fraction[0], v = cell.fraction[1], w = cell.fraction[2];
    double s = 0;
    for (int di = 0; di < 2; ++di)
        for (int dj = 0; dj < 2; ++dj) {
            const double weight = (di ? u : 1 - u) * (dj ? v : 1 - v);
            const int low = cell.sample(a, di, dj, 0) - cell.sample(b, di, dj, 0);
            const int high = cell.sample(a, di, dj, 1) - cell.sample(b, di, dj, 1);
            s += weight * (low * (1 - w) + high * w);
        }
    return s / FULL;
}

static inline double radius(const double* x)
{
    return sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
}

// Distance in mm into the layer of a label at radius r; negative outside it.
static inline double layer(const LabelField& field, const int label, const double r)
{
    if (label == 0) return r - field.radii[field.layers - 1];
    const double inside = field.radii[label - 1] - r;
    return label == 1 ? inside : std::min(inside, r - field.radii[label - 2]);
}

// f_a - f_b at a point in mm; zero on the interface of the labels a and b.
static inline double balance(const LabelField& field, const int a, const int b, const double* x)
{
    if (field.layers) {
        const double r = radius(x);
        return layer(field, a, r) - layer(field, b, r);
    }
    return voxel_balance(field, a, b, voxel_position(field, x));
}

// g = ∇(f_a - f_b) in 1/mm: differences over one voxel, as the trilinear samples have kinks.
static inline void balance_gradient(const LabelField& field, const int a, const int b, const double* x, double* g)
{
    if (field.layers) {
        const double r = std::max(radius(x), 1e-9), h = 1e-3;
        const double up = layer(field, a, r + h) - layer(field, b, r + h);
        const double slope = (up - layer(field, a, r - h) + layer(field, b, r - h)) / (2 * h * r);
        for (int d = 0; d < 3; ++d) g[d] = slope * x[d];
        return;
    }
    const Vector voxel = voxel_position(field, x);
    const auto difference = [&](const Vector& half) {
        return voxel_balance(field, a, b, voxel + half) - voxel_balance(field, a, b, voxel - half);
    };
    const double i = difference({0.5, 0, 0}), j = difference({0, 0.5, 0}), k = difference({0, 0, 0.5});
    const double* t = field.to_voxel;
    for (int d = 0; d < 3; ++d) g[d] = t[d] * i + t[4 + d] * j + t[8 + d] * k;
}

// f_l at a point in mm.
static inline double indicator(const LabelField& field, const int label, const double* x)
{
    if (field.layers) return layer(field, label, radius(x));
    return trilinear(VoxelCell(field, voxel_position(field, x)), label);
}

// The label at a point in mm: air where its indicator is above one half, else the largest; the lowest among equals.
static inline int label_at(const LabelField& field, const double* x)
{
    int best = 0;
    double largest = -1e300;
    const auto compare = [&](const int label, const double value) {
        if (value > largest) best = label, largest = value;
    };
    if (field.layers) {
        const double r = radius(x);
        for (int label = 0; label <= field.layers; ++label) compare(label, layer(field, label, r));
        return best;
    }
    const VoxelCell cell(field, voxel_position(field, x));
    const int labels = (int)field.shape[3];
    for (int label = 0; label < labels; ++label)  // deep inside one tissue, which is the usual place
        if (cell.sample(label, 0, 0, 0) == 255) {
            bool inside = true;
            for (int corner = 1; corner < 8 && inside; ++corner)
                inside = cell.sample(label, corner & 1, corner >> 1 & 1, corner >> 2) == 255;
            if (inside) return label;
            break;
        }
    if (trilinear(cell, 0) > 0.5) return 0;
    for (int label = 1; label < labels; ++label) compare(label, trilinear(cell, label));
    return best;
}
