"""The whole path with the CUDA kernels on the host under AddressSanitizer and UBSan: python tests/kernels/sanitised.py

The first access outside an array ends the process, and so does undefined behaviour; threads come in random order.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def sanitised(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this file in a process that has the sanitizers' memory."""
    library = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    environment = (
        os.environ
        | {
            "LD_PRELOAD": library.strip(),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "PYTHONMALLOC": "malloc",  # or small arrays would lie side by side in one piece
            "PYTHONPATH": os.pathsep.join([*map(str, Path(__file__).parents[1:3]), os.environ.get("PYTHONPATH", "")]),
        }
    )
    return subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, env=environment)


OUTSIDE = """
KERNEL beyond(const int64 n, const double* x, double* out) { out[0] = x[n]; }
KERNEL overflow(const int64 n, const double* x, double* out)
{
    int i = 2147483647;
    out[0] = x[0] + (i + (int)n);
}
"""


def _main(what: str, folder: Path) -> None:
    import numpy as np
    from kernels.host_cuda import HostModule
    from kernels.host_cupy import HostCupy
    from kernels.whole_path import whole_path

    from femtms.backend import Backend
    from femtms.core import gpu_signatures
    from femtms.kernels.cuda import CudaKernels

    xp = HostCupy()
    if what != "whole path":  # does it find what it should?
        function = HostModule(folder, OUTSIDE, sanitised=True).get_function(what)
        function((1,), (1,), (np.int64(1), xp.ones(1), xp.zeros(1)))
        return
    kernels = CudaKernels(xp, HostModule(folder, sanitised=True))
    found = whole_path(Backend("cuda", xp, kernels, "sanitised", check_every=4))
    missing = sorted(set(gpu_signatures()) - set(xp.gpu.calls))
    print(f"{len(found)} fields, {xp.gpu.counts['launches']} launches; kernels that were not tried: {missing}")


if __name__ == "__main__":
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        _main(sys.argv[1], Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as made:
            done = sanitised("whole path", made)
        print(done.stdout + done.stderr)
        sys.exit(done.returncode)
