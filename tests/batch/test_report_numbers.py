"""What the report reads of a study, and how much of it at once."""

import dask.array as da
import numpy as np
import pytest
from batch.made_up_study import electrodes, grid, made_up_design, made_up_results, poses_of

from femtms.batch import report_numbers
from femtms.batch.columns import DONE, FAILED, NOT_DONE
from femtms.batch.report_numbers import MOST_QUANTITIES, pieces, read_numbers
from femtms.study.design import DIMS


@pytest.fixture
def design():
    return made_up_design(
        heads=("a", "b"), coils=("x", "y"), places=grid(10, 10), angles=(0, 60, 120), distances=(0, 5)
    )


def test_pieces_fill_an_array_once():
    for shape, most in (((2, 1, 3, 5), 7), ((4,), 10), ((3, 2), 1), ((1, 1), 1)):
        count = np.zeros(shape, dtype=int)
        for piece in pieces(shape, most):
            count[piece] += 1
            assert count[piece].size <= most
        assert (count == 1).all()


@pytest.mark.parametrize("most", [1, 7, 50, 10_000])
def test_what_is_read_does_not_depend_on_the_pieces(design, monkeypatch, most):
    study = made_up_results(design)
    monkeypatch.setattr(report_numbers, "PIECE_CASES", most)
    numbers = read_numbers(study)
    assert [q.label for q in numbers.quantities] == [
        "|E| at M1",
        "99.9th percentile in gm",
        "99.9th percentile in wm",
    ]
    np.testing.assert_array_equal(numbers.values[0], study["target_field"].values[..., 0].astype(np.float32))
    np.testing.assert_array_equal(numbers.values[2], study["p99_9"].values[..., 1].astype(np.float32))
    np.testing.assert_array_equal(numbers.state, DONE)
    np.testing.assert_array_equal(numbers.error, study["estimated_relative_error"].values[..., 0].astype(np.float32))
    np.testing.assert_array_equal(numbers.iterations, study["iterations"].values)


def test_no_more_than_a_piece_is_read_at_once(design, monkeypatch):
    study = made_up_results(design)
    read = []

    def counted(block):
        read.append(block.size)
        return block

    for name in study.data_vars:
        dims = study[name].dims
        lazy = da.from_array(study[name].values, chunks=(1, 1, 1, 1, 2, 3, 2, *study[name].shape[7:]))
        study[name] = (dims, lazy.map_blocks(counted, dtype=lazy.dtype, meta=np.empty((0,) * lazy.ndim)))
    monkeypatch.setattr(report_numbers, "PIECE_CASES", 12)
    seen = []
    whole = type(study).compute

    def watched(self, **kwargs):
        part = whole(self, **kwargs)
        seen.append(part["state"].size)
        return part

    monkeypatch.setattr(type(study), "compute", watched)
    read_numbers(study)
    assert max(seen) <= 12 and sum(seen) == design.cases
    assert len(read) > 0


def test_frames_are_those_of_angle_0_whatever_angle_is_known_first(design):
    state = np.full(design.shape, DONE)
    state[..., 0, :] = NOT_DONE  # angle 0
    state[:, :, :, 0] = NOT_DONE  # the first coil
    numbers = read_numbers(made_up_results(design, state))
    poses = poses_of(design)[:, 0, 0]
    for axis in range(3):
        np.testing.assert_allclose(numbers.frames[0, :, axis], poses[:, :, axis], atol=1e-6)
    np.testing.assert_allclose(numbers.frames[1, :, 3], 1e-3 * poses[:, :, 3], atol=1e-7)


def test_a_place_of_which_nothing_is_known_has_no_frame(design):
    state = np.full(design.shape, DONE)
    state[0, :, :, :, 2] = NOT_DONE
    frames = read_numbers(made_up_results(design, state)).frames
    assert np.isnan(frames[0, 2]).all() and np.isfinite(frames[1, 2]).all()
    assert np.isfinite(np.delete(frames[0], 2, axis=0)).all()


def test_states_are_kept_and_numbers_of_other_cases_are_unknown(design):
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, 0] = FAILED
    state[1, 0, 0, 1] = NOT_DONE
    numbers = read_numbers(made_up_results(design, state))
    np.testing.assert_array_equal(numbers.state, state)
    np.testing.assert_array_equal(np.isnan(numbers.values[0]), state != DONE)


def test_the_order_of_dimensions_does_not_matter(design):
    study = made_up_results(design)
    other = study.transpose(*reversed(DIMS), ...)
    np.testing.assert_array_equal(read_numbers(other).values, read_numbers(study).values)


def test_of_many_targets_the_first_are_kept_and_the_others_named():
    design = made_up_design(places=electrodes(2), targets=[f"T{i}" for i in range(10)])
    numbers = read_numbers(made_up_results(design))
    assert len(numbers.quantities) == MOST_QUANTITIES
    assert numbers.left_out == ("|E| at T8", "|E| at T9", "99.9th percentile in gm", "99.9th percentile in wm")


def test_a_study_without_targets_has_the_percentiles():
    numbers = read_numbers(made_up_results(made_up_design(places=electrodes(2), targets=())))
    assert [q.is_target for q in numbers.quantities] == [False, False]
