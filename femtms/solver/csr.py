"""A sparse matrix on either device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from femtms.backend import Backend
from femtms.errors import FemtmsError


@dataclass(frozen=True, eq=False)
class Csr:
    """Compressed sparse rows: what `kernels.spmm` multiplies with.  Arrays live on one device.

    padding is the number of entries that are zero because the device multiplies faster with them: see `kernels.padded`.
    """

    shape: tuple[int, int]
    indptr: Any
    indices: Any
    data: Any
    padding: int = 0

    @classmethod
    def on(cls, backend: Backend, matrix: sparse.csr_array, dtype: type) -> "Csr":
        """A scipy matrix copied to the device with values of the given type."""
        if matrix.nnz >= 2**31:
            raise FemtmsError(
                f"a matrix must have fewer than 2^31 entries; this one has {matrix.nnz:,}: use a coarser mesh"
            )
        asarray = backend.xp.asarray
        indptr, indices, data = backend.kernels.padded(
            asarray(matrix.indptr, np.int32),
            asarray(matrix.indices, np.int32),
            asarray(matrix.data, dtype),
        )
        return cls(matrix.shape, indptr, indices, data, len(data) - len(matrix.data))

    def single(self) -> "Csr":
        """The same in single precision; the two share where the entries are."""
        return Csr(self.shape, self.indptr, self.indices, self.data.astype(np.float32), self.padding)

    @property
    def entries(self) -> int:
        """Number of entries of the matrix, without the padding."""
        return len(self.data) - self.padding

    @property
    def bytes(self) -> int:
        """Memory of the three arrays."""
        return int(self.indptr.nbytes + self.indices.nbytes + self.data.nbytes)
