"""Tables of a study's report: best cases, comparisons, failures, times."""

import json
from dataclasses import replace

import numpy as np
import pytest
from batch.made_up_study import electrodes, grid, made_up_design, made_up_results

from femtms.batch.columns import DONE, FAILED, NOT_DONE
from femtms.batch.report_failures import MOST_FAILURES, MOST_REASONS, failure_tables
from femtms.batch.report_journal import SLOWEST, journal_tables
from femtms.batch.report_numbers import read_numbers
from femtms.batch.report_tables import accuracy_table, best_case, comparison_tables, position_name, summary_table
from femtms.study.plan import Plan


def column(table, heading, which=0):
    """The cells below the given heading, the which-th of this name."""
    numbers = [i for i, h in enumerate(table.headings) if h.text == heading]
    return [row[numbers[which]] for row in table.rows]


@pytest.fixture
def design():
    return made_up_design(
        heads=("a", "b"),
        conductivities=("standard", "low skull"),
        coils=("x", "y"),
        places=grid(10, 10),
        angles=(0, 45),
    )


def test_the_best_case_is_the_largest_of_the_whole_and_of_a_part(design):
    numbers = read_numbers(made_up_results(design))
    case = best_case(numbers, 0)
    assert numbers.values[0][case] == np.nanmax(numbers.values[0])
    within = best_case(numbers, 0, (1, 0, 0, 1))
    assert within[:4] == (1, 0, 0, 1)
    assert numbers.values[0][within] == np.nanmax(numbers.values[0][1, 0, 0, 1])
    assert position_name(numbers, within) == "C3 (10, 0), 45°, 4 mm"


def test_nothing_done_has_no_best_case(design):
    numbers = read_numbers(made_up_results(design, np.full(design.shape, NOT_DONE)))
    assert best_case(numbers, 0) is None and position_name(numbers, None) is None
    assert set(column(summary_table(numbers), "largest")) == {None}


def test_the_summary_has_a_row_for_each_combination_and_names_what_differs_only(design):
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, 0, 0] = FAILED
    state[0, 0, 0, 1, 1] = NOT_DONE
    numbers = read_numbers(made_up_results(design, state))
    table = summary_table(numbers)
    assert [h.text for h in table.headings[:3]] == ["head", "conductivity", "coil"]  # there is one option
    assert len(table.rows) == 8
    assert column(table, "done")[:3] == [9, 8, 10] and column(table, "failed")[:2] == [1, 0]
    assert column(table, "of") == [10] * 8
    assert column(table, "|E| at M1, median")[2] == pytest.approx(np.median(numbers.values[0][0, 1, 0, 0]))
    assert column(table, "largest at")[2] == "C3 (10, 0), 45°, 4 mm"


def test_a_tissue_that_no_head_has_is_named_and_does_not_hide_where_the_largest_field_is(design):
    study = made_up_results(replace(design, results=replace(design.results, targets={})))
    study["p99_9"].loc[{"tissue": "gm"}] = np.nan
    table = summary_table(read_numbers(study))
    assert set(column(table, "largest", 0)) == {None} and None not in column(table, "largest", 1)
    assert column(table, "largest at")[2] == "C3 (10, 0), 45°, 4 mm"
    assert table.note.endswith("No case that is done has 99.9th percentile in gm: the heads do not have this tissue.")
    assert "99.9th percentile in wm" in table.headings[-1].meaning


def test_ratios_are_case_by_case(design):
    tables = {table.key: table for table in comparison_tables(read_numbers(made_up_results(design)))}
    assert list(tables) == ["by-head", "by-conductivity", "by-coil"]
    # fields of the second coil are 0.8 of the first at every position; pooled medians would not tell
    assert column(tables["by-coil"], "ratio") == [pytest.approx(1), pytest.approx(0.8)]
    assert column(tables["by-coil"], "5 %")[1] == pytest.approx(0.8, rel=1e-5)
    assert column(tables["by-conductivity"], "95 %")[1] == pytest.approx(1.06, rel=1e-5)
    # the heads have their best direction at other angles
    assert column(tables["by-head"], "5 %")[1] < column(tables["by-head"], "95 %")[1] - 0.01


def test_a_name_without_results_has_no_numbers(design):
    state = np.full(design.shape, DONE)
    state[:, :, :, 0] = FAILED
    rows = comparison_tables(read_numbers(made_up_results(design, state)))[2].rows
    assert rows[0][1:6] == [None] * 5
    assert rows[1][1] is not None and rows[1][3] is None  # there is nothing to compare it to


def test_errors_are_in_percent(design):
    numbers = read_numbers(made_up_results(design))
    table = accuracy_table(numbers)
    assert column(table, "largest")[0] == pytest.approx(100 * numbers.error[0, 0, 0, 0].max())
    assert column(table, "iterations, median") == [12] * 4 + [13] * 4


def failed(design, block, case, reason, stage="solve", **names):
    """A line as the engine writes it."""
    line = {"block": block, "case": case, "stage": stage, "reason": reason, "head": "a", "conductivity": "standard"}
    line |= {"option": "standard", "coil": "x", "place": None, "angle": None, "distance": None}
    return json.loads(json.dumps(line | names))


def at(design, place, angle=0.0):
    return {"place": design.places[place].name, "angle": angle, "distance": 4.0}


def test_failures_are_counted_by_reason_without_numbers(design):
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, :3, 0] = FAILED
    state[1, 1, 0, 1] = FAILED
    numbers, plan = read_numbers(made_up_results(design, state)), Plan.of(design)
    block = next(plan.block(i) for i in range(len(plan)) if plan.block(i).key == (1, 1, 0, 1))
    lines = [
        failed(design, 0, i, f"the coil is {i}.5e-3 mm inside the head", "pose", **at(design, i)) for i in range(3)
    ]
    lines.append(failed(design, block.index, None, "moments must be finite; got nan", "coil", head="b", coil="y",
                        conductivity="low skull"))  # fmt: skip
    tables = failure_tables(numbers, plan, lines)
    assert [(row[0], row[2]) for row in tables.by_reason.rows] == [
        ("moments must be finite; got nan", 10),
        ("the coil is 0.5e-3 mm inside the head", 3),
    ]
    assert [row[4] for row in tables.first.rows] == [p.name for p in design.places[:3]] + ["all"]
    assert tables.first.note == ""


def test_whole_blocks_with_the_same_reason_are_one_row():
    design = made_up_design(places=electrodes(6), angles=range(64))
    numbers, plan = read_numbers(made_up_results(design, np.full(design.shape, FAILED))), Plan(design.shape, (1, 64, 1))
    why = "head 'sub-01': " + "a long reason, " * 20 + "at last"
    lines = [failed(design, i, None, why, "head", head="sub-01", coil="figure8-70mm") for i in range(6)]
    tables = failure_tables(numbers, plan, lines)
    assert column(tables.first, "cases") == [384]
    assert column(tables.by_reason, "reason") == [why]


def test_what_is_told_twice_or_was_done_later_does_not_count(design):
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, 0, 0] = FAILED
    numbers = read_numbers(made_up_results(design, state))
    line = failed(design, 0, 0, "reason", **at(design, 0))
    done = failed(design, 0, 2, "reason", **at(design, 1))
    tables = failure_tables(numbers, Plan.of(design), [line, done, line])
    assert column(tables.by_reason, "cases") == [1] and len(tables.first.rows) == 1


def test_lines_of_another_study_and_odd_ones_are_left_out_and_what_has_no_line_is_told(design):
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, 0, 0] = FAILED
    numbers = read_numbers(made_up_results(design, state))
    odd = [failed(design, 0, 0, "r", **at(design, 0) | {"place": "elsewhere"}), {}, {"block": "x", "head": ["a"]},
           failed(design, 10**9, 0, "r", head=None, place="elsewhere"), {"reason": "r", "head": {"a": 1}}]  # fmt: skip
    tables = failure_tables(numbers, Plan.of(design), odd)
    assert tables.by_reason.rows == [["no reason is recorded", "", 1]]
    assert failure_tables(read_numbers(made_up_results(design)), Plan.of(design), odd) is None


def test_many_failures_and_many_reasons_are_cut_with_their_total():
    design = made_up_design(places=electrodes(4), angles=range(MOST_FAILURES))
    numbers = read_numbers(made_up_results(design, np.full(design.shape, FAILED)))
    lines = [
        failed(design, 0, 0, "reason " + chr(0x4E00 + 2 * a + p), head="sub-01", coil="figure8-70mm", place=place.name,
               angle=float(a), distance=4.0)
        for p, place in enumerate(design.places[:2]) for a in range(MOST_FAILURES)
    ]  # fmt: skip
    tables = failure_tables(numbers, Plan.of(design), lines)
    assert len(tables.first.rows) == MOST_FAILURES
    assert tables.first.note.startswith("These are 200 of 800 failed cases")
    assert len(tables.by_reason.rows) == MOST_REASONS + 2
    assert sum(column(tables.by_reason, "cases")) == 800
    assert column(tables.by_reason, "reason")[0] in ("no reason is recorded", "other reasons")


def test_blocks_are_ranked_by_the_time_of_a_case(design):
    numbers, plan = read_numbers(made_up_results(design)), Plan.of(design)
    seconds = [3.0, 1.0, 9.0, 2.0, 4.0, 8.0, 5.0, 6.0]
    lines = [
        {"event": "done", "block": i, "cases": 10, "seconds": s, "worker": f"w{i % 2}", "device": "cpu"}
        for i, s in enumerate(seconds)
    ]
    lines += [{"event": "begun", "block": 3, "worker": "w9"}, {"event": "done"}, {"event": "done", "block": 99}]
    slowest, workers = journal_tables(numbers, plan, lines)
    assert column(slowest, "time") == sorted(seconds, reverse=True)
    assert slowest.rows[0][:4] == ["a", "low skull", "standard", "x"]  # block 2
    assert slowest.rows[0][4] == f"{design.places[0].name} … {design.places[-1].name}"
    assert workers.rows == [["w0", "cpu", 4, 40, 21.0, 0.525], ["w1", "cpu", 4, 40, 17.0, 0.425]]


def test_only_the_slowest_blocks_are_kept():
    design = made_up_design(places=electrodes(50), angles=range(64))
    numbers, plan = read_numbers(made_up_results(design)), Plan.of(design)
    lines = [{"event": "done", "block": i, "cases": 64, "seconds": i, "worker": "w"} for i in range(50)]
    slowest, _ = journal_tables(numbers, plan, lines)
    assert column(slowest, "time") == [float(s) for s in range(49, 49 - SLOWEST, -1)]


def test_no_journal_has_no_tables(design):
    assert journal_tables(read_numbers(made_up_results(design)), Plan.of(design), []) == []
