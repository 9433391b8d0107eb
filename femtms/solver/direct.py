"""K = L Lᵀ once, then two triangular solves for each right-hand side.

PARDISO (package pypardiso) or CHOLMOD (package scikit-sparse) where installed, SuperLU of scipy otherwise; on a GPU
cuDSS (package nvmath-python).  When that pays: docs/performance.md.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy import sparse

from femtms.backend import Backend
from femtms.errors import FemtmsError, in_one_line

_MODULES = {"pardiso": "pypardiso", "cholmod": "sksparse", "superlu": "scipy", "cudss": "nvmath"}
_FASTEST_FIRST = {"cpu": ("pardiso", "cholmod", "superlu"), "cuda": ("cudss",)}

_SolveOne = Callable[[Any], Any]  # b (n,) -> x (n,)


@dataclass(frozen=True)
class Direct:
    """Asks a Simulator to factorise K: `Simulator(mesh, solver=Direct())`.

    library  "pardiso", "cholmod" or "superlu" on the CPU, "cudss" on a GPU; None for the first that is installed

    PARDISO and cuDSS are the solvers here whose last bits may differ from run to run: their threads are in no order.
    """

    library: str | None = None

    def __post_init__(self) -> None:
        if self.library is None:
            return
        if self.library not in _MODULES:
            raise FemtmsError(f"library must be one of {', '.join(_MODULES)}; got '{self.library}'")
        if not _installed(self.library):
            raise FemtmsError(f"library '{self.library}' was asked for, but {_MODULES[self.library]} is not installed")

    def chosen(self, device: str) -> str:
        """The library that is used on "cpu" or "cuda".  Raises FemtmsError where there is none."""
        possible = [name for name in _FASTEST_FIRST[device] if _installed(name)]
        if self.library is None and possible:
            return possible[0]
        if self.library in possible:
            return self.library
        need = "nvmath-python" if device == "cuda" else "one of " + ", ".join(_FASTEST_FIRST["cpu"])
        asked = "Direct()" if self.library is None else f"library '{self.library}'"
        raise FemtmsError(
            f"{asked} was asked for on the device '{device}', which takes {need} (or multigrid: no solver)"
        )


def _installed(library: str) -> bool:
    return importlib.util.find_spec(_MODULES[library]) is not None


@dataclass(frozen=True, eq=False, repr=False)
class Factorised:
    """The factors of a symmetric positive-definite matrix, and what they cost.

    name       of the library
    solve_one  maps b (n,) to A⁻¹ b (n,)
    entries    of the factors
    """

    backend: Backend
    name: str
    unknowns: int
    matrix_entries: int
    solve_one: _SolveOne
    entries: float

    @classmethod
    def build(cls, matrix: sparse.csr_array, setting: Direct, backend: Backend) -> "Factorised":
        """Factorise.  Raises FemtmsError without a library for the device, and where the library fails."""
        library = setting.chosen(backend.name)
        try:
            solve_one, entries = _FACTORISE[library](matrix)
        except Exception as error:  # each library has its own types, for too little memory above all
            raise FemtmsError(
                f"{library} could not factorise {matrix.shape[0]:,} unknowns ({type(error).__name__}: "
                f"{in_one_line(error)}); leave the solver out for multigrid, which needs far less memory"
            ) from error
        return cls(backend, library, matrix.shape[0], matrix.nnz, solve_one, entries)

    def apply(self, b: Any) -> Any:
        """A⁻¹ b for b (n,k), one column at a time.

        Libraries treat blocks in other ways, and a column's bits must not know the block.
        """
        xp = self.backend.xp
        return xp.stack([self.solve_one(xp.ascontiguousarray(column)) for column in b.T], axis=1)

    @property
    def operator_complexity(self) -> float:
        """Entries of the factors over those of the matrix."""
        return self.entries / self.matrix_entries

    @property
    def bytes(self) -> int:
        """Memory of the factors, 12 bytes for an entry."""
        return int(12 * self.entries)

    def __repr__(self) -> str:
        return f"{self.name}: {self.unknowns:,} unknowns, {self.entries:,.0f} entries in the factors"


def _pardiso(matrix: sparse.csr_array) -> tuple[_SolveOne, float]:
    import pypardiso

    upper = sparse.csr_matrix(sparse.triu(matrix, format="csr"))
    solver = pypardiso.PyPardisoSolver(mtype=2)  # symmetric positive definite
    solver.factorize(upper)
    return lambda b: solver.solve(upper, b), float(solver.get_iparm(18))


def _cholmod(matrix: sparse.csr_array) -> tuple[_SolveOne, float]:
    from sksparse.cholmod import cholesky

    factor = cholesky(sparse.csc_matrix(matrix))
    return factor, float(factor.L().nnz)


def _superlu(matrix: sparse.csr_array) -> tuple[_SolveOne, float]:
    from scipy.sparse.linalg import splu

    # for symmetric matrices: order A + Aᵀ, and keep the pivots on the diagonal
    options = {"SymmetricMode": True}
    lu = splu(sparse.csc_array(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return lu.solve, float(lu.nnz)


def _cudss(matrix: sparse.csr_array) -> tuple[_SolveOne, float]:
    from femtms.kernels.cudss import factorise

    return factorise(matrix)


_FACTORISE = {"pardiso": _pardiso, "cholmod": _cholmod, "superlu": _superlu, "cudss": _cudss}
