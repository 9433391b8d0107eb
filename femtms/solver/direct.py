"""K = L Lᵀ once, then two triangular solves for each right-hand side: for small heads and many coil positions.

PARDISO (package pypardiso) or CHOLMOD (package scikit-sparse) where installed, SuperLU of scipy otherwise.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from femtms.backend import Backend
from femtms.errors import FemtmsError

_LIBRARIES = {"pardiso": "pypardiso", "cholmod": "sksparse", "superlu": "scipy"}  # name -> module; fastest first


@dataclass(frozen=True)
class Direct:
    """Asks a Simulator to factorise K: `Simulator(mesh, solver=Direct())`.

    library  "pardiso", "cholmod", "superlu"; None for the first of them that is installed

    PARDISO is the one solver here whose last bits may differ from run to run: those of its threads are not in order.
    """

    library: str | None = None

    def __post_init__(self) -> None:
        if self.library is None:
            return
        if self.library not in _LIBRARIES:
            raise FemtmsError(f"library must be one of {', '.join(_LIBRARIES)}; got '{self.library}'")
        if importlib.util.find_spec(_LIBRARIES[self.library]) is None:
            raise FemtmsError(
                f"library '{self.library}' was asked for, but {_LIBRARIES[self.library]} is not installed"
            )

    @property
    def chosen(self) -> str:
        """The library that is used."""
        found = (name for name, module in _LIBRARIES.items() if importlib.util.find_spec(module) is not None)
        return self.library or next(found)


@dataclass(frozen=True, eq=False, repr=False)
class Factorised:
    """The factors of a symmetric positive-definite matrix, and what they cost.

    name     of the library
    apply    maps b (n,k) to A⁻¹ b (n,k), each column by itself
    entries  of the factors
    """

    name: str
    unknowns: int
    matrix_entries: int
    apply: Callable[[np.ndarray], np.ndarray]
    entries: float

    @classmethod
    def build(cls, matrix: sparse.csr_array, setting: Direct, backend: Backend) -> "Factorised":
        """Factorise.  Raises FemtmsError on a GPU, where there is no such solver here."""
        if backend.name != "cpu":
            raise FemtmsError("solver=Direct() works on the CPU; give device='cpu', or leave the solver out")
        apply, entries = _FACTORISE[setting.chosen](matrix)
        return cls(setting.chosen, matrix.shape[0], matrix.nnz, apply, entries)

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


def _columns(solve_one: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """One column at a time: libraries treat blocks in other ways, and a column's bits must not know the block."""
    return lambda b: np.column_stack([solve_one(np.ascontiguousarray(column)) for column in b.T])


def _pardiso(matrix: sparse.csr_array) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    import pypardiso

    upper = sparse.csr_matrix(sparse.triu(matrix, format="csr"))
    solver = pypardiso.PyPardisoSolver(mtype=2)  # symmetric positive definite
    solver.factorize(upper)
    return _columns(lambda b: solver.solve(upper, b)), float(solver.get_iparm(18))


def _cholmod(matrix: sparse.csr_array) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    from sksparse.cholmod import cholesky

    factor = cholesky(sparse.csc_matrix(matrix))
    return _columns(factor), float(factor.L().nnz)


def _superlu(matrix: sparse.csr_array) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    from scipy.sparse.linalg import splu

    # for symmetric matrices: order A + Aᵀ, and keep the pivots on the diagonal
    options = {"SymmetricMode": True}
    lu = splu(sparse.csc_array(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return _columns(lu.solve), float(lu.nnz)


_FACTORISE = {"pardiso": _pardiso, "cholmod": _cholmod, "superlu": _superlu}
