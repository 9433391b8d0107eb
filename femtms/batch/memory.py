"""How much memory a worker of a study takes: a formula, held against what processes took.

Largest resident memory in MiB of a process that meshes colin27, sets it up and solves blocks for grey-matter
statistics on the CPU, Linux x86-64, and what `worker_bytes` says:

    size   order  tetrahedra    at a time    measured   formula
    12 mm    1       466,463        8            671       684
     8 mm    1       932,914        1            711       736
     8 mm    1       932,914        8            959       984
     8 mm    1       932,914       32          1,799     1,836
     6 mm    1     2,060,201        1          1,120     1,165
     6 mm    1     2,060,201        8          1,654     1,710
     6 mm    1     2,060,201       32          3,523     3,578
     5 mm    1     2,493,407        8          1,943     1,986
    12 mm    2       466,463        8          1,956     2,019
     8 mm    2       932,914        1          2,505     2,538
     8 mm    2       932,914        8          3,360     3,396
     8 mm    2       932,914       32          5,973     6,336

A sphere has no label volume: it takes about 150 MiB less.  The table is of processes of their own, and its formula
without Dask.  A worker has Dask's libraries and buffers beside that: four of them, 8 mm, order 1, 16 at a time took
1,285 to 1,432 MiB, and the formula says 1,448.
"""

_PROCESS = 380 * 2**20  # Python and its libraries, and the label volume of a head of 1 mm
_DASK = 180 * 2**20  # Dask, Zarr, and what lies between messages
_TET = {1: 360, 2: 2000}  # bytes of mesh, K, hierarchy, boxes of A, and recovery in grey matter, for each tetrahedron
_QUADRATURE = {1: 0, 2: 2**28}  # bytes of ∂A/∂t at points in the tetrahedra, for some positions at a time
_VECTORS = 10  # of the unknowns, in float64, for each position: see Simulator
_DADT = 24  # bytes of ∂A/∂t at the centroid, for each position and tetrahedron
_KEPT_TET = 100  # bytes for each tetrahedron where a field of its nodes is made


def worker_bytes(nodes: int, tets: int, order: int, at_a_time: int, kept_points: int = 0, cases: int = 64) -> int:
    """Bytes of memory that a worker takes at most for a head on the CPU, about.

    nodes, tets  numbers of the mesh
    order        of the elements; for 2 the unknowns are nodes and edges
    at_a_time    how many positions are solved together
    kept_points  at which E is kept, all kinds of fields together, for as many cases as a block has

    Process + Dask + tetrahedra + at_a_time · (∂A/∂t + 10 vectors) + what is kept.  See the table above.
    """
    kept = (12 * kept_points * cases + _KEPT_TET * tets) if kept_points else 0
    return _PROCESS + _DASK + _TET[order] * tets + _QUADRATURE[order] + at_a_time * _position(nodes, tets, order) + kept


def positions_at_a_time(memory_bytes: int, nodes: int, tets: int, order: int, kept_points: int = 0) -> int:
    """How many positions a worker with this memory can solve together; 0 if not even one.  Arguments as above."""
    left = memory_bytes - worker_bytes(nodes, tets, order, 0, kept_points)
    return max(left // _position(nodes, tets, order), 0)


def _position(nodes: int, tets: int, order: int) -> int:
    """Bytes that grow with the number of positions solved together, for one."""
    # Euler's formula: e = n + t + half of the outer faces, of which there are few
    unknowns = nodes if order == 1 else nodes + int(1.02 * (nodes + tets))
    return _DADT * tets + 8 * _VECTORS * unknowns
