"""Spread against depth of coils, for print."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

from femtms.report.figures import Shown, write_figure
from femtms.report.picture import INK

_PLOT, _NAMES, _MARGIN = (4.6, 3.8), 2.0, 0.15  # inches: the axes, the names beside them, what is around all
_LEFT, _BOTTOM, _TOP, _LINE = 0.75, 0.6, 0.2, 0.21
_LONGEST = 34  # letters of a name
# Okabe & Ito's colours, told apart by all eyes, one for each coil; a place has a mark
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888")
_MARKS = ("o", "s", "D", "^", "P", "X", "*", "v", "p", "<", ">", "h")
_TICKS = (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)  # in each power of ten


def draw_depth_focality(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `depth_focality_figure` in the format that the name of the file says."""
    write_figure(depth_focality_figure(rows), path)


def depth_focality_figure(rows: Sequence[Mapping[str, Any]], dpi: float | None = None) -> Figure:
    """S½ in cm² against d½ in cm: each coil has a colour and each place a mark; names stand beside the plot.

    rows  of io.comparisons, of which coil, place, d_half_cm and s_half_cm2 are drawn
    """
    coils = list(dict.fromkeys(str(row["coil"]) for row in rows))
    places = list(dict.fromkeys(str(row["place"]) for row in rows))
    # with more coils than colours the edges of the marks tell them apart
    styles: dict[str, dict[str, Any]] = {
        coil: {"color": _COLOURS[i % len(_COLOURS)], "markeredgecolor": ("white", "black")[i // len(_COLOURS) % 2],
               "markeredgewidth": 0.6}
        for i, coil in enumerate(coils)
    }  # fmt: skip
    marks = {place: _MARKS[i % len(_MARKS)] for i, place in enumerate(places)}

    listed = _LINE * (len(coils) + len(places) + 4)
    high = max(_BOTTOM + _PLOT[1] + _TOP, listed + 2 * _MARGIN)
    longest = max(len(_cut(name)) for name in (*coils, *places))
    wide = _LEFT + _PLOT[0] + max(_NAMES, 0.55 + 0.085 * longest) + _MARGIN
    figure = Shown(wide, high, dpi)
    bottom = high - _TOP - _PLOT[1]
    axes = figure.add_axes((_LEFT / wide, bottom / high, _PLOT[0] / wide, _PLOT[1] / high))
    for row in rows:
        axes.plot(
            row["d_half_cm"], row["s_half_cm2"], linestyle="none", marker=marks[str(row["place"])], markersize=7,
            alpha=0.9, **styles[str(row["coil"])],
        )  # fmt: skip

    spread = np.array([row["s_half_cm2"] for row in rows], dtype=float)
    depth = np.array([row["d_half_cm"] for row in rows], dtype=float)
    room = 0.12 * np.ptp(depth) + 0.03
    axes.set_xlim(depth.min() - room, depth.max() + room)
    low, top = spread.min() / 1.25, spread.max() * 1.25
    axes.set(yscale="log", ylim=(low, top), xlabel="depth d½ (cm)", ylabel="spread S½ (cm²)")
    axes.yaxis.set_major_locator(FixedLocator(_ticks(low, top)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#d9dde1", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

    handles = [
        _heading("Coil"), *(Line2D([], [], linestyle="none", marker="o", label=_cut(c), **styles[c]) for c in coils),
        _heading(""), _heading("Place"),
        *(Line2D([], [], linestyle="none", marker=marks[p], color=INK, label=_cut(p)) for p in places),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=((_LEFT + _PLOT[0] + 0.05) / wide, 1 - _MARGIN / high),
        frameon=False, fontsize=9, labelspacing=0.4, handletextpad=0.4, borderaxespad=0,
    )  # fmt: skip
    return figure


def _ticks(low: float, top: float) -> list[float]:
    """Round numbers in a range of a logarithmic axis, at most a dozen or so, and at least two."""
    for digits in _TICKS:
        every = [digit * 10.0**power for power in range(-3, 6) for digit in digits]
        inside = [tick for tick in every if low <= tick <= top]
        if len(inside) > 2:
            break
    return inside[:: 1 + len(inside) // 13]


def _heading(text: str) -> Line2D:
    """A line of the legend without a mark."""
    return Line2D([], [], linestyle="none", label=text)


def _cut(name: str) -> str:
    """A name as it is read, not to its end where that is far; "$" begins no formula."""
    name = " ".join(name.split())
    return (name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…").replace("$", r"\$")
