"""The hot loops for the CPU, compiled by numba; `cuda.py` has the same functions for the GPU.

Rules that the callers rely on:
- Each output row is computed by one thread in a fixed order, so results do not depend on the number of threads.
- No fastmath flag here lets the compiler assume that NaN and infinity do not occur.
"""

# ruff: noqa: F401
from femtms.kernels.blocks import (
    advance,
    column_dots,
    narrow,
    padded,
    recording,
    relax,
    spmm,
    spmm_add,
    spmm_dots,
    turn,
)
from femtms.kernels.coarsen import (
    aggregates,
    csr,
    diagonal,
    galerkin,
    gershgorin,
    pieces,
    product,
    prolongator,
    scaled_rows,
    scaled_symmetrically,
    strong_connections,
    tied,
    transposed,
)
from femtms.kernels.elements import electric_field, incidence, load, signed_volumes, stiffness
from femtms.kernels.grids import rasterise_tets, trilinear
from femtms.kernels.quadratic import metrics, quadratic_field, quadratic_load, quadratic_stiffness
from femtms.kernels.recovered import squared_changes
from femtms.kernels.sampled import cubic_potential
from femtms.kernels.sources import (
    MU0_OVER_4PI,
    corners,
    current_potential,
    dipole_potential,
    fit_series,
    harmonic_series,
    morton_codes,
    nearest,
    turned,
)
