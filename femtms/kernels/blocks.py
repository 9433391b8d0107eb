"""Linear algebra on blocks of columns (n,k): launches the kernels of core/blocks.cpp and blocks.cu.

Results go into `out`: a fresh array of this size costs as much as the work, because the system clears its pages.
A device has `padded`, `spmm_dots`, `column_dots`, `advance` and `recording` besides.
"""

import numpy as np

from femtms.kernels.launch import Launcher, csr_arrays


class Blocks(Launcher):
    """What the iterations of a solver call; all arrays C-contiguous."""

    def spmm(self, matrix, x, out):
        """out (r,k) = A X.  matrix CSR (r,c), x (c,k); all of one dtype."""
        rows, k = out.shape
        self.launch(f"spmm_{np.dtype(x.dtype).name}", rows, k, *csr_arrays(matrix), x, out, work=rows * k)

    def spmm_add(self, matrix, x, out):
        """out (r,k) += A X, as `spmm`, in float32."""
        rows, k = out.shape
        self.launch("spmm_add", rows, k, *csr_arrays(matrix), x, out, work=rows * k)

    def relax(self, matrix, weights, x, b, z, out):
        """out = w₀ X + w₁ B + w₂ A X + w₃ Z: one pass for any step of a polynomial smoother, and for residuals.

        matrix CSR (n,n), x, b, z, out (n,k), all float32; weights 4 numbers; out may be b or z, but not x.
        """
        rows, k = out.shape
        self.launch("relax", rows, k, *csr_arrays(matrix), *weights, x, b, z, out, work=rows * k)

    def turn(self, scale, beta, z, p):
        """The next direction of conjugate gradients: p = s z + β p, in place.

        scale, beta (k,), p (n,k) float64; z (n,k) float32.
        """
        n, k = p.shape
        self.launch("turn", n, k, scale, beta, z, p, work=n * k)

    def narrow(self, scale, r, out):
        """out (n,k) float32 = s r, with scale (k,) and r (n,k) float64."""
        n, k = r.shape
        self.launch("narrow", n, k, scale, r, out, work=n * k)
