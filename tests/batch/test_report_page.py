"""The page of a study as HTML: what it says, what it leaves out, how large it is."""

import base64
import re
import tracemalloc

import numpy as np
import pytest
from batch.made_up_study import electrodes, grid, made_up_design, made_up_results

from femtms.batch.columns import FAILED, NOT_DONE
from femtms.batch.report import study_content, summary_of
from femtms.batch.report_numbers import read_numbers
from femtms.batch.report_plots import MOST_PLACES, kept_names, plot_data
from femtms.report.study_page import study_page
from femtms.study.design import StudyPlace
from femtms.study.plan import Plan

NASTY = """<script>document.title='owned'</script><img src=x onerror="document.title='owned'">'& {{7*7}} <b>b</b>"""
PROVENANCE = {
    "femtms": "0.1.0",
    "inputs": {"coils": [{"name": "figure8-70mm", "sha256": "ab" * 32}], "design": {"secret": "is said elsewhere"}},
    "device": "cpu: 2 cores",
    "seeds": "none are used",
    "study_file": {"path": "/data/study.yaml", "sha256": "cd" * 32, "text": "heads: colin27  # & <all>\n"},
}


def content_of(design, out, state=None, path=None):
    numbers = read_numbers(made_up_results(design, state))
    return numbers, study_content(numbers, design, Plan.of(design), PROVENANCE, out, path or out / "report.html")


def page_of(design, out, state=None, path=None):
    return study_page(content_of(design, out, state, path)[1])


def text_of(page):
    """What is read, without the scripts and styles."""
    return re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.S))


def test_it_says_what_the_study_is_and_where_it_is_from(tmp_path):
    text = text_of(page_of(made_up_design(coils=("a", "b"), angles=range(0, 180, 10)), tmp_path))
    assert "1 head × 2 coils × 13 places × 18 angles: 468 cases." in text
    assert "468 of 468 cases done, 0 failed, 0 not done." in text
    assert "0° to 170° in steps of 10°" in text and "/data/sub-01/labels.nii.gz" in text
    assert "ab" * 32 in text and "cpu: 2 cores" in text and "cd" * 32 in text
    assert "heads: colin27  # &amp; &lt;all&gt;" in text and "is said elsewhere" not in text
    assert "not complete" not in text


def test_names_do_nothing(tmp_path):
    design = made_up_design(
        NASTY, heads=(NASTY,), coils=(NASTY, "b"), places=(StudyPlace(NASTY, NASTY), *electrodes(2))
    )
    page = page_of(design, tmp_path)
    assert "<script>document" not in page and "<img src=x" not in page and "{{7*7}}" in page
    assert page.count("<script") == page.count("</script") == 3  # data, plotly, ours


@pytest.mark.parametrize("state", [NOT_DONE, FAILED])
def test_a_study_without_any_result_has_a_page_without_plots(tmp_path, state):
    design = made_up_design()
    page = page_of(design, tmp_path, np.full(design.shape, state))
    assert "not complete" in text_of(page)
    assert "plotly" not in page and len(page) < 50_000


def test_one_case_is_a_table(tmp_path):
    design = made_up_design(places=electrodes(1))
    page = page_of(design, tmp_path)
    assert "1 head × 1 coil: 1 case." in text_of(page)
    assert "plotly" not in page and "E0, 0°, 4 mm" in page


def test_only_dimensions_with_several_names_have_controls_and_plots(tmp_path):
    page = page_of(made_up_design(places=electrodes(3), distances=(2, 4)), tmp_path)
    assert 'id="distance"' in page and 'id="pick-distance"' in page and 'id="map"' in page
    assert 'id="polar"' not in page and 'id="pick-angle"' not in page and 'id="pick-coil"' not in page
    page = page_of(made_up_design(places=electrodes(1), heads=("a", "b")), tmp_path)
    assert 'id="map"' not in page and 'id="boxes-head"' in page and 'id="pick-head"' in page


def test_links_are_relative_and_to_what_there_is(tmp_path):
    out = tmp_path / "the out"
    out.mkdir()
    for name in ("results.csv", "map & more.png"):
        (out / name).write_text("")
    design = made_up_design(places=electrodes(2))
    links = re.compile(r'<li><a href="([^"]*)">')
    assert links.findall(page_of(design, out)) == ["results.csv", "map%20%26%20more.png"]
    assert links.findall(page_of(design, out, path=tmp_path / "pages" / "r.html")) == [
        "../the%20out/results.csv",
        "../the%20out/map%20%26%20more.png",
    ]
    (out / "results.csv").unlink()
    assert links.findall(page_of(design, out)) == ["map%20%26%20more.png"]


def test_the_summary_for_programs_names_the_largest_fields(tmp_path):
    design = made_up_design(coils=("a", "b"), angles=(0, 45))
    numbers, content = content_of(design, tmp_path)
    summary = summary_of(numbers, content)
    assert (summary["cases"], summary["done"], summary["failed"], summary["not_done"]) == (52, 52, 0, 0)
    best = summary["largest"][0]
    assert (best["quantity"], best["coil"], best["place"], best["angle"]) == ("|E| at M1", "a", "C3 (10, 0)", 45.0)
    assert best["V_per_m"] == pytest.approx(float(np.nanmax(numbers.values[0])))


def test_plots_have_the_numbers_of_the_study(tmp_path):
    design = made_up_design(coils=("a", "b"), angles=(0, 45), distances=(2, 4))
    numbers = read_numbers(made_up_results(design))
    data = plot_data(numbers, design.places)
    shape = tuple(len(data["names"][dim]) for dim in data["dims"])
    assert shape == design.shape
    values = np.frombuffer(base64.b64decode(data["values"][1]), "<f4").reshape(shape)
    np.testing.assert_array_equal(values, numbers.values[1])
    assert values[tuple(data["best"][1])] == values.max()
    scalp = np.frombuffer(base64.b64decode(data["map"]["numbers"]), "<i2").reshape(-1, 6)
    np.testing.assert_array_equal(scalp[:, [1, 0]] / 10, [place.offset_mm for place in design.places])
    assert data["map"]["spacing"] == 10


def test_several_heads_have_their_own_maps_unless_it_is_a_grid():
    for places, maps in ((electrodes(4), 2), (grid(10, 10), 1)):
        design = made_up_design(heads=("a", "b"), places=places)
        data = plot_data(read_numbers(made_up_results(design)), design.places)
        assert len(base64.b64decode(data["map"]["numbers"])) == maps * len(places) * 6 * 2


def test_a_study_that_is_too_large_is_thinned_evenly_with_its_best_cases():
    shape = (2, 1, 1, 3, 1000, 18, 1)
    best = (1, 0, 0, 2, 777, 13, 0)
    kept = kept_names(shape, 20_000, 10_000, [best])
    assert all(i in k for i, k in zip(best, kept))
    assert np.prod([len(k) for k in kept]) < 21_000
    assert [len(k) for k in kept[:4]] == [2, 1, 1, 3] and len(kept[5]) == 18  # places are what there is most of
    assert kept[4][0] == 0 and kept[4][-1] == 999 and np.diff(kept[4]).max() <= 6
    kept = kept_names((1, 1, 1, 1, 10**6, 1, 1), 10**7, 10**7, [])
    assert len(kept[4]) == MOST_PLACES
    kept = kept_names((500, 1, 1, 1, 500, 1, 1), 10**6, 10_000, [])
    assert len(kept[0]) * len(kept[4]) <= 10_000
    assert all(len(k) == n for n, k in zip(shape, kept_names(shape, 10**6, 10_000, [best])))


class ManyPlaces:
    """Places that are made when they are asked for."""

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number

    def __getitem__(self, i):
        if not 0 <= i < self.number:
            raise IndexError
        return StudyPlace(f"C3 ({i // 100}, {i % 100})", "C3", None, (0.5 * (i // 100), 0.5 * (i % 100)))


@pytest.mark.parametrize("places, thinned", [(5_600, False), (30_000, True)])
def test_a_large_study_has_a_small_page_in_little_memory(tmp_path, places, thinned):
    design = made_up_design(places=ManyPlaces(places), angles=range(0, 180, 10))
    study = made_up_results(design)
    assert design.cases > 100_000
    tracemalloc.start()
    numbers = read_numbers(study)
    content = study_content(numbers, design, Plan.of(design), PROVENANCE, tmp_path, tmp_path / "report.html")
    page = study_page(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(page.encode()) < 10e6
    assert peak < 100e6
    left = f"of {places:,} places" in content.left_out
    assert left == thinned and ("The plots have" in page) == thinned
