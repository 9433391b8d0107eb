"""How many bytes must move at least, and how many the memory can move: what a stage takes, against what it could take.

Counted is what has to cross the bus between memory and processor if nothing stays in a cache from one pass to the
next, and nothing is loaded twice within a pass.  So a share of the bandwidth is below 1 where a kernel waits for
something else (arithmetic, or scattered accesses that load more than they use), and can be above 1 where caches help.
"""

import statistics
import time

_TRIAD = 20_000_000  # numbers in an array of the triad: 80 and 160 MB, more than caches hold


def triad_bandwidth(backend):
    """Bytes per second of p = s z + β p, a triad like that of McCalpin's STREAM, on all cores or on the GPU."""
    xp = backend.xp
    z, p = xp.ones((_TRIAD, 1), xp.float32), xp.ones((_TRIAD, 1))
    one, half = xp.ones(1), xp.full(1, 0.5)

    def triad():
        backend.kernels.turn(one, half, z, p)

    triad()  # compiles on a GPU
    return (z.nbytes + 2 * p.nbytes) / min(measured(triad, 1, backend)[0] for _ in range(10))


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
