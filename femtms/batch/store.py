"""The results of a study on disk: the store is the truth about what is done."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from femtms.batch.chunks import chunk_file, chunks_there, open_array, read_chunk
from femtms.batch.columns import DONE, FAILED, NOT_DONE, Column, columns_of
from femtms.batch.design_json import design_from_json, design_to_json
from femtms.batch.field_store import FieldStore
from femtms.batch.layout import FIELDS, FORMAT, KIND, VALUES, make_store, read_places
from femtms.batch.places import PlaceTable
from femtms.batch.provenance import study_differences
from femtms.batch.safe_store import PARTIAL, SafeStore
from femtms.errors import FemtmsError, in_one_line
from femtms.io.differences import in_words
from femtms.io.files import (
    check_out,
    errors_name,
    exchange,
    made_folders,
    on_disk,
    remove_abandoned,
    temporary_folder,
    whole_file,
)
from femtms.io.packed import shown
from femtms.io.summary import read_json, write_json
from femtms.study.design import Design, Point
from femtms.study.plan import Block, Plan

STUDY, RESULTS = "study.json", "results.zarr"
NUMBERS_AGAIN = "femtms run --resume"  # what computes a damaged block again
# All that belongs to a study, the last one first when it is taken away and last when it is put there.
FILES = ("study.yaml", "journal", "failures.jsonl", "results.csv", "results.parquet", "report.html", RESULTS, STUDY)
_KEYS = ("format", "design", "plan", "points", "provenance")


@dataclass(frozen=True)
class Damaged:
    """A block whose result was not what had been written, and why; it is not done any more."""

    block: int
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Store:
    """The folder of a study, with the results of its blocks.

    out         the folder: study.json, results.zarr and what others put there
    design      what the study computes
    plan        its blocks
    provenance  of what and with what it was begun, see `provenance_of`
    columns     meaning of the numbers of each case
    group       what is in results.zarr, and its array of the values of all cases

    A block is done when the chunk of `values` that holds its numbers is there: one file, which appears whole.  So many
    processes may commit at once, and one that is killed leaves no half of a block.
    """

    out: Path
    design: Design
    plan: Plan
    provenance: Mapping[str, Any]
    columns: tuple[Column, ...]
    group: zarr.Group
    array: zarr.Array

    @classmethod
    def create(
        cls, out: Path, design: Design, plan: Plan, provenance: Mapping[str, Any], overwrite: bool = False
    ) -> "Store":
        """Begin a study in a folder, which is made where it is missing.

        overwrite  replace a study that is there, with all its results

        Raises FemtmsError when there is a study already, or something of another origin has the name of its files.
        """
        out = Path(out)
        check_out(out, (STUDY,), overwrite=True)
        with made_folders(out):
            _check_free(out, overwrite)
            with errors_name(out), temporary_folder(out) as folder, errors_name(out):
                places = PlaceTable.of(design.places)
                make_store(folder / RESULTS, design, places, plan, columns_of(design.results), dict(provenance))
                _write_study(folder / STUDY, design, places, plan, provenance)
                exchange(folder, out, FILES)
                on_disk(out)
        return cls.open(out)

    @classmethod
    def open(cls, out: Path) -> "Store":
        """The study of a folder.  Raises FemtmsError when there is none, or it is damaged."""
        out = Path(out)
        if not (out / STUDY).is_file():
            raise FemtmsError(f"{out}: must be the folder of a study; there is no {STUDY} in it")
        study = read_json(out / STUDY, _KEYS, "the file of a study")
        if study["format"] != FORMAT:
            raise FemtmsError(f"{out / STUDY}: its format must be {FORMAT}; it is {shown(study['format'])}")
        if not isinstance(study["provenance"], dict):
            raise FemtmsError(f"{out / STUDY}: is damaged (the provenance is {shown(study['provenance'])})")
        group = _opened(out / RESULTS)
        try:
            points = tuple(map(_point, study["points"]))
            places = read_places(group, points)
            if max(places.at.max(initial=-1), places.towards.max(initial=-1)) >= len(points):
                raise FemtmsError(f"there are {len(points):,} points, and places name others")
            design = design_from_json(study["design"], places)
            plan = Plan(tuple(study["plan"]["shape"]), tuple(study["plan"]["chunks"]))
            columns = columns_of(design.results)
            array = open_array(group, VALUES)
            same = array.shape == (*plan.shape, len(columns)) == (*design.shape, len(columns))
            same &= array.chunks == (1, 1, 1, 1, *plan.chunks, len(columns))
        except PermissionError:
            raise  # that says nothing about what is in the files
        except Exception as error:  # of many kinds: any JSON may stand there
            raise FemtmsError(f"{out}: {STUDY} or {RESULTS} is damaged ({in_one_line(error, 200)})") from error
        if not same:
            raise FemtmsError(f"{out}: {STUDY} and {RESULTS} must be of one study; {design.shape} is no {array.shape}")
        return cls(out, design, plan, study["provenance"], columns, group, array)

    def continued(self, design: Design, provenance: Mapping[str, Any]) -> "Store":
        """The same study with the files where they are now.

        Raises FemtmsError, which says how they differ, when the design or an input is not the one it was begun with.
        """
        found = study_differences(self.provenance, provenance)
        if found:
            raise FemtmsError(
                f"{self.out}: a study with other inputs was begun there: {in_words(found)}; "
                "choose another folder or use --overwrite"
            )
        places = PlaceTable.of(design.places)
        if (design_to_json(design), places.sha256) != (
            design_to_json(self.design),
            PlaceTable.of(self.design.places).sha256,
        ):
            _write_study(self.out / STUDY, design, places, self.plan, self.provenance)
        return Store.open(self.out)

    # --- values ------------------------------------------------------------------------------------------------

    def committed(self) -> np.ndarray:
        """Which blocks are done, bool (blocks,): those whose file is there."""
        return chunks_there(self.out / RESULTS / VALUES, (*self.plan.grid, 1)).ravel()

    def is_committed(self, index: int) -> bool:
        """Whether one block is done."""
        return self._file(self.plan.block(index)).exists()

    def commit(self, block: Block, values: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> None:
        """Write the results of a block, after its fields; when this returns they are on the disk.

        values  (cases, columns); the state of each case is done or failed
        fields  name -> (cases, points, 3) float32, V/m

        To commit a block again changes nothing, whoever else does it at the same time.
        Raises FemtmsError for other shapes and states, OSError when the disk does not take it: then it is not done.
        """
        values = np.asarray(values, dtype=np.float64)
        must = (len(block), len(self.columns))
        if values.shape != must or not np.isin(values[:, 0], (DONE, FAILED)).all():
            raise FemtmsError(f"values of block {block.index} must be {must}, each case done or failed")
        self.write_fields(block, fields or {})
        self.array[block.slices] = values.reshape(*_lengths(block), -1)

    def values(self, block: Block) -> np.ndarray:
        """The numbers (cases, columns) of a block; NaN and not done where it is not committed.

        Raises FemtmsError where the file is damaged.
        """
        try:
            values = self._read(block)
        except FemtmsError as error:
            raise FemtmsError(f"{self._file(block)}: {error}; `{NUMBERS_AGAIN}` computes it again") from error
        values[np.isnan(values[:, 0]), 0] = NOT_DONE
        return values

    def states(self) -> np.ndarray:
        """Of all cases, an array with DIMS: not done, done or failed.  Raises FemtmsError where a file is damaged."""
        states = np.zeros(self.plan.shape, dtype=np.int8)
        for index in np.flatnonzero(self.committed()):
            block = self.plan.block(int(index))
            states[block.slices] = self.values(block)[:, 0].reshape(_lengths(block))
        return states

    def _read(self, block: Block) -> np.ndarray:
        return read_chunk(self.array, block.slices).reshape(len(block), -1)

    def _file(self, block: Block) -> Path:
        at = np.unravel_index(block.index, self.plan.grid)
        return chunk_file(self.out / RESULTS / VALUES, (*map(int, at), 0))

    # --- fields ------------------------------------------------------------------------------------------------

    def field_group(self, head: int, option: int, geometry: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Make room for the fields of a head and an option; where that is done already, check that it is the same.

        geometry  field -> arrays that say where it is: "points_mm" (p,3), one for each E, and what else describes it,
                  such as "triangles" (f,3); {} for a study without fields

        Raises FemtmsError when another worker's mesh is another one.
        """
        if geometry:
            self.fields(head, option).make(geometry)

    def write_fields(self, block: Block, fields: Mapping[str, np.ndarray], cases: Sequence[int] | None = None) -> None:
        """Write fields of a block that is not committed yet.

        fields  name -> (k, points, 3) float32, V/m
        cases   numbers of the k cases in the block; None for all
        """
        if fields:
            self.fields(block.key[0], block.key[2]).write(block, fields, cases)

    def fields(self, head: int, option: int) -> FieldStore:
        """The fields of a head and an option."""
        return FieldStore(self.out / RESULTS / FIELDS, self.design, head, option)

    # --- what went wrong ---------------------------------------------------------------------------------------

    def check(self, whole: bool = False) -> list[Damaged]:
        """Read all blocks that are done, and take back those that are damaged: they are not done any more.

        whole  read the fields of each case as well, and where they are
        """
        groups = {}  # of the fields that are to be read
        if whole and self.design.results.fields:
            for at in np.ndindex(len(self.design.heads), len(self.design.options)):
                groups[at] = self.fields(*at).readable_groups()
        found = []
        for index in np.flatnonzero(self.committed()):
            block = self.plan.block(int(index))
            reason = self._damage(block, groups.get((block.key[0], block.key[2])))
            if reason is not None:
                self._file(block).unlink(missing_ok=True)
                found.append(Damaged(block.index, reason))
        if found:
            on_disk(self.out / RESULTS / VALUES)
        return found

    def _damage(self, block: Block, groups: Mapping[str, zarr.Group] | None) -> str | None:
        try:
            states = self._read(block)[:, 0]
            if not np.isin(states, (DONE, FAILED)).all():
                return "has cases that are neither done nor failed"
            if groups is not None:
                done = np.flatnonzero(states == DONE).tolist()
                self.fields(block.key[0], block.key[2]).check(block, done, groups)
        except FemtmsError as error:
            return str(error)
        return None

    def tidy(self) -> None:
        """Take away what killed writers left; only while nobody else writes."""
        for parent in (self.out, self.out / RESULTS / FIELDS):
            remove_abandoned(parent)
        for path in (self.out / RESULTS).rglob(f"*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def __repr__(self) -> str:
        done = int(self.committed().sum())
        return f"Store({self.out}: {self.design.cases:,} cases, {done:,} of {len(self.plan):,} blocks done)"


def _point(value: Any) -> Point:
    """Of study.json: the name of an electrode, or x, y, z in mm.  Raises an error of some kind for anything else."""
    if isinstance(value, str):
        return value
    x, y, z = map(float, value)
    return x, y, z


def _lengths(block: Block) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in block.slices)


def _write_study(path: Path, design: Design, places: PlaceTable, plan: Plan, provenance: Mapping[str, Any]) -> None:
    content = {
        "format": FORMAT,
        "design": design_to_json(design),
        "points": [p if isinstance(p, str) else list(p) for p in places.points],
        "plan": {"shape": list(plan.shape), "chunks": list(plan.chunks)},
        "provenance": dict(provenance),
    }
    with whole_file(path, overwrite=True) as temporary:
        write_json(temporary, content)
        on_disk(temporary)
    on_disk(path.parent)


def _opened(path: Path) -> zarr.Group:
    if not path.is_dir():
        raise FemtmsError(f"{path}: must be the results of the study; there is no such folder")
    try:
        return zarr.open_group(SafeStore(path), mode="r+", zarr_format=3, use_consolidated=False)
    except PermissionError:
        raise
    except Exception as error:  # of many kinds: any JSON may stand there
        raise FemtmsError(f"{path}: cannot be read ({in_one_line(error, 200)})") from error


def _check_free(out: Path, overwrite: bool) -> None:
    """Raise FemtmsError when something is in the way of a new study."""
    if (out / STUDY).exists():
        if "design" not in read_json(out / STUDY, (), ""):
            raise FemtmsError(f"{out / STUDY}: is not of a study; choose another folder")
        if not overwrite:
            raise FemtmsError(f"{out}: holds a study already; use --resume to go on with it, or --overwrite")
        return
    if (out / RESULTS).exists():  # of a study that was killed as it began, or of somebody else
        if not _is_ours(out / RESULTS):
            raise FemtmsError(f"{out / RESULTS}: is not of a study that was begun here; choose another folder")
    elif not overwrite:
        present = [name for name in FILES if os.path.lexists(out / name)]
        if present:
            raise FemtmsError(f"{out}: has {', '.join(present)} already; choose another folder or use --overwrite")


def _is_ours(path: Path) -> bool:
    """Whether this is a store of ours without results."""
    try:
        attributes = read_json(path / "zarr.json", ("attributes",), "the results of a study")["attributes"]
    except (OSError, FemtmsError):
        return False
    kind = attributes.get("kind") if isinstance(attributes, dict) else None
    return (
        kind == KIND
        and (path / VALUES).is_dir()
        and not any(name.name.startswith("c.") for name in (path / VALUES).iterdir())
    )
