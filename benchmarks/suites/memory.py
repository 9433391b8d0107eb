"""Peak memory of a process up to the end of a stage, all that came before it included."""

from problem import BLOCKS, HEAD, SIZES_MM, Problem, cached_mesh


class Peak:
    timeout = 1800

    def setup_cache(self):
        for size_mm in SIZES_MM:
            cached_mesh(HEAD, size_mm)

    setup_cache.timeout = 1800


class BeforeSolve(Peak):
    params = (SIZES_MM,)
    param_names = ("size_mm",)

    def peakmem_mesh_read(self, size_mm):
        cached_mesh(HEAD, size_mm)

    def peakmem_assembled(self, size_mm):
        Problem(HEAD, size_mm).assemble()

    def peakmem_set_up(self, size_mm):
        _ = Problem(HEAD, size_mm).solver


class Solve(Peak):
    params = (SIZES_MM, BLOCKS)
    param_names = ("size_mm", "k")

    def peakmem_solved(self, size_mm, k):
        problem = Problem(HEAD, size_mm)
        problem.solve(problem.block(k))
