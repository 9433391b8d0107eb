"""The report of a comparison in a real browser: it opens from a file, without a network, and works."""

from itertools import pairwise

import pytest
from browser import NASTY, check_quiet, needs_browser, opened

from femtms.compare import compare

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with a coil whose name is up to no good."""
    folder = tmp_path_factory.mktemp("report")
    rows = "".join(f"{x} 0.0 -0.005 0 0 {m}\n" for x, m in ((-0.03, -1e-3), (0.03, 1e-3)))
    (folder / "nasty.ccd").write_text(f"# x version 1.0; coilname={NASTY}\n2\n#\n{rows}")
    coils = ["figure8-70mm", "circular-70mm", folder / "nasty.ccd"]
    compare("sphere", coils, folder / "out", at=["F3", "Cz"], size_mm=15.0, gap_mm=4.0, device="cpu")
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def page(report):
    driver = opened(report)
    driver.at_start = driver.get_log("browser"), driver.get_log("performance")
    yield driver
    driver.quit()


def test_there_are_no_errors_and_no_requests(page):
    check_quiet(*page.at_start)


def test_names_are_shown_as_they_are_and_do_nothing(page):
    assert page.title == "Comparison of coils: sphere"
    assert page.execute_script("return [...document.querySelectorAll('tbody th')].map((c) => c.textContent)").count(
        NASTY
    )
    assert page.execute_script("return document.querySelectorAll('img[src=x], figcaption b b').length") == 0
    in_plots = page.execute_script(
        "return [...document.querySelectorAll('#focality .legendtext')].map((t) => t.textContent)"
    )
    assert in_plots[2] == NASTY[:25] + "…"


def cells(page, column):
    """What the visible rows of the table show in a column."""
    return page.execute_script(
        "return [...document.querySelectorAll('#numbers tbody tr:not([hidden])')]"
        ".map((row) => row.cells[arguments[0]].textContent)",
        column,
    )


def heading(page, text):
    """The column with this heading and its button."""
    names = page.execute_script(
        "return [...document.querySelectorAll('#numbers thead span')].map((s) => s.textContent)"
    )
    return names.index(text), page.find_elements("css selector", "#numbers thead button")[names.index(text)]


def test_headings_sort_by_number_both_ways_with_the_unknown_last(page):
    column, button = heading(page, "S½")
    page.execute_script("arguments[0].click()", button)
    values = [float(text) for text in cells(page, column)]
    assert values == sorted(values) and min(values) < 20 < 60 < max(values)  # as text, "9" would come after "60"
    page.execute_script("arguments[0].click()", button)
    assert [float(text) for text in cells(page, column)] == sorted(values, reverse=True)
    column, button = heading(page, "of limit")
    for _ in range(2):
        page.execute_script("arguments[0].click()", button)
        texts = cells(page, column)
        assert texts.count("–") == 6 and set(texts[-6:]) == {"–"}


def test_headings_can_be_used_from_the_keyboard(page):
    _, button = heading(page, "coil")
    button.send_keys("\ue007")  # Enter
    sort = "return arguments[0].closest('th').getAttribute('aria-sort')"
    assert page.execute_script(sort, button) == "ascending"
    names = cells(page, 0)
    assert names[-1] == "figure8-70mm" and names != [*reversed(names)]
    button.send_keys(" ")
    assert page.execute_script(sort, button) == "descending"
    assert cells(page, 0)[0] == "figure8-70mm"


def choose(page, select, value):
    page.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];s.dispatchEvent(new Event('change'))",
        select,
        value,
    )


def test_the_table_can_be_reduced_to_a_place(page):
    choose(page, "table-place", "Cz")
    assert cells(page, 1) == ["Cz"] * 3
    choose(page, "table-place", "")
    assert len(cells(page, 1)) == 9


def test_plots_are_drawn_and_follow_the_place(page):
    for plot, marks, number in (
        ("focality", ".points path", 3),
        ("profile", ".scatterlayer .js-line", 3),
        ("strength", ".bars .point path", 9),
    ):
        drawn = page.execute_script("return document.querySelectorAll(arguments[0]).length", f"#{plot} svg {marks}")
        assert drawn == number, plot
    choose(page, "plot-place", "F3")
    title = "return document.querySelector('#focality .gtitle').textContent"
    assert page.execute_script(title) == "Depth and spread, F3"
    choose(page, "plot-strength", "E_brain_at_limit_V_per_m")
    axis = "return document.querySelector('#strength .xtitle').textContent"
    assert page.execute_script(axis) == "|E| (V/m at the limit)"


def test_the_rotatable_view_is_webgl_and_follows_coil_and_place(page):
    kind = """const canvas = document.querySelector('#scene canvas');
        return (canvas.getContext('webgl2') || canvas.getContext('webgl')).constructor.name"""
    assert "WebGL" in page.execute_script(kind)
    state = """const [brain, , , windings] = document.getElementById('scene').data;
        return [Math.max(...brain.intensity), brain.i.length, windings.x.filter((x) => x !== null)[0]]"""
    strongest, faces, first = page.execute_script(state)
    assert strongest > 0.5 and faces > 100
    choose(page, "scene-place", "Cz")
    moved = page.execute_script(state)
    assert moved[1] == faces and moved[2] != first
    choose(page, "scene-coil", "circular-70mm")
    assert page.execute_script(state)[0] != moved[0]
    scale = "return document.getElementById('scene').data[0].cmax"
    common = page.execute_script(scale)
    page.execute_script("document.getElementById('scene-own').click()")
    assert page.execute_script(scale) < common
    page.execute_script("document.getElementById('scene-scalp').click()")
    assert page.execute_script("return document.getElementById('scene').data[1].visible") is False


def test_the_scale_of_the_maps_shows_that_values_may_be_above_its_end(page):
    colours, above = page.execute_script(
        "return [document.querySelector('.scale .bar').style.background,"
        "document.querySelector('.scale .above').style.background]"
    )
    assert colours.rindex(above) > colours.rindex("rgb") - 1
    bar, box = page.execute_script(
        "return ['bar', 'above'].map((c) => document.querySelector('.scale .' + c).getBoundingClientRect())"
    )
    assert box["left"] == pytest.approx(bar["right"], abs=1) and box["top"] == pytest.approx(bar["top"], abs=1)
    strongest, limit = page.execute_script("return [Math.max(...data.scene.cases.map((c) => c.max)), data.limit]")
    assert strongest > limit


def test_captions_say_for_which_current(page):
    captions = page.execute_script("return [...document.querySelectorAll('figcaption')].map((c) => c.textContent)")
    assert len(captions) == 6 and all(" V/m per A/µs, d½ " in caption for caption in captions)


def test_what_is_not_known_is_told_from_what_is_not_defined(page):
    assert "or not defined on the standard sphere" in page.execute_script("return document.body.textContent")


def test_all_maps_are_pictures(page):
    sizes = page.execute_script("return [...document.images].map((i) => [i.complete, i.naturalWidth, i.naturalHeight])")
    assert sizes == [[True, 440, 400]] * 6


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A report with six coils at three places, one with a name of two lines without a space."""
    folder = tmp_path_factory.mktemp("many")
    row = "0.03 0.0 -0.005 0 0 1e-3\n-0.03 0.0 -0.005 0 0 -1e-3\n"
    names = ["N" * 200, *(f"another-coil-with-a-name-{i}" for i in range(5))]
    for i, name in enumerate(names):
        (folder / f"{i}.ccd").write_text(f"# x version 1.0; coilname={name}; dIdtmax=100\n2\n#\n{row}")
    coils = [folder / f"{i}.ccd" for i in range(len(names))]
    compare("sphere", coils, folder / "out", at=["F3", "Cz"], size_mm=20.0, gap_mm=4.0, device="cpu")
    return folder / "out" / "report.html"


WIDE = "return document.documentElement.scrollWidth"


@pytest.mark.parametrize("width", [400, 1000])
def test_it_fits_the_window_whatever_the_names(report, many, width):
    for path in (report, many):
        driver = opened(path, width)
        try:
            assert driver.execute_script(WIDE) <= width
            terms = "return [...document.querySelectorAll('dt, dd')].map((t) => t.getBoundingClientRect())"
            for box in driver.execute_script(terms):
                assert 0 <= box["left"] < box["right"] <= width and box["width"] > 100
        finally:
            driver.quit()


def test_all_columns_are_seen_at_1280_pixels_and_scroll_where_there_is_less_room(many):
    hidden = "const w = document.querySelector('.wide'); return w.scrollWidth - w.clientWidth"
    for width in (1280, 500):
        driver = opened(many, width)
        try:
            assert (driver.execute_script(hidden) > 0) == (width < 1280)
            style = "return getComputedStyle(document.querySelector('.wide')).overflowX"
            assert driver.execute_script(style) == "auto"
            cells = driver.execute_script(
                "return [...document.querySelectorAll('#numbers th, #numbers td, #numbers button')]"
                ".filter((c) => c.scrollWidth > c.clientWidth + 1).map((c) => c.textContent)"
            )
            assert cells == []  # nothing is cut off within its cell
            if width == 1280:
                names = driver.execute_script(
                    "return [...document.querySelectorAll('#numbers thead th')].map((h) => h.textContent)"
                )
                assert len(names) == 15 and any("centre" in name for name in names)
        finally:
            driver.quit()


@pytest.mark.parametrize("width", [420, 1300])
def test_bars_and_names_of_many_coils_have_room(many, width):
    driver = opened(many, width)
    try:
        boxes = "return [...document.querySelectorAll(arguments[0])].map((b) => b.getBoundingClientRect())"
        bars = driver.execute_script(boxes, "#strength .bars .point path")
        assert len(bars) == 6 * 3
        assert min(bar["height"] for bar in bars) > 8
        assert max(bar["width"] for bar in bars) > 0.35 * width  # the names leave them some
        names = sorted(driver.execute_script(boxes, "#strength .ytick text"), key=lambda name: name["top"])
        assert len(names) == 6
        assert all(name["bottom"] <= other["top"] for name, other in pairwise(names))
        assert names[0]["left"] >= 0
        texts = driver.execute_script(
            "return [...document.querySelectorAll('#strength .ytick text')].map((t) => t.textContent)"
        )
        assert len(set(texts)) == 6  # told apart, however short
    finally:
        driver.quit()


def test_maps_stand_on_no_white_in_dark_mode(many):
    driver = opened(many, 900)
    try:
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        ground = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
        below = driver.execute_script(ground, "figure")
        assert below == driver.execute_script(ground, "figcaption") != "rgb(255, 255, 255)"
    finally:
        driver.quit()
