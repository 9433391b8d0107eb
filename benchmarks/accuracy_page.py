"""The plots and the tables of docs/accuracy.md, from what accuracy.py left in benchmarks/results/accuracy.json.

    python benchmarks/accuracy_page.py [--json FILE] [--page docs/accuracy.md]

In the page each table is between a line <!-- table: NAME --> and a line <!-- end -->; all else is left as it is.
"""

import argparse
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from accuracy import GAPS_MM, METHODS, RESULT, named
from matplotlib.ticker import FuncFormatter, NullFormatter

PAGE = Path(__file__).parent.parent / "docs" / "accuracy.md"
SOURCE, GAP_MM = "figure8-70mm", GAPS_MM[1]  # what is shown in detail
STYLES = dict(zip(METHODS, ("o-C0", "s-C1", "^-C2", "D-C3")))


def set_up_seconds(row):
    return sum(row["seconds"]["set_up"].values())


def total_seconds(row):
    return set_up_seconds(row) + sum(row["seconds"]["pose"].values())


def of(rows, **wanted):
    """Those rows that have these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def edge(row):
    return row["edge_mm"]


def slope(rows, x=edge, region="away"):
    """Power of x(row) that the error goes with: least squares of logarithms; None if meshes differ too little."""
    edges = [edge(row) for row in rows]
    if max(edges, default=0) < 1.3 * min(edges, default=1):
        return None
    errors = [row["errors"][region]["l2"] for row in rows]
    return float(np.polyfit(np.log([x(row) for row in rows]), np.log(errors), 1)[0])


def percent(value):
    return "–" if value is None else f"{100 * value:.3g} %"


def error(row, region, measure="l2"):
    found = row["errors"][region]
    return percent(None if found is None else found[measure])


def table(header, rows):
    """Markdown, with the first column to the left and the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def detail(rows):
    """One source at one distance: every method on every mesh."""
    header = ["elements", "edges mm", "tets", "unknowns", "set-up s", "solve s", "cortex", "60–72 mm", "at interface"]
    header += ["RDM", "MAG - 1", "99th pct.", "estimate / error"]
    lines = []
    for row in sorted(rows, key=lambda r: (-r["edge_mm"], list(METHODS).index(r["method"]))):
        stated = row["estimate"]
        ratio = "–" if stated is None else f"{stated / row['errors']['gm']['l2']:.2f}"
        seconds = f"{set_up_seconds(row):.2f}", f"{sum(row['seconds']['pose'].values()):.2f}"
        measured = [error(row, region) for region in ("cortex", "away", "interface")]
        measured += [error(row, "cortex", measure) for measure in ("rdm", "mag", "p99")]
        sizes = f"{row['edge_mm']:.2f}", f"{row['tets']:,}", f"{row['unknowns']:,}"
        lines.append([row["method"], *sizes, *seconds, *measured, ratio])
    return table(header, lines)


def by_source(rows):
    """Every source at every distance, on the mesh with the finest edges that all methods were solved on."""
    names = [name for name in METHODS if of(rows, method=name)]
    edges = min(set.intersection(*({r["edge_mm"] for r in of(rows, method=name)} for name in names)))
    rows = of(rows, edge_mm=edges)
    lines = []
    for source, gap in dict.fromkeys((row["source"], row["gap_mm"]) for row in rows):
        found = {row["method"]: row for row in of(rows, source=source, gap_mm=gap)}
        lines.append([f"{source}, {gap:g} mm", *(error(found[name], "cortex") for name in names)])
    return f"Edges of {edges:.2f} mm:\n\n" + table(["error in cortex", *names], lines)


def orders(rows):
    """Slope of every method at 60-72 mm, for every source at the middle distance."""
    names = [name for name in METHODS if of(rows, method=name)]
    lines = []
    for shells, source in dict.fromkeys((row["shells"], row["source"]) for row in rows):
        found = [slope(of(rows, shells=shells, source=source, gap_mm=GAP_MM, method=name)) for name in names]
        lines.append([f"{named(shells)}, {source}", *("–" if o is None else f"{o:.2f}" for o in found)])
    return table(["order", *names], lines)


def refinement(rows):
    """Heads of voxels, refined with the same surfaces."""
    header = ["elements", "edges mm", "tets", "unknowns", "seconds", "near the coil", "away from interfaces"]
    lines = []
    for row in rows:
        found = ["reference"] * 2 if row["errors"] is None else [error(row, region) for region in ("near", "away")]
        sizes = f"{row['edge_mm']:.2f}", f"{row['tets']:,}", f"{row['unknowns']:,}", f"{row['seconds']:.1f}"
        lines.append([row["method"], *sizes, *found])
    return table(header, lines)


def tables(result):
    """{name: Markdown}."""
    spheres, heads = result["spheres"], result["heads"]
    found = {"device": f"{result['device']}, {result['date']}."}
    spheres = sorted(spheres, key=lambda row: row["shells"])
    for shells in dict.fromkeys(row["shells"] for row in spheres):
        own = of(spheres, shells=shells)
        found[f"detail-{shells}"] = detail(of(own, source=SOURCE, gap_mm=GAP_MM))
        found[f"sources-{shells}"] = by_source(own)
    found["orders"] = orders(spheres)
    for head in dict.fromkeys(row["head"] for row in heads):
        found[f"head-{head}"] = refinement(of(heads, head=head))
    return found


def with_tables(page, found):
    """The text of the page with its tables replaced; one that was not measured stays."""

    def replaced(match):
        name = match.group(1)
        return f"<!-- table: {name} -->\n{found[name]}\n<!-- end -->" if name in found else match.group(0)

    return re.sub(r"<!-- table: (\S+) -->\n.*?<!-- end -->", replaced, page, flags=re.DOTALL)


def draw(rows, x, xlabel, path):
    """Error at 60-72 mm from the centre against x(row), a panel for each number of shells; slopes in the legend."""
    rows = of(rows, gap_mm=GAP_MM)
    shells = sorted({row["shells"] for row in rows})
    kinds = [source for source in (SOURCE, "tangential dipole") if of(rows, source=source)]
    size = (3.4 * len(shells) + 1, 3.1 * len(kinds) + 0.6)
    figure, axes = plt.subplots(
        len(kinds), len(shells), figsize=size, sharey="row", squeeze=False, layout="constrained"
    )
    for line, source in zip(axes, kinds):
        for axis, count in zip(line, shells):
            for method, style in STYLES.items():
                own = sorted(of(rows, shells=count, source=source, method=method), key=edge)
                if not own:
                    continue
                power = slope(own, x)
                label = method if power is None else f"{method}, slope {power:.1f}"
                values = [100 * row["errors"]["away"]["l2"] for row in own]
                axis.loglog([x(row) for row in own], values, style, markersize=5, label=label)
            axis.set_title(f"{named(count)}, {source}", fontsize=9)
            axis.grid(True, which="both", alpha=0.3)
            axis.legend(fontsize=7)
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            axis.yaxis.set_major_formatter(plain)
            axis.xaxis.set_major_formatter(plain)
            axis.xaxis.set_minor_formatter(plain if x is edge else NullFormatter())
            axis.tick_params(axis="x", which="both", labelsize=8)
        line[0].set_ylabel("error of E at 60–72 mm, %")
    for axis in axes[-1]:
        axis.set_xlabel(xlabel)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    result = json.loads(options.json.read_text())
    images = options.page.parent / "images"
    images.mkdir(exist_ok=True)
    draw(result["spheres"], edge, "mean edge in the brain, mm", images / "accuracy-edges.png")
    draw(result["spheres"], total_seconds, "seconds: set-up and one position", images / "accuracy-seconds.png")
    options.page.write_text(with_tables(options.page.read_text(), tables(result)))


if __name__ == "__main__":
    main()
