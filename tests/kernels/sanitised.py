"""All that femtms does, under sanitizers: python tests/kernels/sanitised.py

AddressSanitizer and UBSan look at "cuda", the CUDA kernels on the host, whose threads come in random order, and at
"core", that of the CPU.  The first access outside an array ends the process, and so does undefined behaviour.
ThreadSanitizer looks at "threads", the core again: two threads that touch the same memory are an error at the end.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def sanitised(device: str, what: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Run this file in a process that has the sanitizers' memory."""
    # the second, or the first does not find what throws exceptions in libraries that are loaded later
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libtsan.so" if device == "threads" else "libasan.so", "libstdc++.so")
    ]
    environment = (
        os.environ
        | {
            "LD_PRELOAD": ":".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:exitcode=66",
            "OPENBLAS_NUM_THREADS": "1",
            "FEMTMS_NUM_THREADS": "4",
            "PYTHONMALLOC": "malloc",  # or small arrays would lie side by side in one piece
            "PYTHONPATH": os.pathsep.join([*map(str, Path(__file__).parents[1:3]), os.environ.get("PYTHONPATH", "")]),
        }
    )
    command = [sys.executable, __file__, device, what, folder]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


OUTSIDE = """
KERNEL beyond(const int64 n, const double* x, double* out) { out[0] = x[n]; }
KERNEL overflow(const int64 n, const double* x, double* out)
{
    int i = 2147483647;
    out[0] = x[0] + (i + (int)n);
}
"""
IN_TASKS = """
KERNEL race(const int64 n, const double* x, double* out)
{
    for (int64 again = 0; again < 100; ++again) for_each_task(64, [&](int64) { out[0] += n * x[0]; });
}
KERNEL beyond_in_a_task(const int64 n, const double* x, double* out)
{
    for_each_task(64, [&](const int64 task) { if (task == 63) out[0] = x[n]; });
}
"""


def _cuda(what: str, folder: Path) -> None:
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


def _core(what: str, folder: Path, flags: Sequence[str] = ()) -> None:
    import numpy as np
    from core.core_path import core_path
    from core.library import build_core, use_core
    from kernels.host_cuda import SANITIZERS

    from femtms import core
    from femtms.core.signatures import signatures

    planted = OUTSIDE + IN_TASKS
    if not (folder / core._LIBRARY).exists():
        build_core(folder, flags or SANITIZERS, planted)
    kernels = core.cpu_signatures()
    called = use_core(folder)
    if what != "whole path":
        core.cpu_signatures = lambda: signatures(planted)
        core.call(what, 1, np.ones(1), np.zeros(1))
        return
    core_path(folder)
    print(f"{len(called)} calls; kernels that were not tried: {sorted(set(kernels) - set(called))}")


def _threads(what: str, folder: Path) -> None:
    _core(what, folder, ["-fsanitize=thread"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"cuda": _cuda, "core": _core, "threads": _threads}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    else:
        for device in ("cuda", "core", "threads"):
            with tempfile.TemporaryDirectory() as made:
                done = sanitised(device, "whole path", made)
            print(done.stdout + done.stderr)
            if done.returncode:
                sys.exit(done.returncode)
