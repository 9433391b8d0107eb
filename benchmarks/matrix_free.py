"""K of quadratic elements as a sparse matrix, or not at all: seconds of one product with a block, in single precision.

    python benchmarks/matrix_free.py [--head colin27] [--size 8] [--blocks 1 4 16] [--repeats 7]

Without a matrix, each tetrahedron multiplies its ten unknowns by (31) of docs/theory.md with six numbers of its own,
and each unknown then adds up what its tetrahedra have for it, in one order, as the bits of a result must not depend on
threads.  Runs on the CPU; "bytes" are those of the operator alone.
"""

import argparse

import numba
import numpy as np
from problem import cached_mesh
from traffic import measured

from femtms.backend import cpu_backend
from femtms.conductivity.isotropic import conductivity_of
from femtms.fem.lagrange import stiffness_table
from femtms.fem.p2 import P2
from femtms.kernels.cpu import metrics
from femtms.solver.csr import Csr

_ROWS = 1024


@numba.njit(parallel=True, fastmath={"reassoc", "contract"})
def products(dofs, metric, table, x, out):
    """out (10m,k): the product of each tetrahedron's matrix with its ten unknowns."""
    m, k = len(dofs), x.shape[1]
    for task in numba.prange((m + _ROWS - 1) // _ROWS):
        element = np.empty((10, 10), np.float32)
        for t in range(task * _ROWS, min(m, (task + 1) * _ROWS)):
            for i in range(10):
                for j in range(i, 10):
                    total = np.float32(0)
                    for c in range(6):
                        total += table[i, j, c] * metric[t, c]
                    element[i, j] = element[j, i] = total
            for i in range(10):
                for q in range(k):
                    out[10 * t + i, q] = 0
                for j in range(10):
                    a, row = element[i, j], dofs[t, j]
                    for q in range(k):
                        out[10 * t + i, q] += a * x[row, q]


@numba.njit(parallel=True)
def gathered(starts, places, parts, out):
    """out (n,k): the sum of the parts (10m,k) of each unknown."""
    n, k = out.shape
    for task in numba.prange((n + _ROWS - 1) // _ROWS):
        for i in range(task * _ROWS, min(n, (task + 1) * _ROWS)):
            for q in range(k):
                out[i, q] = 0
            for s in range(starts[i], starts[i + 1]):
                for q in range(k):
                    out[i, q] += parts[places[s], q]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--size", type=float, default=8.0, help="mm")
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    device = cpu_backend()
    mesh = cached_mesh(options.head, options.size)
    sigma = conductivity_of(mesh, None)
    p2, stiffness = P2.build(mesh, sigma, device)
    matrix = Csr.on(device, stiffness, np.float32)
    metric = metrics(p2.nodes, p2.tets, p2.sigma).astype(np.float32)
    table = stiffness_table().astype(np.float32)
    places = np.argsort(p2.dofs.ravel(), kind="stable").astype(np.int32)
    free_bytes = metric.nbytes + p2.dofs.nbytes + p2.starts.nbytes + places.nbytes
    print(f"{options.head}, {len(mesh.tets):,} tetrahedra, {p2.unknowns:,} unknowns; {device.description}")
    print(f"operator: matrix {1e-6 * matrix.bytes:,.0f} MB, without {1e-6 * free_bytes:,.0f} MB\n")
    print("| block | matrix s | without s | ratio |")
    print("| ---: | ---: | ---: | ---: |")
    for k in options.blocks:
        x = np.random.default_rng(0).standard_normal((p2.unknowns, k)).astype(np.float32)
        with_matrix, without = np.empty_like(x), np.empty_like(x)
        parts = np.empty((10 * len(mesh.tets), k), np.float32)

        def free(x=x, parts=parts, out=without):
            products(p2.dofs, metric, table, x, parts)
            gathered(p2.starts, places, parts, out)

        def sparse(x=x, out=with_matrix):
            device.kernels.spmm(matrix, x, out)

        free(), sparse()  # compile
        error = np.abs(without - with_matrix).max() / np.abs(with_matrix).max()
        assert error < 1e-4, f"the two products differ by {error:.1e}"
        a, b = measured(sparse, options.repeats)[0], measured(free, options.repeats)[0]
        print(f"| {k} | {a:.4f} | {b:.4f} | {b / a:.2f} |", flush=True)


if __name__ == "__main__":
    main()
