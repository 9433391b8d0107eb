"""A block that ended its workers: which of its cases does?"""

from dataclasses import dataclass

import numpy as np

from femtms.batch.columns import FAILED


@dataclass(frozen=True)
class Piece:
    """Some cases of a block, by their number in it, computed apart from the others."""

    block: int
    cases: tuple[int, ...]

    def halves(self) -> list["Piece"]:
        """Two pieces with half of the cases each."""
        middle = len(self.cases) // 2
        return [Piece(self.block, self.cases[:middle]), Piece(self.block, self.cases[middle:])]


class Rescue:
    """Halves the pieces that end a worker, down to single cases, and puts together what the others gave.

    Half the cases need about half the memory, and one that ends every worker that tries it is found.

    cases, columns  of the block
    """

    def __init__(self, block: int, cases: int, columns: int) -> None:
        self.values = np.full((cases, columns), np.nan)
        self._open = Piece(block, tuple(range(cases))).halves() if cases > 1 else [Piece(block, (0,))]
        self._left = cases

    def take(self) -> list[Piece]:
        """The pieces that are to be computed now."""
        pieces, self._open = self._open, []
        return [piece for piece in pieces if piece.cases]

    def solved(self, piece: Piece, values: np.ndarray) -> None:
        """Values (k, columns) of a piece."""
        self.values[list(piece.cases)] = values
        self._left -= len(piece.cases)

    def ended_its_worker(self, piece: Piece) -> bool:
        """Whether a piece that ended its worker is a single case, which has failed; a larger one is halved."""
        if len(piece.cases) > 1:
            self._open += piece.halves()
            return False
        self.values[piece.cases[0], 0] = FAILED
        self._left -= 1
        return True

    @property
    def complete(self) -> bool:
        """Whether all cases are done or failed."""
        return self._left == 0
