"""A of a coil at the centroids of a head: series in boxes against direct sums.

    python benchmarks/vector_potential.py [--head colin27] [--sizes 8 4] [--gaps 4 6] [--repeats 5] [--device cpu]

All of it in one process, one after the other, compiled before the clock starts; the fastest of the repeats (of two
for direct sums) is printed as a Markdown table.  "boxes" is done once for a head.  "samples" are direct sums on the
spheres of boxes and at points near the coil, at "sums" points in all; "series" is the evaluation at all other points.
Errors of A: the largest, relative to the median of |A| and to the largest |A|, and relative in L2.
"""

import argparse
import dataclasses
import platform
import time

import numpy as np

import femtms
from femtms.backend import backend, to_host
from femtms.coil.elements import Dipoles
from femtms.coil.expansion import HarmonicBoxes


class Clocked:
    """Kernels that add up the seconds of each, and the points of direct sums."""

    def __init__(self, device):
        self._device = device
        self.forget()

    def forget(self):
        self.seconds, self.sums = {}, 0

    def __getattr__(self, name):
        kernel = getattr(self._device.kernels, name)

        def call(points, *arguments):
            self._device.synchronise()
            start = time.perf_counter()
            result = kernel(points, *arguments)
            self._device.synchronise()
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start
            self.sums += len(points) if name.endswith("potential") else 0
            return result

        return call


def dipoles(coil):
    """As many dipoles as the coil has elements, spread over its wings."""
    rng = np.random.default_rng(0)
    n = len(coil.positions)
    low, high = coil.positions.min(axis=0), coil.positions.max(axis=0)
    positions = rng.uniform(low, high, (n, 3))
    moments = np.sign(positions[:, :1]) * [[0, 0, 1e-5]]
    return femtms.Coil("dipoles", (Dipoles(positions, moments),))


def seconds_of(device, function, *arguments):
    device.synchronise()
    start = time.perf_counter()
    result = function(*arguments)
    device.synchronise()
    return time.perf_counter() - start, result


def row(posed, boxes, device, clock, repeats):
    """Cells of the table for one coil in one place."""
    timed = dataclasses.replace(boxes, backend=dataclasses.replace(device, kernels=clock))
    timed.vector_potential(posed)  # compiles
    runs = []
    for _ in range(repeats):
        clock.forget()
        expansion, a = seconds_of(device, timed.vector_potential, posed)
        series = clock.seconds["harmonic_series"]
        samples = sum(seconds for name, seconds in clock.seconds.items() if name.endswith("potential"))
        runs.append((expansion, samples, series, clock.sums))
    both = [seconds_of(device, posed.vector_potential, boxes.points, device.kernels) for _ in range(2)]
    direct, exact = min(both, key=lambda run: run[0])
    expansion, samples, series, sums = min(runs)
    a, exact = to_host(a), to_host(exact)
    error, size = np.linalg.norm(a - exact, axis=1), np.linalg.norm(exact, axis=1)
    return [
        *(f"{direct:.2f}", f"{expansion:.3f}", f"{direct / expansion:.1f}", f"{samples:.3f}", f"{series:.3f}"),
        f"{sums:,}",
        *(f"{error.max() / np.median(size):.1e}", f"{error.max() / size.max():.1e}"),
        f"{np.linalg.norm(error) / np.linalg.norm(size):.1e}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--sizes", type=float, nargs="+", default=[8.0, 4.0])
    parser.add_argument("--gaps", type=float, nargs="+", default=[4.0, 6.0], help="mm")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = backend(options.device)
    clock = Clocked(device)
    figure8 = femtms.load_coil("figure8-70mm")
    print(f"{options.head}, {device.description}, Python {platform.python_version()}, femtms {femtms.__version__}\n")
    head = [
        "coil",
        "elements",
        "gap mm",
        "tets",
        "boxes s",
        "direct s",
        "expansion s",
        "ratio",
        "samples s",
        "series s",
    ]
    print("|", " | ".join([*head, "sums", "error/median", "error/largest", "error L2"]), "|")
    print("| --- |" + " ---: |" * 13)
    for size in options.sizes:
        mesh = femtms.mesh_head(femtms.load_head(options.head), size)
        to_build, boxes = seconds_of(device, HarmonicBoxes.build, mesh.centroids, device)
        for coil in (figure8, dipoles(figure8)):
            for gap in options.gaps:
                posed = coil.moved(femtms.place(mesh, "C3", "CP3", gap_mm=gap))
                first = [coil.name, f"{len(coil.positions):,}", f"{gap:g}", f"{len(mesh.tets):,}", f"{to_build:.2f}"]
                print("|", " | ".join(first + row(posed, boxes, device, clock, options.repeats)), "|", flush=True)


if __name__ == "__main__":
    main()
