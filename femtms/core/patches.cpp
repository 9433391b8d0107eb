// Least-squares fits of ∇φ over the tetrahedra around each node, as rows of a sparse matrix: theory.md (36)-(39).
//
// Set-up, done once for a head, so it exists for the CPU alone.  Each node is done by one thread in a fixed order.
#include <algorithm>
#include <cmath>
#include <vector>

#include "quadrature.h"
#include "tetrahedron.h"
#include "vector.h"

namespace
{

const int PARTS = 16;  // of the nodes; each has marks for every tetrahedron and unknown
const int MONOMIALS = 10;
const int EDGES[6][2] = {{0, 1}, {1, 2}, {0, 2}, {0, 3}, {1, 3}, {2, 3}};  // of the unknowns 4 to 9

struct Tissue {
    const double* nodes;
    const int* corners;
    const int64* starts;
    const int* meeting;
    int points;  // of a tetrahedron: its centroid, or four for quadratic elements
};

// ξ at one point
inline void monomials(const double x, const double y, const double z, double* xi)
{
    xi[0] = 1, xi[1] = x, xi[2] = y, xi[3] = z;
    xi[4] = x * x, xi[5] = y * y, xi[6] = z * z;
    xi[7] = x * y, xi[8] = x * z, xi[9] = y * z;
}

// The tetrahedra around a node, ring by ring, and its unit of length.
struct Patch {
    const Tissue& tissue;
    std::vector<int> seen;  // the last node in whose patch each tetrahedron was
    std::vector<int> tets;
    int node = -1;
    Vector middle;
    double h = 0;  // the largest distance of a node of the patch from its middle

    Patch(const Tissue& tissue, const int64 m) : tissue(tissue), seen(m, -1) {}

    void begin(const int64 at)
    {
        node = (int)at;
        middle = vector_at(tissue.nodes, at);
        tets.clear();
        add_around(node);
    }

    // one more ring; whether that has more tetrahedra
    bool grow()
    {
        const size_t before = tets.size();
        for (size_t i = 0; i < before; ++i)
            for (int a = 0; a < 4; ++a) add_around(tissue.corners[4 * (int64)tets[i] + a]);
        return tets.size() > before;
    }

    void measure()
    {
        double largest = 0;
        for (const int t : tets)
            for (int a = 0; a < 4; ++a) {
                const Vector r = vector_at(tissue.nodes, tissue.corners[4 * (int64)t + a]) - middle;
                largest = std::max(largest, dot(r, r));
            }
        h = sqrt(largest);
    }

    // ξ at the points of a tetrahedron: at its centroid, or at those of the rule with four points
    void at_points(const int t, double xi[4][MONOMIALS]) const
    {
        const int* tet = tissue.corners + 4 * (int64)t;
        Vector x[4];
        for (int a = 0; a < 4; ++a) x[a] = vector_at(tissue.nodes, tet[a]);
        const Vector r = (x[0] + x[1] + x[2] + x[3]) / 4 - middle;
        if (tissue.points == 1) return monomials(r[0] / h, r[1] / h, r[2] / h, xi[0]);
        const double own = (NEAR - FAR) / h, rest = 4 * FAR / h;
        for (int a = 0; a < 4; ++a) {
            const Vector at = own * (x[a] - middle) + rest * r;
            monomials(at[0], at[1], at[2], xi[a]);
        }
    }

private:
    void add_around(const int v)
    {
        for (int64 s = tissue.starts[v]; s < tissue.starts[v + 1]; ++s) {
            const int t = tissue.meeting[s];
            if (seen[t] == node) continue;
            seen[t] = node;
            tets.push_back(t);
        }
    }
};

// Σ w ξξᵀ over a patch, in the unit of volume
VECTORISED void add_moments(const Patch& patch, double* RESTRICT out)
{
    const int points = patch.tissue.points;
    for (const int t : patch.tets) {
        double g[4][3], xi[4][MONOMIALS];
        const double volume = six_volume_gradients(patch.tissue.nodes, patch.tissue.corners + 4 * (int64)t, g) / 6;
        patch.at_points(t, xi);
        for (int p = 0; p < MONOMIALS; ++p) {
            double product[MONOMIALS] = {};
            for (int a = 0; a < points; ++a)
                for (int q = 0; q < MONOMIALS; ++q) product[q] += xi[a][p] * xi[a][q];
            for (int q = 0; q < MONOMIALS; ++q) out[MONOMIALS * p + q] += volume / points * product[q];
        }
    }
}

// The fields that are fitted, and G of those over a patch.
struct Fit {
    struct Term {
        int d, i;
        double factor;
    };
    const int64 number;
    std::vector<std::vector<Term>> fields;  // what is not zero in each
    std::vector<double> L;                  // the Cholesky factor of G after scaling to a unit diagonal
    std::vector<double> scale, y;

    Fit(const int64 number, const double* values)
        : number(number), fields(number), L(number * number), scale(number), y(number)
    {
        for (int64 p = 0; p < number; ++p)
            for (int d = 0; d < 3; ++d)
                for (int i = 0; i < MONOMIALS; ++i) {
                    const double factor = values[(3 * p + d) * MONOMIALS + i];
                    if (factor != 0) fields[p].push_back({d, i, factor});
                }
    }

    // How many of the first `most` fields, from the first on, have a pivot of `least` or more: the part of a field that
    // those before it do not explain.
    int64 factorise(const Patch& patch, const int64 most, const double least)
    {
        double moments[MONOMIALS * MONOMIALS] = {};
        add_moments(patch, moments);
        for (int64 p = 0; p < most; ++p) {
            double* row = &L[p * number];
            for (int64 q = 0; q <= p; ++q) {
                row[q] = 0;
                for (const Term& one : fields[p])
                    for (const Term& two : fields[q])
                        if (one.d == two.d) row[q] += one.factor * moments[MONOMIALS * one.i + two.i] * two.factor;
            }
            if (!(row[p] > 0)) return p;
            scale[p] = 1 / sqrt(row[p]);
            for (int64 q = 0; q <= p; ++q) {
                const double* other = &L[q * number];
                double total = row[q] * scale[p] * scale[q];
                for (int64 k = 0; k < q; ++k) total -= row[k] * other[k];
                if (p > q) {
                    row[q] = total / other[q];
                } else {
                    if (total < least) return p;
                    row[p] = sqrt(total);
                }
            }
        }
        return most;
    }

    // duals (10,3,wanted): Σ_p (G⁻¹)_kp F_p of the first m fields: fields whose products with ∇φ over the patch are the
    // coefficients
    void find_duals(const int64 m, const int64 wanted, std::vector<double>& duals)
    {
        std::fill(duals.begin(), duals.end(), 0.0);
        for (int64 k = 0; k < std::min(wanted, m); ++k) {
            for (int64 p = k; p < m; ++p) {
                double total = p == k ? scale[p] : 0;
                for (int64 q = k; q < p; ++q) total -= L[p * number + q] * y[q];
                y[p] = total / L[p * number + p];
            }
            for (int64 p = m - 1; p >= 0; --p) {
                double total = p < k ? 0 : y[p];
                for (int64 q = p + 1; q < m; ++q) total -= L[q * number + p] * y[q];
                y[p] = total / L[p * number + p];
            }
            for (int64 p = 0; p < m; ++p)
                for (const Term& term : fields[p])
                    duals[(3 * term.i + term.d) * wanted + k] += y[p] * scale[p] * term.factor;
        }
    }
};

// sums (unknowns of the patch,wanted) += Σ over the unknowns of the tetrahedra: w u(x_t)·∇λ_a, at the centroid
//
// u (10,3,wanted); place: where the unknowns of all tetrahedra, dofs (m,4), are in sums; rows: memory (3,wanted)
VECTORISED void add_linear(
    const Patch& patch, const int64 wanted, const double* RESTRICT u, const int* RESTRICT dofs,
    const int* RESTRICT place, double* RESTRICT rows, double* RESTRICT sums)
{
    for (const int t : patch.tets) {
        double g[4][3], xi[4][MONOMIALS];
        six_volume_gradients(patch.tissue.nodes, patch.tissue.corners + 4 * (int64)t, g);
        patch.at_points(t, xi);
        for (int64 k = 0; k < 3 * wanted; ++k) rows[k] = 0;
        for (int i = 0; i < MONOMIALS; ++i)
            for (int64 k = 0; k < 3 * wanted; ++k) rows[k] += u[3 * wanted * i + k] * xi[0][i] / 6;  // V ∇λ = (6V∇λ)/6
        const int* own = dofs + 4 * (int64)t;
        for (int64 k = 0; k < wanted; ++k) {
            const double ux = rows[k], uy = rows[wanted + k], uz = rows[2 * wanted + k];
            double c[4];
            for (int a = 1; a < 4; ++a) {
                c[a] = ux * g[a][0] + uy * g[a][1] + uz * g[a][2];
                sums[wanted * place[own[a]] + k] += c[a];
            }
            sums[wanted * place[own[0]] + k] -= c[1] + c[2] + c[3];
        }
    }
}

// sums += Σ_q w u(x_q)·∇φ_b(x_q) over the tetrahedra for their unknowns b, dofs (m,10)
//
// As ∇φ_b is linear, the sum is Σ_c U_c·∇φ_b(x_c) over the corners, U_c = Σ_q w λ_c(x_q) u(x_q), and there
// ∇φ_a = (4λ_a - 1)∇λ_a of the corners, ∇φ_ab = 4(λ_a∇λ_b + λ_b∇λ_a) of the edges.  U: memory (5,3,wanted)
VECTORISED void add_quadratic(
    const Patch& patch, const int64 wanted, const double* RESTRICT u, const int* RESTRICT dofs,
    const int* RESTRICT place, double* RESTRICT U, double* RESTRICT sums)
{
    const int64 lanes = 3 * wanted;
    double* total = U + 4 * lanes;
    for (const int t : patch.tets) {
        double g[4][3], xi[4][MONOMIALS];
        six_volume_gradients(patch.tissue.nodes, patch.tissue.corners + 4 * (int64)t, g);
        patch.at_points(t, xi);
        for (int64 k = 0; k < 5 * lanes; ++k) U[k] = 0;
        for (int c = 0; c < 4; ++c) {
            double* own = U + c * lanes;
            for (int i = 0; i < MONOMIALS; ++i)
                for (int64 k = 0; k < lanes; ++k) own[k] += u[lanes * i + k] * xi[c][i];
            for (int64 k = 0; k < lanes; ++k) {
                total[k] += FAR * own[k] / 24;  // V ∇λ/4 = (6V∇λ)/24
                own[k] = (NEAR - FAR) * own[k] / 24;
            }
        }
        for (int c = 0; c < 4; ++c)
            for (int64 k = 0; k < lanes; ++k) U[c * lanes + k] += total[k];
        for (int64 k = 0; k < lanes; ++k) total[k] = U[k] + U[lanes + k] + U[2 * lanes + k] + U[3 * lanes + k];
        const int* own = dofs + 10 * (int64)t;
        for (int a = 0; a < 4; ++a) {
            double* sum = sums + wanted * place[own[a]];
            const double* at = U + a * lanes;
            for (int64 k = 0; k < wanted; ++k)
                sum[k] += g[a][0] * (4 * at[k] - total[k]) + g[a][1] * (4 * at[wanted + k] - total[wanted + k]) +
                          g[a][2] * (4 * at[2 * wanted + k] - total[2 * wanted + k]);
        }
        for (int e = 0; e < 6; ++e) {
            double* sum = sums + wanted * place[own[4 + e]];
            const double *ga = g[EDGES[e][0]], *gb = g[EDGES[e][1]];
            const double *at = U + EDGES[e][0] * lanes, *bt = U + EDGES[e][1] * lanes;
            for (int64 k = 0; k < wanted; ++k)
                sum[k] += 4 * ((ga[0] * bt[k] + gb[0] * at[k]) + (ga[1] * bt[wanted + k] + gb[1] * at[wanted + k]) +
                               (ga[2] * bt[2 * wanted + k] + gb[2] * at[2 * wanted + k]));
        }
    }
}

// The unknowns of a patch, each once.
struct Reached {
    std::vector<int> last;  // the last node whose patch had each
    std::vector<int> all;

    explicit Reached(const int64 unknowns) : last(unknowns, -1) {}

    void find(const Patch& patch, const int each, const int* dofs)
    {
        all.clear();
        for (const int t : patch.tets)
            for (int b = 0; b < each; ++b) {
                const int v = dofs[each * (int64)t + b];
                if (last[v] == patch.node) continue;
                last[v] = patch.node;
                all.push_back(v);
            }
    }
};

}  // namespace

// How many rings each node's patch has, how many fields are fitted there, and how many unknowns it reaches.
KERNEL plan_fits(
    const int64 q, const double* nodes /* q,3 */, const int64 m, const int* corners /* m,4 */, const int each,
    const int* dofs /* m,each */, const int64 unknowns, const int64* starts /* q+1 */, const int* meeting,
    const int64 number, const double* fields /* number,3,10 */, const int64 tried, const int* steps /* tried */,
    const double least, int* rings /* q */, int* fitted /* q */, int64* lengths /* q */)
try {
    const Tissue tissue = {nodes, corners, starts, meeting, each == 10 ? 4 : 1};
    for_parts(q, PARTS, [&](int64, const int64 begin, const int64 end) {
        Patch patch(tissue, m);
        Reached reached(unknowns);
        Fit fit(number, fields);
        for (int64 i = begin; i < end; ++i) {
            patch.begin(i);
            const size_t first_ring = patch.tets.size();
            rings[i] = 1, fitted[i] = 3;
            // a crumb may have no more tetrahedra
            for (int ring = 1; fitted[i] <= 3 && ring < 3 && (ring == 1 ? first_ring > 0 : patch.grow()); ++ring) {
                patch.measure();
                const int64 regular = fit.factorise(patch, steps[0], least);
                const int* step = std::find_if(steps, steps + tried, [&](const int s) { return s <= regular; });
                if (step < steps + tried) rings[i] = ring, fitted[i] = *step;
            }
            if (fitted[i] <= 3) patch.tets.resize(first_ring);
            reached.find(patch, each, dofs);
            lengths[i] = (int64)reached.all.size();
        }
    });
}
KEEP_FAILURE

// The rows of node i begin at entry wanted*begins[i].
KERNEL fill_fits(
    const int64 q, const double* nodes /* q,3 */, const int64 m, const int* corners /* m,4 */, const int each,
    const int* dofs /* m,each */, const int64 count, const int* unknowns /* count */, const int64* starts /* q+1 */,
    const int* meeting, const int64 number, const double* fields /* number,3,10 */, const int64 wanted,
    const int* rings /* q */, const int* fitted /* q */, const int64* begins /* q+1 */, int* indices, double* values)
try {
    const Tissue tissue = {nodes, corners, starts, meeting, each == 10 ? 4 : 1};
    for_parts(q, PARTS, [&](int64, const int64 begin, const int64 end) {
        Patch patch(tissue, m);
        Reached reached(count);
        Fit fit(number, fields);
        std::vector<int> place(count);
        std::vector<double> duals(3 * MONOMIALS * wanted), memory(15 * wanted), sums;
        for (int64 i = begin; i < end; ++i) {
            patch.begin(i);
            if (rings[i] > 1) patch.grow();
            patch.measure();
            reached.find(patch, each, dofs);
            std::sort(reached.all.begin(), reached.all.end());
            const int64 length = begins[i + 1] - begins[i];
            for (int64 p = 0; p < length; ++p) place[reached.all[p]] = (int)p;
            // the first three fields are constant: alone they fit the mean
            fit.factorise(patch, fitted[i], 0);
            fit.find_duals(fitted[i], wanted, duals);
            sums.assign(length * wanted, 0);
            (each == 10 ? add_quadratic : add_linear)(
                patch, wanted, duals.data(), dofs, place.data(), memory.data(), sums.data());
            for (int64 k = 0; k < wanted; ++k)
                for (int64 p = 0; p < length; ++p) {
                    const int64 at = wanted * begins[i] + k * length + p;
                    indices[at] = unknowns[reached.all[p]];
                    values[at] = k < 3 ? sums[wanted * p + k] : sums[wanted * p + k] / patch.h;  // V/m², not of h
                }
        }
    });
}
KEEP_FAILURE
