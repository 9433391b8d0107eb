"""numba's decorators with a cache where there is a place for one."""

import numba


def njit(function=None, **options):
    """`numba.njit` that keeps compiled code on disk where a folder is writable (in some containers none is)."""
    if function is None:
        return lambda f: njit(f, **options)
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(error_model="numpy", **options)(function)
