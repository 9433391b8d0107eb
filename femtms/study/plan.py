"""A study in blocks: what is computed, and committed, together."""

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from femtms.study.design import Design

BLOCK_CASES = 64  # at most: two full blocks of the solver; what a kill can cost a worker
_FEWEST = 16  # cases of a block in a small study, which would otherwise keep one worker busy and the others waiting
_PARTS = 8  # of the positions of one head and coil, as far as blocks do not get smaller than that


@dataclass(frozen=True)
class Block:
    """Cases of one head, conductivity, option and coil: a box of positions.

    key         four indices: head, conductivity, option, coil
    places, angles, distances   (start, stop) of each
    """

    index: int
    key: tuple[int, int, int, int]
    places: tuple[int, int]
    angles: tuple[int, int]
    distances: tuple[int, int]

    @property
    def group(self) -> tuple[int, int, int]:
        """Head, conductivity and option: blocks with the same have the same Simulator."""
        return self.key[:3]

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the block is in an array with DIMS."""
        return tuple(slice(i, i + 1) for i in self.key) + tuple(
            slice(*ends) for ends in (self.places, self.angles, self.distances)
        )

    @property
    def positions(self) -> list[tuple[int, int, int]]:
        """Indices of place, angle and distance of each case, the last one fastest."""
        return list(product(range(*self.places), range(*self.angles), range(*self.distances)))

    def __len__(self) -> int:
        return prod(stop - start for start, stop in (self.places, self.angles, self.distances))


@dataclass(frozen=True, eq=False)
class Plan:
    """The blocks of a design, made when asked for: a plan of a million cases takes no more memory than one of ten.

    shape   lengths of DIMS
    chunks  how many places, angles and distances a block has at most
    """

    shape: tuple[int, ...]
    chunks: tuple[int, int, int]

    @classmethod
    def of(cls, design: Design, most: int | None = None) -> "Plan":
        """Blocks of up to `most` cases: all distances and angles of as many places as there is room for.

        most  None for 64, and for less in a small study, so that several workers have something to do
        """
        if most is None:
            most = min(max(prod(design.shape[4:]) // _PARTS, _FEWEST), BLOCK_CASES)
        chunks = []
        for length in reversed(design.shape[4:]):
            chunks.append(min(length, most))
            most //= chunks[-1]
        place, angle, distance = reversed(chunks)
        return cls(design.shape, (place, angle, distance))

    @property
    def grid(self) -> tuple[int, ...]:
        """How many blocks there are along each of DIMS."""
        return self.shape[:4] + tuple(-(-length // chunk) for length, chunk in zip(self.shape[4:], self.chunks))

    def __len__(self) -> int:
        return prod(self.grid)

    def block(self, index: int) -> Block:
        """The block with this number, from 0; those of a group follow each other."""
        head, conductivity, option, coil, *at = (int(i) for i in np.unravel_index(index, self.grid))
        ends = [(i * chunk, min((i + 1) * chunk, length)) for i, chunk, length in zip(at, self.chunks, self.shape[4:])]
        return Block(index, (head, conductivity, option, coil), *ends)

    @property
    def groups(self) -> int:
        """How many combinations of head, conductivity and option."""
        return prod(self.grid[:3])

    def group_of(self, index: int) -> int:
        """The number of the group of a block."""
        return index // prod(self.grid[3:])

    def group_blocks(self, group: int) -> range:
        """The numbers of the blocks of a group, which is numbered like the blocks: the option fastest."""
        size = prod(self.grid[3:])
        return range(group * size, (group + 1) * size)
