"""Least-squares fits of ∇φ over the tetrahedra around each node, as rows of a sparse matrix: theory.md (36)-(39).

Set-up, done once for a head, so it exists for the CPU alone.  Each node is done by one thread in a fixed order.

A patch is the list of tetrahedra around a node.  What is fitted are vector fields f_p(x) = F_p ξ, given as `fields`
(p,3,10), with the monomials ξ = (1, x, y, z, x², y², z², xy, xz, yz) of the distance from the node in units of the
patch's size h.  The products of two of them need only the moments Σ w ξξᵀ (10,10) of the patch, with the points and
weights of the elements' gradients: the centroid of linear elements, and the four points of quadratic ones whose rule is
exact for products of linear fields.
"""

import numpy as np

from femtms.core import call

MONOMIALS = 10


def fitted_rows(nodes, corners, dofs, unknowns, starts, meeting, fields, steps, wanted, least):
    """The fit's first coefficients as rows of a matrix in CSR form: (indptr, indices, values, fitted).

    nodes      (q,3) m of one tissue; corners (r,4) of its tetrahedra; starts and meeting, their incidence
    unknowns   (u,) columns of the matrix, ascending; dofs (r,4) or (r,10), which of them the tetrahedra have
    fields     (p,3,10) that are fitted, the three constant ones first, then those of first degree
    steps      how many of them are tried, descending: the first number whose smallest pivot is at least `least`, with
               the tetrahedra at the node, then with those around them, too; if none is, the constant ones
    wanted     how many coefficients are returned: of the fields in V/m and, for slopes, V/m²

    Node i has the rows wanted*i up to wanted*(i+1), with the same columns; fitted (q,) is the number of fields there.
    """
    q = len(nodes)
    corners, dofs, unknowns = (np.ascontiguousarray(x, np.int32) for x in (corners, dofs, unknowns))
    mesh = q, nodes, len(corners), corners, dofs.shape[1], dofs
    rings, fitted, lengths = np.empty(q, np.int32), np.empty(q, np.int32), np.empty(q, np.int64)
    fits = len(fields), fields, len(steps), np.array(steps, np.int32), least
    call("plan_fits", *mesh, len(unknowns), starts, meeting, *fits, rings, fitted, lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    indptr = np.concatenate([[0], np.cumsum(np.repeat(lengths, wanted))])
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    patches = len(unknowns), unknowns, starts, meeting, len(fields), fields, wanted, rings, fitted, begins
    call("fill_fits", *mesh, *patches, indices, values)
    return indptr, indices, values, fitted
