// The dihedral angles of tetrahedra: what says how well shaped a mesh is for finite elements.
#include "vector.h"

// in degrees, 0 to 180, between the two faces at the edges 01, 02, 03, 12, 13, 23 of each tetrahedron
KERNEL dihedral_angles(
    const int64 m, const double* nodes /* n,3 */, const int* tets /* m,4 */, double* angles /* m,6 */)
{
    static const int faces[4][3] = {{1, 2, 3}, {0, 3, 2}, {0, 1, 3}, {0, 2, 1}};
    // the faces that have the edge are opposite the others
    static const int at_edge[6][2] = {{2, 3}, {1, 3}, {1, 2}, {0, 3}, {0, 2}, {0, 1}};
    const double degree = 180 / 3.141592653589793;
    for_each(m, [&](const int64 t) {
        Vector x[4], normals[4];  // of the faces opposite each node, outward, of any length
        for (int i = 0; i < 4; ++i) x[i] = vector_at(nodes, tets[4 * t + i]);
        for (int i = 0; i < 4; ++i) {
            const Vector& start = x[faces[i][0]];
            normals[i] = cross(x[faces[i][1]] - start, x[faces[i][2]] - start);
        }
        for (int e = 0; e < 6; ++e) {
            const Vector &p = normals[at_edge[e][0]], &q = normals[at_edge[e][1]];
            // exact also where the arc cosine is not: near 0 and 180 degrees
            angles[6 * t + e] = degree * std::atan2(length(cross(p, q)), -dot(p, q));
        }
    });
}
