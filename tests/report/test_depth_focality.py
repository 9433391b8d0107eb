"""The plot of spread against depth of coils."""

from itertools import pairwise

import numpy as np
import pytest

from femtms.report.depth_focality import depth_focality_figure, draw_depth_focality


def rows_of(coils, places):
    """Rows of a comparison with numbers that differ; coils with `$` in their names must not be read as formulas."""
    return [
        {"coil": coil, "place": place, "d_half_cm": 1.2 + 0.1 * i + 0.02 * j, "s_half_cm2": 9.0 * 1.2**i + j}
        for i, coil in enumerate(coils)
        for j, place in enumerate(places)
    ]


COILS = [f"coil $x_{i}$ with a name that is longer than there is room for" for i in range(10)]
PLACES = ["standard sphere", "F3", "Cz", "0,0,34"]


def test_each_row_is_a_mark_where_its_numbers_are():
    rows = rows_of(COILS, PLACES)
    (axes,) = depth_focality_figure(rows).axes
    marks = axes.lines
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [
        (row["d_half_cm"], row["s_half_cm2"]) for row in rows
    ]
    looks = {(line.get_color(), line.get_markeredgecolor(), line.get_marker()) for line in marks}
    assert len(looks) == len(rows)  # every coil and place is told from every other
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    assert all(left < row["d_half_cm"] < right and low < row["s_half_cm2"] < high for row in rows)


@pytest.mark.parametrize("coils", [COILS[:1], COILS])
def test_labels_are_on_the_page_and_cover_nothing(coils):
    figure = depth_focality_figure(rows_of(coils, PLACES))
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    texts = [text for text in legend.get_texts() if text.get_text()]
    assert len(texts) == len(coils) + len(PLACES) + 2
    page, plot = figure.bbox, axes.get_window_extent()
    boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: -box.y0)
    assert all(plot.x1 < box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))
    assert any("$" in text.get_text() for text in texts)
    ticks = [label for label in axes.get_yticklabels() if label.get_text()]
    heights = sorted((label.get_window_extent() for label in ticks), key=lambda box: box.y0)
    assert len(heights) >= 3
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(heights))


def test_the_same_rows_give_the_same_file(tmp_path):
    rows = rows_of(COILS[:3], PLACES)
    for name in ("a.pdf", "b.pdf"):
        draw_depth_focality(tmp_path / name, rows)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes() and content.startswith(b"%PDF")


def test_one_row_has_a_plot():
    (axes,) = depth_focality_figure(rows_of(["a"], ["F3"])).axes
    assert np.ptp(axes.get_xlim()) > 0
