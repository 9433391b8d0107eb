"""The report of a study in a real browser: it opens from a file, without a network, and works."""

import time

import numpy as np
import pytest
from batch.made_up_study import electrodes, grid, made_up_design, made_up_results
from browser import NASTY, needs_browser, opened, wait_for
from browser import check_quiet as check_logs

from femtms.batch.columns import DONE, FAILED, NOT_DONE
from femtms.batch.report import study_content
from femtms.batch.report_numbers import read_numbers
from femtms.report.study_page import study_page
from femtms.study.plan import Plan

pytestmark = needs_browser


def written(folder, design, state=None):
    path = folder / "report.html"
    numbers = read_numbers(made_up_results(design, state))
    path.write_text(study_page(study_content(numbers, design, Plan.of(design), {}, folder, path)), encoding="utf-8")
    return path


def check_quiet(driver):
    """No errors, and nothing asked for but the page itself."""
    check_logs(driver.get_log("browser"), driver.get_log("performance"))


def choose(page, select, value):
    page.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];s.dispatchEvent(new Event('change'))",
        select,
        value,
    )


def count(page, selector):
    return page.execute_script("return document.querySelectorAll(arguments[0]).length", selector)


@pytest.fixture(scope="module")
def design():
    return made_up_design(
        heads=("sub-01", "sub-02"),
        coils=("figure8-70mm", NASTY, "double-cone"),
        places=grid(20, 10),
        angles=range(0, 180, 30),
        distances=(2, 6, 10),
        targets=("M1", "SMA"),
    )


@pytest.fixture(scope="module")
def page(design, tmp_path_factory):
    """Two heads with three coils; of the first coil on the first head one place failed, another is not done."""
    state = np.full(design.shape, DONE)
    state[0, 0, 0, 0, 0] = FAILED
    state[0, 0, 0, 0, 1] = NOT_DONE
    driver = opened(written(tmp_path_factory.mktemp("study"), design, state))
    check_quiet(driver)
    yield driver
    driver.quit()


def test_names_are_shown_as_they_are_and_do_nothing(page):
    assert page.title == "Study: hotspot search"
    cells = page.execute_script("return [...document.querySelectorAll('#summary tbody td')].map((c) => c.textContent)")
    assert cells.count(NASTY) == 2
    assert count(page, "img[src=x], td b, .legendtext b") == 0
    legend = "return [...document.querySelectorAll('#polar .legendtext')].map((t) => t.textContent)"
    assert page.execute_script(legend) == ["figure8-70mm", NASTY[:25] + "…", "double-cone"]


def test_all_plots_are_drawn(page):
    assert count(page, "#map .scatterlayer .trace.scatter") == 5
    assert count(page, "#polar .polarlayer .trace.scatter") == 3
    assert count(page, "#distance .scatterlayer .trace.scatter") == 3
    for dim, boxes in (("head", 2), ("coil", 3), ("place", 11)):  # of two places nothing is known
        assert count(page, f"#boxes-{dim} .boxlayer path.box") == boxes
    assert count(page, "#error .bars .point path") > 5
    assert count(page, "#boxes-option, #boxes-conductivity") == 0


MAP = "const [field, none] = document.getElementById('map').data; "


def test_the_map_shows_each_place_where_it_is_and_what_is_not_known(page, design):
    field, unknown = page.execute_script(MAP + "return [field.x.map((x, i) => [field.y[i], x]), none.text]")
    offsets = [place.offset_mm for place in design.places]
    assert [tuple(at) for at in field] == offsets[2:]
    assert unknown == [place.name for place in design.places[:2]]
    left, right = page.execute_script("return document.getElementById('map').layout.xaxis.range")
    assert left > right  # v grows to the left, as seen from outside


def test_the_map_follows_the_angle(page, design):
    best = page.execute_script(MAP + "return [field.marker.color, field.customdata.map((c) => c[1])]")
    assert set(best[1]) <= {"30", "60"}  # the best direction of the formula is at 45°
    choose(page, "pick-angle", "3")
    at_90 = page.execute_script(MAP + "return [field.marker.color, field.customdata.map((c) => c[1])]")
    assert set(at_90[1]) == {"90"} and all(a < b for a, b in zip(at_90[0], best[0]))
    choose(page, "pick-angle", "")


def test_arrows_are_smaller_than_the_marks(page):
    mark = page.execute_script(
        "return document.querySelector('#map .trace:first-child path.point').getBoundingClientRect().width"
    )
    length = page.execute_script(
        "const t = document.getElementById('map'), a = t._fullLayout.xaxis;"
        "const [x0, x1] = [t.data[3].x[0], t.data[3].x[1]], [y0, y1] = [t.data[3].y[0], t.data[3].y[1]];"
        "return Math.hypot(a.d2p(x1) - a.d2p(x0), t._fullLayout.yaxis.d2p(y1) - t._fullLayout.yaxis.d2p(y0))"
    )
    assert 5 < length < 0.9 * mark


def test_the_map_of_a_grid_has_a_small_head_with_its_places(page, design):
    shapes = "return [...document.querySelectorAll('#map .shapelayer path')].map((p) => p.getBoundingClientRect())"
    boxes = page.execute_script(shapes)
    circle, dots = boxes[0], boxes[4:]
    assert len(boxes) == 4 + len(design.places) and 30 < circle["width"] < 60
    assert all(
        circle["left"] < dot["left"] and dot["right"] < circle["right"] and circle["top"] < dot["top"] for dot in dots
    )
    bar, plot = page.execute_script(
        "return ['.colorbar .cbbg', '.xy .gridlayer, .draglayer .xy'].map("
        "(s) => document.querySelector('#map ' + s).getBoundingClientRect())"
    )
    assert circle["left"] > plot["right"] - 1 and circle["bottom"] < bar["bottom"]


def test_the_map_of_electrodes_has_the_outline_of_the_head_around_them(tmp_path):
    design = made_up_design(places=electrodes(7), angles=(0, 90))
    driver = opened(written(tmp_path, design))
    try:
        boxes = driver.execute_script(
            "return [...document.querySelectorAll('#map .shapelayer path')].map((p) => p.getBoundingClientRect())"
        )
        circle, nose = boxes[:2]
        assert len(boxes) == 4 and circle["width"] > 200 and nose["top"] < circle["top"]
        marks = driver.execute_script(
            "return [...document.querySelectorAll('#map .trace:first-child path.point')]"
            ".map((p) => p.getBoundingClientRect())"
        )
        assert len(marks) == 7
        plot = driver.execute_script("return document.querySelector('#map .draglayer .xy').getBoundingClientRect()")
        assert all(plot["left"] <= box["left"] and box["right"] <= plot["right"] for box in boxes)
        assert all(plot["top"] <= box["top"] and box["bottom"] <= plot["bottom"] for box in boxes)
    finally:
        driver.quit()


@pytest.mark.parametrize(("angles", "is_closed"), [(range(0, 360, 30), True), (range(0, 180, 30), False)])
def test_polar_curves_close_when_the_angles_go_all_the_way_round(tmp_path, angles, is_closed):
    driver = opened(written(tmp_path, made_up_design(places=electrodes(3), angles=angles)))
    try:
        theta, r = driver.execute_script("const [t] = document.getElementById('polar').data; return [t.theta, t.r]")
        assert len(theta) == len(r) == len(angles) + is_closed
        assert ([theta[0], r[0]] == [theta[-1], r[-1]]) == is_closed
    finally:
        driver.quit()


def test_all_columns_of_the_tables_are_seen_at_1280_pixels(tmp_path, design):
    driver = opened(written(tmp_path, design), 1280)
    try:
        hidden = "return [...document.querySelectorAll('.wide')].map((w) => w.scrollWidth - w.clientWidth)"
        found = driver.execute_script(hidden)
        assert len(found) >= 4 and set(found) == {0}
    finally:
        driver.quit()


def test_arrows_point_along_the_coils_y(page, design):
    choose(page, "pick-angle", "3")  # 90° clockwise from up: to the right, where v is smaller
    tail, tip = page.execute_script(
        "const t = document.getElementById('map').data[3]; return [[t.x[0], t.y[0]], [t.x[1], t.y[1]]]"
    )
    assert tip[0] - tail[0] < -3 and tip[1] == pytest.approx(tail[1], abs=0.01)
    choose(page, "pick-angle", "0")
    tail, tip = page.execute_script(
        "const t = document.getElementById('map').data[3]; return [[t.x[0], t.y[0]], [t.x[1], t.y[1]]]"
    )
    assert tip[1] - tail[1] > 3 and tip[0] == pytest.approx(tail[0], abs=0.01)
    choose(page, "pick-angle", "")


def test_controls_choose_what_all_plots_show(page, design):
    title = "return document.querySelector('#map .gtitle').textContent"
    assert "M1" in page.execute_script(title) and "sub-01" in page.execute_script(title)
    strongest = "return Math.max(...document.getElementById('map').data[0].marker.color)"
    first = page.execute_script(strongest)
    choose(page, "pick-head", "1")
    choose(page, "pick-quantity", "1")
    assert "SMA" in page.execute_script(title) and "sub-02" in page.execute_script(title)
    assert page.execute_script(strongest) < 0.8 * first
    choose(page, "pick-coil", "2")
    choose(page, "pick-distance", "2")
    assert page.execute_script(strongest) < 0.4 * first
    for dim, value in (("head", "0"), ("quantity", "0"), ("coil", "0"), ("distance", "0")):
        choose(page, f"pick-{dim}", value)
    assert page.execute_script(strongest) == first


def test_a_place_can_be_chosen_in_the_list_and_on_the_map(page, design):
    fact = "return document.getElementById('map-fact').textContent"
    options = page.execute_script("return [...document.getElementById('pick-place').options].map((o) => o.text)")
    assert len(options) == 13 and page.execute_script(fact).startswith(options[0])  # the best is first, and chosen
    radius = "return Math.max(...document.getElementById('polar').data[0].r)"
    best = page.execute_script(radius)
    choose(page, "pick-place", "12")
    assert page.execute_script(fact).startswith(design.places[12].name)
    assert page.execute_script(radius) < best
    ring = page.execute_script(
        "const p = document.querySelector('#map .trace:last-child path'); const s = getComputedStyle(p);"
        "return [s.stroke, Number(s.strokeOpacity), p.getBoundingClientRect().width]"
    )
    assert ring[0] == "rgb(86, 180, 233)" and ring[1] == 1 and ring[2] > 10
    choose(page, "pick-place", "0")
    assert page.execute_script(fact) == f"{design.places[0].name}: not done or failed."
    page.execute_script(
        "document.getElementById('map').emit('plotly_click', {points: [{customdata: [arguments[0]]}]})", 8
    )
    assert page.execute_script(fact).startswith(design.places[8].name)
    assert page.execute_script("return document.getElementById('pick-place').selectedOptions[0].text") == (
        design.places[8].name
    )


def test_lines_can_be_those_of_another_dimension(page):
    choose(page, "pick-lines", "head")
    for plot in ("polar", "distance"):
        names = page.execute_script("return document.getElementById(arguments[0]).data.map((t) => t.name)", plot)
        assert names == ["sub-01", "sub-02"]
    choose(page, "pick-lines", "coil")


def test_tables_sort_by_number_with_the_unknown_last(page):
    titles = page.execute_script(
        "return [...document.querySelectorAll('#summary thead span')].map((s) => s.textContent)"
    )
    column = titles.index("largest")
    cells = (
        "return [...document.querySelectorAll('#summary tbody tr')]"
        ".map((row) => Number(row.cells[arguments[0]].textContent))"
    )
    button = page.find_elements("css selector", "#summary thead button")[column]
    page.execute_script("arguments[0].click()", button)
    values = page.execute_script(cells, column)
    assert values == sorted(values) and len(set(values)) == 6
    button.send_keys("\ue007")  # Enter
    assert page.execute_script(cells, column) == sorted(values, reverse=True)
    assert count(page, "#accuracy [aria-sort], #by-coil [aria-sort]") == 0  # each table for itself


def test_every_plot_and_control_has_a_name_for_those_who_do_not_see_it(page):
    assert page.execute_script(
        "return [...document.querySelectorAll('.plot')].every((p) => p.getAttribute('role') === 'img' && "
        "p.getAttribute('aria-label').length > 20)"
    )
    assert page.execute_script(
        "return [...document.querySelectorAll('select')].every((s) => s.labels.length || s.getAttribute('aria-label'))"
    )
    assert count(page, ".state[role=img][aria-label]") == 1
    assert count(page, "a[href='#h-failed']") == 1 and count(page, "#h-failed") == 1


@pytest.mark.parametrize("width", [400, 1000])
def test_it_fits_the_window_whatever_the_names(tmp_path, width):
    names = ("N" * 150, "a name with spaces " * 7)
    design = made_up_design(names[1], heads=names, coils=names, places=electrodes(5), angles=(0, 45), distances=(1, 2))
    driver = opened(written(tmp_path, design), width)
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        boxes = driver.execute_script(
            "return [...document.querySelectorAll('.plot, select, dd')].map((p) => p.getBoundingClientRect())"
        )
        assert all(0 <= box["left"] < box["right"] <= width for box in boxes)
    finally:
        driver.quit()


def test_tables_are_there_without_javascript(tmp_path, design):
    driver = opened(written(tmp_path, design), is_scripted=False)
    try:
        rows = driver.find_elements("css selector", "#summary tbody tr")
        assert len(rows) == 6 and "figure8-70mm" in rows[0].text
        assert "The plots need JavaScript" in driver.find_element("css selector", "noscript").text
    finally:
        driver.quit()


def test_a_map_of_many_places_is_drawn(tmp_path):
    """Without WebGL: plotly's marks would need a policy that lets the page make code from text."""
    design = made_up_design(places=grid(70, 3), angles=(0, 90))
    driver = opened(written(tmp_path, design))
    try:
        assert len(design.places) > 1500
        assert count(driver, "#map .trace:first-child path.point") == len(design.places)
        assert count(driver, ".no-webgl") == 0 and "WebGL" not in driver.find_element("id", "map").text
        assert count(driver, "#pick-place option") == 200
        check_quiet(driver)
    finally:
        driver.quit()


def test_a_report_without_plots_works(tmp_path):
    design = made_up_design(coils=("a", "b"), places=electrodes(1))
    driver = opened(written(tmp_path, design, np.full(design.shape, NOT_DONE)))
    try:
        button = driver.find_elements("css selector", "#summary thead button")[0]
        driver.execute_script("arguments[0].click()", button)
        driver.execute_script("arguments[0].click()", button)
        assert driver.find_elements("css selector", "#summary tbody th")[0].text == "b"
        check_quiet(driver)
    finally:
        driver.quit()


def test_plots_keep_their_height_when_the_windows_height_changes(page):
    heights = (
        "return [...document.querySelectorAll('.plot')].map((p) => [p.id, p.clientHeight, "
        "p.querySelector('svg').getBoundingClientRect().height, p._fullLayout.height])"
    )
    before = page.execute_script(heights)
    size = {"width": 1300, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wait_for(page, "return innerHeight === 700")
    time.sleep(1.0)  # what plotly does about it comes later, if it does anything
    assert page.execute_script(heights) == before
    assert all(box == svg == look for _, box, svg, look in before)
