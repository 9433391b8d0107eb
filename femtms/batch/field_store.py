"""E of the cases of one head and one option, each in a file of its own."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from femtms.batch.chunks import chunk_file, create_array, open_array, read_array, read_chunk, whole_array, write_array
from femtms.batch.safe_store import SafeStore
from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import on_disk, temporary_folder
from femtms.study.design import POSITION_DIMS, Design
from femtms.study.plan import Block

E, POINTS = "E", "points_mm"
_HELD = "fields"  # attribute: field -> names of the arrays that say where it is
FIELDS_AGAIN = "femtms run --resume --check-fields"  # what computes a damaged one again
_AT_ONCE = 8  # cases: most of the time is waiting for the disk
_SAME_MM = 1e-3  # what two machines may make of one mesh


@dataclass(frozen=True, eq=False)
class FieldStore:
    """A group `head-I-option-J` with a group for each field.

    Each has E (conductivity, coil, place, angle, distance, point, axis) in V/m, float32, one chunk for each case, and
    the arrays that say where it is.  Names of the user's are attributes, since they may have any character.
    """

    folder: Path
    design: Design
    head: int
    option: int

    @property
    def path(self) -> Path:
        """Where the group is, or will be."""
        return self.folder / f"head-{self.head}-option-{self.option}"

    def make(self, geometry: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Make the group, whole or not at all; see `Store.field_group`."""
        if not self.path.exists():
            with temporary_folder(self.folder) as temporary:
                try:
                    self._fill(zarr.create_group(SafeStore(temporary), attributes=self._names(geometry)), geometry)
                    temporary.chmod(self.folder.stat().st_mode)
                    os.rename(temporary, self.path)
                    on_disk(self.folder)
                except OSError:
                    if not self.path.exists():  # otherwise another worker was quicker
                        raise
        self._check_same(geometry)

    def _names(self, geometry: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
        head, option = self.design.heads[self.head].name, self.design.options[self.option].name
        return {"head": head, "option": option, _HELD: {name: list(arrays) for name, arrays in geometry.items()}}

    def _fill(self, group: zarr.Group, geometry: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        design = self.design
        shape = (len(design.conductivities), len(design.coils), *design.shape[4:])
        for number, (name, arrays) in enumerate(geometry.items()):
            points = len(arrays[POINTS])
            own = group.create_group(f"field-{number}", attributes={"field": name})
            for key, array in arrays.items():
                write_array(own, key, np.asarray(array))
            create_array(
                own,
                E,
                (*shape, points, 3),
                (*(1 for _ in shape), points, 3),
                ("conductivity", "coil", *POSITION_DIMS, "point", "axis"),
                "float32",
                {"units": "V/m", "long_name": "induced electric field", "field": name},
            )

    def _check_same(self, geometry: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        groups = self.groups()
        for name, arrays in geometry.items():
            there = read_array(groups[name], POINTS) if name in groups else np.empty((0, 3))
            here = np.asarray(arrays[POINTS])
            if there.shape != here.shape or not np.allclose(there, here, rtol=0, atol=_SAME_MM, equal_nan=True):
                raise FemtmsError(
                    f"the mesh of head '{self.design.heads[self.head].name}' must be the one whose fields are stored: "
                    f"'{name}' has {len(here):,} points here and {len(there):,} there, and they must be the same"
                )

    def groups(self) -> dict[str, zarr.Group]:
        """Field -> its group; {} before a worker made it.  Raises FemtmsError when anything but an E has been lost."""
        if not self.path.exists():
            return {}
        try:
            group = zarr.open_group(SafeStore(self.path), mode="r+", zarr_format=3, use_consolidated=False)
            fields: Any = group.attrs[_HELD]
            return {
                name: _whole_field(group, f"field-{number}", arrays)
                for number, (name, arrays) in enumerate(fields.items())
            }
        except PermissionError:
            raise  # that says nothing about what is in the files
        except Exception as error:  # of many kinds: any JSON may stand there
            reason = f"there is no {error}" if isinstance(error, KeyError) else in_one_line(error)
            raise FemtmsError(
                f"{self.path}: is damaged ({reason}); `{FIELDS_AGAIN}` computes its fields again"
            ) from error

    def write(self, block: Block, fields: Mapping[str, np.ndarray], cases: Sequence[int] | None) -> None:
        """Write E of a block, or of some of its cases; see `Store.write_fields`."""
        groups = self.groups()
        numbers = range(len(block)) if cases is None else cases
        for name, values in fields.items():
            if name not in groups:
                raise FemtmsError(f"field '{name}' must have room in the store; that has {', '.join(groups) or 'none'}")
            array = open_array(groups[name], E)
            must = (len(numbers), *array.shape[-2:])
            if values.shape != must:
                raise FemtmsError(f"field '{name}' must be {must} for {len(numbers)} cases; got {values.shape}")
            # case by case, not in one assignment: Zarr would go on writing behind our back when one of them fails
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(partial(_write_case, array, block), numbers, values))

    def readable_groups(self) -> dict[str, zarr.Group]:
        """As `groups`; {} where it cannot be read what the points are: the fields are of no use then, and removed."""
        try:
            groups = self.groups()
            for group in groups.values():
                for name, _ in group.arrays():
                    if name != E:
                        read_array(group, name)
        except FemtmsError:
            shutil.rmtree(self.path)
            return {}
        return groups

    def check(self, block: Block, cases: Sequence[int], groups: Mapping[str, zarr.Group]) -> None:
        """Raise FemtmsError when a field of one of these cases is missing or damaged; the file of that is removed.

        groups  what `readable_groups` gave: once for all blocks
        """
        for name, group in groups.items():
            array = open_array(group, E)
            for case in cases:
                at = _at(block, case)
                file = chunk_file(self.path / group.basename / E, (*at, 0, 0))
                if not file.is_file():
                    raise FemtmsError(f"field '{name}' of case {case} is missing")
                try:
                    read_chunk(array, at)
                except FemtmsError as error:
                    file.unlink(missing_ok=True)
                    raise FemtmsError(f"field '{name}' of case {case} {error}") from error
        if not groups and len(cases):
            raise FemtmsError("its fields are missing")


def _whole_field(group: zarr.Group, name: str, arrays: Iterable[str]) -> zarr.Group:
    """The group of a field, with E and all of these arrays in it."""
    own = group[name]
    assert isinstance(own, zarr.Group)
    open_array(own, E)
    for key in arrays:
        whole_array(own, key)
    return own


def _write_case(array: zarr.Array, block: Block, case: int, values: np.ndarray) -> None:
    array[_at(block, case)] = values.astype(np.float32, copy=False)


def _at(block: Block, case: int) -> tuple[int, ...]:
    """Where a case of a block is in E."""
    return (block.key[1], block.key[3], *block.positions[case])
