"""A study as an xarray Dataset, which reads what is asked for and nothing else."""

import json
import shutil

import dask
import numpy as np
import pytest
import xarray
from studies_for_store import PROVENANCE, design_of, plan_of, values_of

import femtms
from femtms import FemtmsError
from femtms.batch.columns import columns_of
from femtms.batch.store import Store
from femtms.study.design import DIMS

POINTS = 5


@pytest.fixture
def store(tmp_path):
    """All blocks but the last are done."""
    design = design_of(fields=("gm-nodes",))
    store = Store.create(tmp_path / "out", design, plan_of(design), PROVENANCE)
    store.field_group(0, 0, {"gm-nodes": {"points_mm": np.arange(15.0).reshape(5, 3), "nodes": np.arange(5)}})
    for index in range(len(store.plan) - 1):
        block = store.plan.block(index)
        store.commit(block, values_of(design, block), fields_of(block) if block.key[0] == 0 else {})
    return store


def fields_of(block):
    rng = np.random.default_rng(block.index)
    return {"gm-nodes": rng.normal(size=(len(block), POINTS, 3)).astype(np.float32)}


def part(study, column):
    """The part of the Dataset that is a column of the store."""
    where = {"tissue": column.tissue, "target": column.target, "axis": column.axis}
    array = study[column.variable].sel({dim: value for dim, value in where.items() if value is not None})
    return array if column.entry is None else array.isel(row=column.entry[0], column=column.entry[1])


def test_every_column_of_every_case_is_where_its_names_say(store):
    study = femtms.open_study(store.out).load()
    for index in range(len(store.plan)):
        block = store.plan.block(index)
        values = store.values(block)
        for number, column in enumerate(columns_of(store.design.results)):
            array = part(study, column)
            assert array.dims == DIMS
            np.testing.assert_array_equal(array[block.slices].values.ravel(), values[:, number])


def test_coordinates_are_those_of_the_design(store):
    study = femtms.open_study(str(store.out))
    assert study["head"].values.tolist() == ["head 0", "head 1"]
    assert study.place.values.tolist() == [f"place {i}" for i in range(5)]
    assert study.angle.values.tolist() == [0, 15, 30] and study.angle.attrs["units"] == "degrees"
    assert study.distance.values.tolist() == [4, 6.5] and study.distance.attrs["units"] == "mm"
    assert study.place_at.values.tolist() == ["C3"] * 5
    assert study.offset_u.values.tolist() == [0.3 * i for i in range(5)]
    assert study.tissue.values.tolist() == ["gm", "wm"] and study.target.values.tolist() == ["hand"]
    best = study["mean"].sel(tissue="gm", coil="coil 1", place="place 3", angle=15)
    assert best.dims == ("head", "conductivity", "option", "distance")


def test_units_meanings_and_provenance_are_attributes(store):
    study = femtms.open_study(store.out)
    for name, variable in study.data_vars.items():
        assert variable.attrs["units"] and variable.attrs["long_name"], name
    assert study["p99_9"].attrs["units"] == "V/m" and study["focality_50_ml"].attrs["units"] == "mL"
    assert json.loads(study.attrs["provenance"]) == PROVENANCE
    assert "Wagner" in json.loads(study.attrs["conductivity_sources"])["gm"]


def test_what_is_not_done_is_state_0_and_nan(store):
    study = femtms.open_study(store.out)
    block = store.plan.block(len(store.plan) - 1)
    assert (study.state[block.slices] == 0).all() and study["mean"][block.slices].isnull().all()
    assert int((study.state == 0).sum()) == len(block)
    assert set(np.unique(study.state)) == {0, 1, 2}


def test_dataset_of_a_running_study_sees_what_is_committed_later(store):
    study = femtms.open_study(store.out)
    block = store.plan.block(len(store.plan) - 1)
    assert int((study.state == 0).sum()) == len(block)
    store.commit(block, values_of(store.design, block))
    assert int((study.state == 0).sum()) == 0


def test_opening_reads_no_result(store):
    """All chunks of results are damaged: whoever reads one fails."""
    for path in store.out.rglob("c.*"):
        path.write_bytes(b"not a chunk")
    study = femtms.open_study(store.out)
    assert all(dask.is_dask_collection(variable.data) for variable in study.data_vars.values())
    fields = femtms.open_fields(store.out, "head 0")
    assert fields["gm-nodes"].shape == (1, 2, 5, 3, 2, POINTS, 3)
    with pytest.raises(FemtmsError, match=r"values: a chunk cannot be read"):
        study["mean"].isel(place=0, head=0, coil=0).compute()
    with pytest.raises(FemtmsError, match=r"field-0/E: a chunk cannot be read"):
        fields["gm-nodes"][0, 0, 0, 0, 0].compute()


def test_lost_points_of_a_field_are_told_and_not_read_as_zeros(store):
    (store.fields(0, 0).path / "field-0/points_mm/c/0/0").unlink()
    with pytest.raises(FemtmsError, match=r"head-0-option-0: is damaged \('points_mm' .* --check-fields` computes"):
        femtms.open_fields(store.out, "head 0")
    shutil.rmtree(store.fields(0, 0).path / "field-0/points_mm")
    with pytest.raises(FemtmsError, match=r"is damaged \(there is no 'points_mm'\)"):
        femtms.open_fields(store.out, "head 0")


def test_part_that_is_asked_for_is_read_alone(store):
    """The chunks of all other heads and coils are damaged, and those of one can be had."""
    for path in (store.out / "results.zarr/values").glob("c.*"):
        if not path.name.startswith("c.1.0.0.0."):
            path.write_bytes(b"")
    means = femtms.open_study(store.out)["mean"].sel(head="head 1", coil="coil 0", tissue="gm").values.ravel()
    blocks = [store.plan.block(i) for i in range(len(store.plan))]
    expected = [values_of(store.design, block)[:, 15] for block in blocks if block.key == (1, 0, 0, 0)]
    np.testing.assert_array_equal(means, np.concatenate(expected))


def test_best_place_has_a_name(store):
    field = femtms.open_study(store.out)["target_field"].sel(target="hand", head="head 0", coil="coil 1").load()
    best = field.idxmax("place").squeeze()
    for angle, distance in ((0, 4), (30, 6.5)):
        name = best.sel(angle=angle, distance=distance).item()
        here = field.sel(angle=angle, distance=distance).squeeze()
        assert here.sel(place=name) == here.max()


def test_fields_are_those_that_were_committed(store):
    fields = femtms.open_fields(store.out, "head 0", "usual")
    for index in range(len(store.plan) // 2):
        block = store.plan.block(index)
        here = (block.slices[1], *block.slices[3:])
        values = fields["gm-nodes"][here].values.reshape(len(block), POINTS, 3)
        np.testing.assert_array_equal(values, fields_of(block)["gm-nodes"])
    assert fields["gm-nodes_points_mm"].values.tolist() == np.arange(15.0).reshape(5, 3).tolist()
    assert fields["gm-nodes_nodes"].values.tolist() == [0, 1, 2, 3, 4]
    far = fields["gm-nodes"].where(fields["gm-nodes_nodes"] > 2)  # along the same points
    assert (far.isnull().sum(["gm-nodes_point", "axis"]) == 9).all()
    assert fields.sizes["gm-nodes_point"] == POINTS and fields.coil.values.tolist() == ["coil 0", "coil 1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "the head must be one of head 0, head 1; there is no 'nobody'"),
        (("head 0", "fine"), "the option must be one of usual; there is no 'fine'"),
        (("head 1",), "there is no field of head 'head 1' yet"),
    ],
)
def test_fields_that_there_are_not_are_said_in_one_sentence(store, arguments, words):
    with pytest.raises(FemtmsError, match=words):
        femtms.open_fields(store.out, *arguments)


def test_folder_without_a_study_is_said_in_one_sentence(tmp_path):
    with pytest.raises(FemtmsError, match="must be the folder of a study"):
        femtms.open_study(tmp_path)
    design = design_of()
    Store.create(tmp_path / "out", design, plan_of(design), PROVENANCE)
    with pytest.raises(FemtmsError, match="keeps statistics only"):
        femtms.open_fields(tmp_path / "out", "head 0")


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_dataset_can_be_written_and_read_by_others(store, tmp_path):
    """Attributes and names are such that other formats take them, and the store itself is a plain Zarr group."""
    study = femtms.open_study(store.out)
    study.to_zarr(tmp_path / "copy.zarr", consolidated=False)
    copy = xarray.open_zarr(tmp_path / "copy.zarr", consolidated=False)
    xarray.testing.assert_identical(copy["mean"].load(), study["mean"].load())
    plain = xarray.open_zarr(store.out / "results.zarr", consolidated=False)
    assert plain["values"].dims == (*DIMS, "column")
    number = plain.column.values.tolist().index("gm_p99_V_per_m")
    np.testing.assert_array_equal(plain["values"][..., number].values, study["p99"].sel(tissue="gm").values)


def test_tissue_without_an_estimate_has_none(store):
    errors = femtms.open_study(store.out)["estimated_relative_error"]
    assert errors.sel(tissue="wm").isnull().all() and errors.sel(tissue="gm").notnull().any()


def test_million_cases_are_opened_without_a_look_at_each(tmp_path):
    """Graphs grow with what is asked for: 40 pieces here, of 15,625 blocks."""
    design = design_of(places=10_000, angles=50, distances=1, heads=1)
    store = Store.create(tmp_path / "out", design, plan_of(design, 64), PROVENANCE)
    block = store.plan.block(777)
    store.commit(block, values_of(design, block))
    study = femtms.open_study(store.out)
    assert study.sizes["place"] * study.sizes["angle"] * study.sizes["coil"] == 1_000_000
    array = study["mean"].isel(place=slice(*block.places), coil=block.key[3]).sel(tissue="gm")
    values = array.values.ravel()
    np.testing.assert_array_equal(values, values_of(design, block)[:, 15])
