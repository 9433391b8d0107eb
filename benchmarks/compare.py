"""How long `femtms compare` takes: the coils of the catalogue at ten places of a head.

    python benchmarks/compare.py [--head colin27] [--size 6] [--coils 10] [--places 10] [--device auto]

The whole command, from reading the head to the page, after a first comparison that compiles everything.  Printed as a
Markdown table of its stages.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from problem import HEAD

import femtms
from femtms.compare import DEFAULT_SIZE_MM, compare
from femtms.io.catalogue import catalogue

PLACES = ("F3", "C3", "P3", "F4", "C4", "P4", "Fz", "Cz", "Pz", "T7")


def compared(head, coils, places, size_mm, device):
    """Seconds of the whole, and the summary of a comparison whose results are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        summary = compare(head, coils, Path(folder) / "out", at=places, size_mm=size_mm, device=device)
        return time.perf_counter() - start, summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default=HEAD)
    parser.add_argument("--size", type=float, default=DEFAULT_SIZE_MM)
    parser.add_argument("--coils", type=int, default=10)
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    coils = [name for name, coil in catalogue().items() if coil.table is not None][: options.coils]
    ball = femtms.LayeredSphere((70, 85))
    compared(ball, coils[:1], PLACES[:1], 20.0, options.device)
    seconds, summary = compared(options.head, coils, list(PLACES[: options.places]), options.size, options.device)
    mesh = summary["mesh"]
    print(f"{len(coils)} coils at {options.places} places of {options.head}, {mesh['tets']:,} tetrahedra, "
          f"{summary['device']}, femtms {femtms.__version__}\n")  # fmt: skip
    print("| stage | s |\n| --- | ---: |")
    for name, value in summary["seconds"].items():
        print(f"| {name} | {value:.1f} |")
    print(f"| all | {seconds:.1f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
