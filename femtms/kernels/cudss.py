"""K = L Lᵀ on an NVIDIA GPU, by cuDSS through nvmath-python."""


def factorise(matrix):
    """Solves A x = b for one column b (n,) on the GPU, and the number of entries of the factors.

    matrix symmetric positive definite, CSR (n,n) float64 on the GPU.
    """
    import cupy
    from cupyx.scipy import sparse
    from nvmath.sparse import advanced

    # b has no values yet, but must have the shape and the place of all that come
    solver = advanced.DirectSolver(
        sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape),
        cupy.zeros(matrix.shape[0]),
        options={
            "sparse_system_type": advanced.DirectSolverMatrixType.SPD,
            "sparse_system_view": advanced.DirectSolverMatrixViewType.UPPER,
        },
    )
    solver.plan()
    entries = solver.factorize().lu_nnz

    def solve_one(b):
        solver.reset_operands(b=b)
        return solver.solve()

    return solve_one, float(entries)
