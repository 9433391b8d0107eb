"""Tables of a study: all cases in a fixed order, in constant memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from studies_for_store import PROVENANCE, design_of, plan_of, values_of

from femtms import FemtmsError
from femtms.batch.store import Store
from femtms.batch.tables import CSV, PARQUET, write_tables
from femtms.study.design import DIMS


def study(out, order=1, done=1.0, most=12, **design):
    """A study whose blocks are done in one order or the other."""
    made = design_of(**design)
    store = Store.create(out, made, plan_of(made, most), PROVENANCE)
    blocks = range(len(store.plan))[: round(done * len(store.plan))]
    for index in list(blocks)[::order]:
        block = store.plan.block(index)
        store.commit(block, values_of(made, block))
    return store


def test_rows_are_the_cases_in_order_with_all_their_numbers(tmp_path):
    store = study(tmp_path / "out", done=0.7)
    write_tables(store)
    design = store.design
    coordinates = [
        [head.name for head in design.heads],
        ["built in"],
        ["usual"],
        [coil.name for coil in design.coils],
        [place.name for place in design.places],
        design.angles,
        design.distances_mm,
    ]
    expected = pd.MultiIndex.from_product(coordinates, names=DIMS).to_frame(index=False)
    for table in (pd.read_parquet(tmp_path / "out" / PARQUET), pd.read_csv(tmp_path / "out" / CSV)):
        pd.testing.assert_frame_equal(table[list(DIMS)], expected, check_dtype=False)
        values = np.concatenate([store.values(store.plan.block(i)) for i in range(len(store.plan))])
        columns = [column.name for column in store.columns]
        assert list(table.columns) == [*DIMS, *columns]
        np.testing.assert_array_equal(table[columns].to_numpy(dtype=float, na_value=np.nan), values)
    assert set(table.state) == {0, 1, 2}


def test_columns_say_their_units_and_meanings(tmp_path):
    store = study(tmp_path / "out", places=1, heads=1, coils=1)
    write_tables(store)
    schema = pq.read_schema(tmp_path / "out" / PARQUET)
    assert schema.field("gm_p99_9_V_per_m").metadata[b"unit"] == b"V/m"
    assert b"percentile" in schema.field("gm_p99_9_V_per_m").metadata[b"meaning"]
    assert schema.field("distance").metadata[b"unit"] == b"mm"
    assert str(schema.field("state").type) == "int8" and str(schema.field("iterations").type) == "int32"


def test_same_results_give_the_same_bytes_whatever_was_done_first(tmp_path):
    one, other = study(tmp_path / "one"), study(tmp_path / "other", order=-1)
    write_tables(one)
    write_tables(other)
    write_tables(other)  # in place of older ones
    for name in (PARQUET, CSV):
        assert (one.out / name).read_bytes() == (other.out / name).read_bytes()


def test_damaged_block_leaves_the_older_tables_as_they_were(tmp_path):
    store = study(tmp_path / "out")
    write_tables(store)
    before = {name: (store.out / name).read_bytes() for name in (PARQUET, CSV)}
    chunk = sorted((store.out / "results.zarr/values").glob("c.*"))[-1]
    chunk.write_bytes(b"nothing")
    with pytest.raises(FemtmsError, match="cannot be read"):
        write_tables(store)
    assert {name: (store.out / name).read_bytes() for name in (PARQUET, CSV)} == before
    assert not list(store.out.glob(".femtms-*"))


MEMORY = """
import resource, sys
from pathlib import Path
from femtms.batch.store import Store
from femtms.batch.tables import write_tables
store = Store.open(Path(sys.argv[1]))
write_tables(store)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_cases(tmp_path):
    """Ten times the cases, 65 MB more of numbers: the peak of the process stays within half of that."""
    pytest.importorskip("resource")
    peaks = []
    for places in (200, 2000):
        out = tmp_path / str(places)
        store = study(out, places=places, angles=50, distances=1, heads=1, done=0, most=64)
        assert store.design.cases == places * 100
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", MEMORY, str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        peaks.append(int(done.stdout))
        assert pq.read_metadata(out / PARQUET).num_rows == store.design.cases
    grown = 1024 * (peaks[1] - peaks[0])
    assert grown < 30e6
    assert 8 * 180_000 * len(store.columns) > 55e6
