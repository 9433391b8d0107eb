"""How many bytes must move at least, and how many the memory can move: what a stage takes, against what it could take.

Counted is what has to cross the bus between memory and processor if nothing stays in a cache from one pass to the
next, and nothing is loaded twice within a pass.  So a share of the bandwidth is below 1 where a kernel waits for
something else (arithmetic, or scattered accesses that load more than they use), and can be above 1 where caches help.
"""

import statistics
import time

import numba

_TRIAD = 20_000_000  # numbers in an array of the triad: 160 MB, more than caches hold


@numba.njit(parallel=True)
def _triad(a, b, c):
    for i in numba.prange(len(a)):
        a[i] = b[i] + 3.0 * c[i]


def triad_bandwidth(backend):
    """Bytes per second of a = b + 3 c in double precision on all cores, or on the GPU: McCalpin's STREAM."""
    a, b, c = (backend.xp.ones(_TRIAD) for _ in range(3))
    if backend.name == "cpu":
        triad = _triad
    else:
        kernel = backend.xp.ElementwiseKernel("float64 b, float64 c", "float64 a", "a = b + 3.0 * c", "triad")

        def triad(a, b, c):
            kernel(b, c, a)

    triad(a, b, c)  # compiles
    return 3 * a.nbytes / min(measured(lambda: triad(a, b, c), 1, backend)[0] for _ in range(10))


def assembly_traffic(p1, stiffness):
    """Bytes of P1.build: nodes, tetrahedra and conductivities read, K written, each once."""
    written = stiffness.indptr.nbytes + stiffness.indices.nbytes + stiffness.data.nbytes
    return p1.nodes.nbytes + p1.tets.nbytes + p1.sigma.nbytes + written


def solve_traffic(solver, iterations):
    """Bytes of a solve in which right-hand side i took iterations[i] (k,): finished columns move nothing more."""
    return sum(least_traffic(solver, int((iterations > i).sum())) for i in range(iterations.max()))


def least_traffic(solver, k):
    """Bytes of one iteration for k right-hand sides: in each pass, every matrix and every vector once.

    One that is changed in place counts twice, as it is read and written.  The passes are those of solver/pcg.py (double
    precision) and of one V-cycle of solver/amg.py (single precision).
    """
    n = solver.matrix.shape[0]
    total = solver.matrix.bytes + 8 * k * n * 2  # A p: p read, A p written
    total += 8 * k * n * (1 + 1 + 2 + 6)  # r narrowed; r·z; p turned; p, A p, and x and r advanced
    total += 4 * k * n * (1 + 1 + 1)  # r narrowed; z in r·z, and z again to turn p
    for level in solver.hierarchy.levels[:-1]:
        fine, coarse = level.prolongation.shape
        total += 4 * level.matrix.bytes + 4 * k * fine * (2 + 3 + 3 + 4)  # two steps from zero, the residual, two more
        total += level.restriction.bytes + 4 * k * (fine + coarse)
        total += level.prolongation.bytes + 4 * k * (2 * fine + coarse)
    coarsest = solver.hierarchy.coarse_inverse
    return total + coarsest.bytes + 4 * k * 2 * coarsest.shape[0]


def measured(function, repeats, backend=None):
    """Median seconds of a call until the device is done, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        result = None  # or two would be in memory
        start = time.perf_counter()
        result = function()
        if backend is not None:
            backend.synchronise()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result
