"""Results of a study as tables: results.parquet and results.csv."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from femtms.batch.columns import NOT_DONE, Column
from femtms.batch.places import PlaceTable
from femtms.batch.store import Store
from femtms.io.files import on_disk, whole_folder
from femtms.study.design import DIMS
from femtms.study.plan import Block

PARQUET, CSV = "results.parquet", "results.csv"
_ROWS = 16_384  # at a time, about: some MB
_WHOLE = {"state": pa.int8(), "iterations": pa.int32()}  # columns of whole numbers
_DIM_UNITS = {"angle": "degrees", "distance": "mm"}


def write_tables(store: Store) -> None:
    """Write results.parquet and results.csv, together or not at all, in place of older ones.

    One row for each case, in the order of DIMS with the last one fastest: the names, then the columns of the store;
    empty where there is no number.  The same results give the same bytes, in the same memory however many there are.
    Raises FemtmsError when a block is damaged.
    """
    schema = _schema(store.columns)
    options = csv.WriteOptions(quoting_style="needed")
    with whole_folder(store.out, (PARQUET, CSV), overwrite=True) as folder:
        with (
            parquet.ParquetWriter(folder / PARQUET, schema, compression="zstd") as as_parquet,
            csv.CSVWriter(folder / CSV, schema, write_options=options) as as_csv,
        ):
            for rows in _batches(store, schema):
                as_parquet.write_batch(rows)
                as_csv.write_batch(rows)
        for name in (PARQUET, CSV):
            on_disk(folder / name)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    fields = [
        pa.field(dim, pa.float64() if dim in _DIM_UNITS else pa.string(), metadata=_metadata(_DIM_UNITS.get(dim, "")))
        for dim in DIMS
    ]
    fields += [
        pa.field(column.name, _WHOLE.get(column.name, pa.float64()), metadata=_metadata(column.unit, column.meaning))
        for column in columns
    ]
    return pa.schema(fields)


def _metadata(unit: str, meaning: str = "") -> dict[str, str]:
    return {key: text for key, text in (("unit", unit), ("meaning", meaning)) if text}


def _batches(store: Store, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows, some blocks at a time; blocks follow each other as rows do, since each is whole in its last dims."""
    committed = store.committed()
    places = PlaceTable.of(store.design.places)
    kept: list[tuple[Block, np.ndarray]] = []
    rows = 0
    for index in range(len(store.plan)):
        block = store.plan.block(index)
        kept.append((block, store.values(block) if committed[index] else _not_done(block, store)))
        rows += len(block)
        if rows >= _ROWS or index == len(store.plan) - 1:
            yield _batch(store, places, kept, schema)
            kept, rows = [], 0


def _not_done(block: Block, store: Store) -> np.ndarray:
    values = np.full((len(block), len(store.columns)), np.nan)
    values[:, 0] = NOT_DONE
    return values


def _batch(
    store: Store, places: PlaceTable, kept: Sequence[tuple[Block, np.ndarray]], schema: pa.Schema
) -> pa.RecordBatch:
    design = store.design
    at = np.concatenate([_cases(block) for block, _ in kept])
    values = np.concatenate([numbers for _, numbers in kept])
    names = [
        [head.name for head in design.heads],
        [conductivity.name for conductivity in design.conductivities],
        [option.name for option in design.options],
        [coil.name for coil in design.coils],
    ]
    arrays = [pa.array(np.array(of_dim, dtype=object)[at[:, dim]]) for dim, of_dim in enumerate(names)]
    arrays.append(pa.array([str(name) for name in places.names[at[:, 4]]]))
    arrays.append(pa.array(np.array(design.angles, dtype=float)[at[:, 5]]))
    arrays.append(pa.array(np.array(design.distances_mm, dtype=float)[at[:, 6]]))
    for number, column in enumerate(store.columns):
        kind = _WHOLE.get(column.name, pa.float64())
        arrays.append(pa.array(values[:, number], from_pandas=True).cast(kind))  # NaN: there is no number
    return pa.record_batch(arrays, schema=schema)


def _cases(block: Block) -> np.ndarray:
    """Indices (cases, 7) along DIMS of each case of a block."""
    positions = np.array(block.positions, dtype=np.int64).reshape(-1, 3)
    return np.column_stack([np.tile(block.key, (len(block), 1)), positions])
