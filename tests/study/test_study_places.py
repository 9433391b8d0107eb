"""Places: made when asked for, each with its name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from femtms.study.plan import Plan


def test_points_and_electrodes(study):
    places = study("places: [C3, [-65, -12.5, 64], {name: hotspot, at: [1, 2, 3], towards: Cz}]", "towards: FCz").places
    assert [p.name for p in places] == ["C3", "(-65, -12.5, 64)", "hotspot"]
    assert [p.towards for p in places] == ["FCz", "FCz", "Cz"]
    assert places[1].at == (-65.0, -12.5, 64.0)


def test_three_numbers_are_one_place(study):
    (place,) = study("places: [-65, -12, 64]").places
    assert place.at == (-65.0, -12.0, 64.0)


def test_grid_is_a_disc_about_its_place(study):
    places = study("places: [C3, {around: C3, radius_mm: 20, spacing_mm: 10}]").places
    grid = list(places)[1:]
    offsets = np.array([p.offset_mm for p in grid])
    assert len(grid) == 13 and len({tuple(o) for o in offsets.tolist()}) == 13
    assert (np.hypot(*offsets.T) <= 20).all() and {p.at for p in grid} == {"C3"}
    assert {"C3", "C3 (10, -10)", "C3 (0, 0)", "C3 (-20, 0)"} <= {p.name for p in places}
    expected = {(10.0 * i, 10.0 * j) for i in range(-2, 3) for j in range(-2, 3) if i * i + j * j <= 4}
    assert {tuple(o) for o in offsets.tolist()} == expected


def test_spacing_that_fits_the_radius_reaches_it(study):
    """0.1 three times is 0.30000000000000004, which is not beyond 0.3."""
    names = [p.name for p in study("places: {around: C3, radius_mm: 0.3, spacing_mm: 0.1}").places]
    assert "C3 (0.3, 0)" in names and "C3 (-0.3, 0)" in names


def test_grid_of_radius_0_is_its_place(study):
    (place,) = study("places: {around: [1, 2, 3], radius_mm: 0, spacing_mm: 5}").places
    assert place.name == "(1, 2, 3) (0, 0)" and place.offset_mm == (0.0, 0.0)


def test_matrices_are_places(study, folder):
    places = study("places: [C3, {poses: poses.npy}, {poses: poses.npy, name: again}]").places
    assert [p.name for p in places] == ["C3", *(f"poses {i}" for i in range(5)), *(f"again {i}" for i in range(5))]
    assert np.array_equal(places[3].matrix, np.diag([1.0, -1, -1, 1]))
    assert places[0].matrix is None


def test_places_are_a_sequence(study):
    places = study("places: [C3, C4, {around: Cz, radius_mm: 10, spacing_mm: 10}, Oz]").places
    assert len(places) == 8 and places[-1].name == "Oz"
    assert [p.name for p in places[1:3]] == [places[1].name, places[2].name] == ["C4", "Cz (-10, 0)"]
    with pytest.raises(IndexError):
        places[8]


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peaks of Linux")

# The peak is not that of getrusage, which a process inherits from the one that started it.
PEAK = """
import sys
from pathlib import Path
from femtms import read_study
from femtms.batch.columns import columns_of
from femtms.study.plan import Plan
from femtms.study.summary import study_summary
design = read_study(sys.argv[1])
plan = Plan.of(design)
cases = sum(len(plan.block(i)) for i in range(len(plan)))
study_summary(design, len(columns_of(design.results)))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(design.cases, cases, int(peak.split()[1]) / 1024)
"""


@needs_proc
@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_100000_cases_are_planned_in_less_than_200_mb(suffix, folder):
    matrices = np.tile(np.diag([1.0, -1, -1, 1]), (100_000, 1, 1))
    matrices[:, :3, 3] = np.arange(300_000).reshape(-1, 3) / 7
    if suffix == ".npy":
        np.save(folder / "many.npy", matrices)
    else:
        np.savetxt(folder / "many.csv", matrices.reshape(-1, 16), delimiter=",", fmt="%.6f")
    assert _planned(folder, f"places: {{poses: many{suffix}}}") < 200


@needs_proc
def test_a_million_cases_of_grids_take_no_more(folder):
    text = "places: {around: C3, radius_mm: 36, spacing_mm: 0.64}\nangles: {from: 0, to: 99, step: 1}"
    assert _planned(folder, text, at_least=950_000) < 200


def _planned(folder, text, at_least=100_000):
    """Peak MB of a process that plans a study, counts its blocks' cases and sums it up."""
    (folder / "many.yaml").write_text(f"heads: colin27\ncoils: figure8-70mm\n{text}\n")
    done = subprocess.run(
        [sys.executable, "-c", PEAK, folder / "many.yaml"], capture_output=True, text=True, check=True
    )
    cases, planned, peak_mb = done.stdout.split()
    assert int(cases) == int(planned) >= at_least
    return float(peak_mb)


def test_blocks_of_a_study_hold_each_case_once(study):
    design = study("places: {around: C3, radius_mm: 30, spacing_mm: 10}", "angles: [0, 45, 90]", "distances_mm: [2, 4]")
    plan, seen = Plan.of(design), np.zeros(design.shape, int)
    for i in range(len(plan)):
        seen[plan.block(i).slices] += 1
    assert (seen == 1).all()
