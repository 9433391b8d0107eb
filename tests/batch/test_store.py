"""The store of a study: what is committed is there, whole, and what is damaged is found."""

import json
import shutil

import numpy as np
import pytest
from studies_for_store import PROVENANCE, design_of, plan_of, values_of

from femtms import FemtmsError
from femtms.batch.columns import NOT_DONE
from femtms.batch.places import PlaceTable
from femtms.batch.store import RESULTS, STUDY, Store
from femtms.study.design import StudyPlace
from femtms.study.plan import Plan

CHUNKS = f"{RESULTS}/values"


def begun(out, **design):
    made = design_of(**design)
    return Store.create(out, made, plan_of(made), PROVENANCE)


def blocks_of(store):
    return [store.plan.block(index) for index in range(len(store.plan))]


def commit_all(store, fields=None):
    for block in blocks_of(store):
        store.commit(block, values_of(store.design, block), fields and fields(block))


def files_of(store):
    return sorted(path for path in (store.out / CHUNKS).iterdir() if path.name != "zarr.json")


def test_what_was_committed_is_read_again_bit_by_bit(tmp_path):
    commit_all(begun(tmp_path / "out"))
    store = Store.open(tmp_path / "out")
    for block in blocks_of(store):
        assert store.values(block).tobytes() == values_of(store.design, block).tobytes()
    assert store.committed().all() and store.check() == []


def test_blocks_of_every_design_are_rows_in_order(tmp_path):
    """A table is written block by block."""
    for shape in [(7, 3, 2), (3, 5, 1), (2, 30, 3), (1, 4, 40), (40, 1, 1), (5, 13, 2)]:
        plan = Plan((2, 1, 1, 2, *shape), Plan.of(design_of(*shape), 12).chunks)
        at = [(*plan.block(i).key, *position) for i in range(len(plan)) for position in plan.block(i).positions]
        assert at == sorted(at) and len(set(at)) == np.prod(plan.shape)


def test_each_block_is_one_file_that_appears_when_it_is_committed(tmp_path):
    store = begun(tmp_path / "out")
    assert files_of(store) == [] and not store.committed().any()
    block = store.plan.block(5)
    store.commit(block, values_of(store.design, block))
    assert len(files_of(store)) == 1
    assert np.flatnonzero(store.committed()).tolist() == [5]


def test_every_block_is_told_from_the_others_by_its_file(tmp_path):
    store = begun(tmp_path / "out", places=7, angles=13)
    order = np.random.default_rng(3).permutation(len(store.plan))
    for count, index in enumerate(order, 1):
        store.commit(store.plan.block(int(index)), values_of(store.design, store.plan.block(int(index))))
        assert sorted(np.flatnonzero(store.committed())) == sorted(order[:count])


def test_committing_again_changes_no_byte(tmp_path):
    store = begun(tmp_path / "out")
    commit_all(store)
    before = {path.name: path.read_bytes() for path in files_of(store)}
    commit_all(Store.open(store.out))
    assert {path.name: path.read_bytes() for path in files_of(store)} == before


def test_block_whose_numbers_are_all_nan_but_the_state_is_done(tmp_path):
    store = begun(tmp_path / "out")
    block = store.plan.block(0)
    values = np.full((len(block), len(store.columns)), np.nan)
    values[:, 0] = 2
    store.commit(block, values)
    assert store.committed()[0]
    np.testing.assert_array_equal(Store.open(store.out).values(block), values)


def test_block_that_is_not_done_has_no_numbers(tmp_path):
    store = begun(tmp_path / "out")
    values = store.values(store.plan.block(0))
    assert (values[:, 0] == NOT_DONE).all() and np.isnan(values[:, 1:]).all()


@pytest.mark.parametrize("fault", ["shape", "state"])
def test_values_that_cannot_be_of_the_block_are_refused(tmp_path, fault):
    store = begun(tmp_path / "out")
    block = store.plan.block(2)
    values = values_of(store.design, block)
    if fault == "state":
        values[1, 0] = NOT_DONE
    with pytest.raises(FemtmsError, match=rf"values of block 2 must be \({len(block)}, "):
        store.commit(block, values[:-1] if fault == "shape" else values)
    assert not store.committed().any()


# --- damage ------------------------------------------------------------------------------------------------


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path):
    path.write_bytes(b"")


def one_bit_changed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def checksum_changed(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 128
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, emptied, one_bit_changed, checksum_changed])
def test_damaged_block_is_found_and_taken_back_and_only_that(tmp_path, damage):
    store = begun(tmp_path / "out")
    commit_all(store)
    damage(files_of(store)[4])
    with pytest.raises(FemtmsError, match=r"values/c\.[\d.]+: cannot be read"):
        for block in blocks_of(store):
            store.values(block)
    found = store.check()
    assert [damaged.block for damaged in found] == [4] and "cannot be read" in found[0].reason
    assert np.flatnonzero(~store.committed()).tolist() == [4]
    block = store.plan.block(4)
    store.commit(block, values_of(store.design, block))
    assert store.check() == [] and store.values(block).tobytes() == values_of(store.design, block).tobytes()


def test_damaged_block_is_written_over_without_a_check(tmp_path):
    store = begun(tmp_path / "out")
    commit_all(store)
    last = store.plan.block(len(store.plan) - 1)  # smaller than its chunk
    one_bit_changed(files_of(store)[-1])
    store.commit(last, values_of(store.design, last))
    assert store.check() == []


def test_file_of_another_block_with_a_good_checksum_is_found_by_its_states(tmp_path):
    """The last block along the places has fewer cases, so that of another block has cases there is no room for."""
    store = begun(tmp_path / "out")
    commit_all(store)
    small, whole = files_of(store)[2], files_of(store)[0]
    shutil.copy(small, whole)
    found = store.check()
    assert [(damaged.block, damaged.reason) for damaged in found] == [(0, "has cases that are neither done nor failed")]


# --- fields ------------------------------------------------------------------------------------------------

POINTS = 6


def geometry(shift=0.0, points=POINTS):
    grid = np.arange(3.0 * points).reshape(points, 3)
    return {
        "gm-nodes": {"points_mm": grid + shift, "nodes": np.arange(points)},
        "surface a/../b": {"points_mm": grid[:4], "triangles": np.array([[0, 1, 2], [0, 2, 3]])},
    }


def fields_of(block):
    rng = np.random.default_rng(block.index)
    return {
        name: rng.normal(size=(len(block), len(arrays["points_mm"]), 3)).astype(np.float32)
        for name, arrays in geometry().items()
    }


def commit_again(store, found):
    for damaged in found:
        block = store.plan.block(damaged.block)
        store.commit(block, values_of(store.design, block), fields_of(block))


def with_fields(out):
    store = begun(out, fields=("gm-nodes", "surfaces"), surfaces={"a/../b": "/a.gii"})
    for head in range(2):
        store.field_group(head, 0, geometry())
    return store


def test_damaged_or_missing_field_takes_its_block_back(tmp_path):
    store = with_fields(tmp_path / "out")
    commit_all(store, fields_of)
    assert store.check(whole=True) == []
    folder = store.fields(0, 0).path / "field-0" / "E"
    one_bit_changed(folder / "c.0.0.0.1.1.0.0")
    (folder / "c.0.1.4.0.0.0.0").unlink()
    assert store.check() == []  # reads the numbers only
    found = store.check(whole=True)
    assert [damaged.block for damaged in found] == [0, 5]
    assert "field 'gm-nodes' of case 3 cannot be read" in found[0].reason
    assert found[1].reason == "field 'gm-nodes' of case 0 is missing"
    commit_again(store, found)
    assert store.check(whole=True) == []


def lost(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("damage", [cut_off, lost])
@pytest.mark.parametrize("name", ["points_mm/c/0/0", "points_mm/zarr.json", "E/zarr.json", "zarr.json"])
def test_fields_whose_points_are_lost_are_all_taken_back_and_made_anew(tmp_path, name, damage):
    check_fields_made_anew(tmp_path, f"field-0/{name}", damage)


@pytest.mark.parametrize("name", ["zarr.json", "field-1", "field-1/triangles"])
def test_fields_of_which_a_part_is_lost_are_all_taken_back_and_made_anew(tmp_path, name):
    check_fields_made_anew(tmp_path, name, lost)


def check_fields_made_anew(tmp_path, name, damage):
    store = with_fields(tmp_path / "out")
    commit_all(store, fields_of)
    damage(store.fields(0, 0).path / name)
    assert store.check() == []
    found = store.check(whole=True)
    assert {store.plan.block(damaged.block).key[0] for damaged in found} == {0}
    assert len(found) == sum(block.key[0] == 0 for block in blocks_of(store))
    store.field_group(0, 0, geometry())
    commit_again(store, found)
    assert store.check(whole=True) == []


def test_fields_of_some_cases_are_those_of_the_block(tmp_path):
    """A block that ends its workers is done case by case."""
    one, other = with_fields(tmp_path / "one"), with_fields(tmp_path / "other")
    block = one.plan.block(1)
    one.commit(block, values_of(one.design, block), fields_of(block))
    for case in reversed(range(len(block))):
        other.write_fields(block, {name: values[[case]] for name, values in fields_of(block).items()}, [case])
    other.commit(block, values_of(other.design, block))
    assert other.check(whole=True) == []
    files = [sorted(store.fields(0, 0).path.rglob("c.*")) for store in (one, other)]
    assert len(files[0]) == 2 * len(block)
    for mine, theirs in zip(*files, strict=True):
        assert mine.name == theirs.name and mine.read_bytes() == theirs.read_bytes()


def test_second_worker_finds_the_fields_of_the_first(tmp_path):
    store = with_fields(tmp_path / "out")
    store.field_group(0, 0, geometry(shift=1e-6))  # another machine rounds differently
    for other in (geometry(shift=1.0), geometry(points=POINTS + 1)):
        with pytest.raises(FemtmsError, match="mesh of head 'head 0' must be the one whose fields are stored"):
            store.field_group(0, 0, other)


def test_field_that_does_not_fit_is_refused_before_anything_is_committed(tmp_path):
    store = with_fields(tmp_path / "out")
    block = store.plan.block(0)
    wrong = {name: values[:, :-1] for name, values in fields_of(block).items()}
    with pytest.raises(FemtmsError, match=r"field 'gm-nodes' must be \(12, 6, 3\) for 12 cases; got \(12, 5, 3\)"):
        store.commit(block, values_of(store.design, block), wrong)
    with pytest.raises(FemtmsError, match="field 'whole' must have room in the store; that has gm-nodes, surface"):
        store.commit(block, values_of(store.design, block), {"whole": wrong["gm-nodes"]})
    assert not store.committed().any()


# --- beginning and going on --------------------------------------------------------------------------------


def test_study_that_is_there_is_not_begun_again(tmp_path):
    commit_all(begun(tmp_path / "out"))
    with pytest.raises(FemtmsError, match="holds a study already"):
        begun(tmp_path / "out")
    assert Store.open(tmp_path / "out").committed().all()


def test_study_is_replaced_when_that_is_asked_for(tmp_path):
    commit_all(begun(tmp_path / "out"))
    (tmp_path / "out" / "results.csv").write_text("old")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    design = design_of(places=3)
    store = Store.create(tmp_path / "out", design, plan_of(design), PROVENANCE, overwrite=True)
    assert not store.committed().any() and store.design.shape == design.shape
    assert sorted(path.name for path in store.out.iterdir()) == ["notes.txt", RESULTS, STUDY]


@pytest.mark.parametrize("name", ["results.csv", "results.zarr", "study.json"])
def test_files_of_another_origin_are_left_alone(tmp_path, name):
    (tmp_path / "out").mkdir()
    if name.endswith("zarr"):
        (tmp_path / "out" / name).mkdir()
    else:
        (tmp_path / "out" / name).write_text('{"mine": 1}')
    with pytest.raises(FemtmsError, match=name):
        begun(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_study_that_was_killed_as_it_began_is_begun_again(tmp_path):
    store = begun(tmp_path / "out")
    (store.out / STUDY).unlink()
    assert not begun(store.out).committed().any()


@pytest.mark.parametrize("fault", ["nothing", "no study", "no json", "no results", "damaged json", "damaged names"])
def test_folder_that_holds_no_whole_study_is_an_error_in_one_sentence(tmp_path, fault):
    out = tmp_path / "out"
    if fault != "nothing":
        begun(out)
    if fault == "no study":
        (out / STUDY).unlink()
    if fault == "no json":
        (out / STUDY).write_text("{")
    if fault == "no results":
        shutil.rmtree(out / RESULTS)
    if fault == "damaged json":
        content = json.loads((out / STUDY).read_text())
        content["design"]["options"][0]["order"] = "two"
        (out / STUDY).write_text(json.dumps(content))
    if fault == "damaged names":
        one_bit_changed(out / RESULTS / "place" / "c" / "0")
    with pytest.raises(FemtmsError) as caught:
        Store.open(out)
    assert str(out) in str(caught.value) and "\n" not in str(caught.value)
    assert fault != "no results" or not (out / RESULTS).exists()  # to look does not make it


def test_leftovers_of_killed_writers_are_swept_and_results_are_not(tmp_path):
    store = with_fields(tmp_path / "out")
    commit_all(store, fields_of)
    (store.out / "mine.partial").write_text("not of a study")
    kept = sorted(path for path in store.out.rglob("*") if path.is_file())
    (store.out / CHUNKS / f"c.0.0.0.0.0.0.0.0.{'0' * 32}.partial").write_bytes(b"half")
    (store.fields(0, 0).path / "field-0" / "E" / "c.0.0.0.0.0.0.0.1.partial").write_bytes(b"half")
    (store.out / RESULTS / "fields" / ".femtms-abc").mkdir()
    (store.out / RESULTS / "fields" / ".femtms-abc" / "zarr.json").write_text("{}")
    (store.out / ".femtms-tables").mkdir()
    assert store.committed().all()  # they are taken for nothing
    store.tidy()
    assert sorted(path for path in store.out.rglob("*") if path.is_file()) == kept
    assert not list(store.out.rglob(".femtms-*")) and store.check(whole=True) == []


def test_study_goes_on_with_the_files_where_they_are_now(tmp_path):
    store = begun(tmp_path / "out", surfaces={"lh": "/old/lh.gii"})
    moved = design_of(surfaces={"lh": "/new/lh.gii"})
    assert store.continued(moved, PROVENANCE).design.results.surfaces == {"lh": "/new/lh.gii"}
    assert Store.open(store.out).design.results.surfaces == {"lh": "/new/lh.gii"}


def test_study_with_other_inputs_does_not_go_on(tmp_path):
    store = begun(tmp_path / "out")
    other = PROVENANCE | {"inputs": {"places": {"sha256": "1"}}, "femtms": "0.0.9"}
    with pytest.raises(FemtmsError, match=r"places sha256 is 1, there it is 0"):
        store.continued(store.design, other)


def test_places_are_those_that_were_stored(tmp_path):
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[:3, 3] = 0.1, -12.3, 1 / 3
    design = design_of(places=0)
    places = [
        StudyPlace("α", "C3", "CP3"),
        StudyPlace("=1+1", (0.1, 0.2, 1 / 3), None, (0.7, -1e-9)),
        StudyPlace("m", matrix=matrix),
    ]
    object.__setattr__(design, "places", places)
    Store.create(tmp_path / "out", design, plan_of(design), PROVENANCE)
    for place, kept in zip(places, Store.open(tmp_path / "out").design.places, strict=True):
        assert (place.name, place.at, place.towards, place.offset_mm) == (
            kept.name,
            kept.at,
            kept.towards,
            kept.offset_mm,
        )
        assert (kept.matrix is None) == (place.matrix is None)
    assert kept.matrix.tobytes() == matrix.tobytes()


def test_places_that_were_lost_are_not_read_as_zeros(tmp_path):
    store = begun(tmp_path / "out")
    (store.out / RESULTS / "place_offset_mm/c/0/0").unlink()  # all zeros, and yet written
    with pytest.raises(FemtmsError, match=r"is damaged \('place_offset_mm' must have 1 chunks; there are 0"):
        Store.open(store.out)


def test_hash_of_places_sees_every_number(tmp_path):
    places = [StudyPlace("a", "C3", None, (0.0, 1.0)), StudyPlace("b", (1.0, 2.0, 3.0))]
    hashes = {PlaceTable.of(places).sha256}
    for other in [
        [places[1], places[0]],
        [StudyPlace("a", "C3", None, (0.0, np.nextafter(1, 2))), places[1]],
        [places[0], StudyPlace("c", (1.0, 2.0, 3.0))],
        [places[0], StudyPlace("b", (1.0, 2.0, np.nextafter(3, 4)))],
        [places[0], StudyPlace("b", matrix=np.eye(4))],
    ]:
        hashes.add(PlaceTable.of(other).sha256)
    assert len(hashes) == 6
    assert PlaceTable.of(list(places)).sha256 in hashes
