"""Seconds of each stage of the main job, and the share of the memory's bandwidth that assembly and solve reach."""

from functools import cache

from problem import BLOCKS, HEAD, SIZES_MM, Problem, cached_mesh, compile_all
from traffic import assembly_traffic, measured, solve_traffic, triad_bandwidth

from femtms.backend import backend


@cache
def problem_of(size_mm):
    """asv sets up anew before every sample: all but the first time it is this."""
    return Problem(HEAD, size_mm)


class Stage:
    """What all stages share; the clock runs for one call at a time, and everything is compiled."""

    params = (SIZES_MM,)
    param_names = ("size_mm",)
    number = 1
    repeat = 3
    rounds = 1
    warmup_time = 0
    min_run_count = 1
    timeout = 1800

    def setup_cache(self):
        for size_mm in SIZES_MM:
            cached_mesh(HEAD, size_mm)

    setup_cache.timeout = 1800

    def setup(self, size_mm):
        compile_all()
        self.problem = problem_of(size_mm)


class Assembly(Stage):
    def time_assemble(self, size_mm):
        self.problem.assemble()

    def track_share_of_bandwidth(self, size_mm):
        p = self.problem
        seconds, (p1, stiffness) = measured(p.assemble, self.repeat)
        return assembly_traffic(p1, stiffness) / seconds / triad_bandwidth(p.backend)


class Hierarchy(Stage):
    def setup(self, size_mm):
        super().setup(size_mm)
        _ = self.problem.stiffness

    def time_set_up(self, size_mm):
        self.problem.set_up()


class Coil(Stage):
    def setup(self, size_mm):
        super().setup(size_mm)
        _ = self.problem.boxes, self.problem.poses

    def time_boxes(self, size_mm):
        self.problem.sort()

    def time_dadt(self, size_mm):
        self.problem.dadt()


class Solve(Stage):
    """Of k right-hand sides at once; the seconds are those of all k."""

    params = (SIZES_MM, BLOCKS)
    param_names = ("size_mm", "k")

    def setup(self, size_mm, k):
        super().setup(size_mm)
        self.b = self.problem.block(k)
        _ = self.problem.solver

    def time_solve(self, size_mm, k):
        self.problem.solve(self.b)

    def track_iterations(self, size_mm, k):
        return int(self.problem.solve(self.b).iterations.max())

    def track_share_of_bandwidth(self, size_mm, k):
        p = self.problem
        seconds, solution = measured(lambda: p.solve(self.b), self.repeat)
        return solve_traffic(p.solver, solution.iterations) / seconds / triad_bandwidth(p.backend)


class Field(Stage):
    def setup(self, size_mm):
        super().setup(size_mm)
        p = self.problem
        self.a, self.phi = p.dadt(), p.backend.xp.zeros((len(p.mesh.nodes), 1))
        self.E, self.potential = p.field(self.a, self.phi)
        _ = p.poses

    def time_E(self, size_mm):
        self.problem.field(self.a, self.phi)

    def time_statistics(self, size_mm):
        self.problem.statistics(self.E, self.potential)


class Bandwidth:
    timeout = 600
    unit = "GB/s"

    def track_triad(self):
        return 1e-9 * triad_bandwidth(backend("auto"))
