"""The tables of a study's report, over all of its cases."""

from collections.abc import Iterator

import numpy as np

from femtms.batch.columns import DONE, FAILED
from femtms.batch.report_numbers import Numbers
from femtms.report.table import Cell, Heading, Table
from femtms.study.design import DIMS

KEYS = DIMS[:4]  # what is not a position
MOST_ROWS = 1000
_COMPARED = 3  # quantities in the tables of one dimension

Index = tuple[int, ...]


def key_dims(numbers: Numbers) -> list[str]:
    """Those of KEYS that tables name: with more than one name, and the coil where there is none."""
    return [dim for dim in KEYS if len(numbers.names[dim]) > 1] or ["coil"]


def best_case(numbers: Numbers, quantity: int, within: Index = ()) -> Index | None:
    """Indices of the case with the largest field, among those that begin with `within`; None where none is known."""
    values = numbers.values[quantity][within]
    if not np.isfinite(values).any():
        return None
    return within + tuple(int(i) for i in np.unravel_index(np.nanargmax(values), values.shape))


def summary_table(numbers: Numbers) -> Table:
    """A row for each head, conductivity, option and coil."""
    headings = [
        *(Heading(dim) for dim in key_dims(numbers)),
        Heading("done", "", "%d", "cases done"),
        Heading("of", "", "%d", "cases in all"),
        Heading("failed", "", "%d", "cases failed"),
    ]
    for quantity in numbers.quantities:
        headings += [
            Heading(f"{quantity.label}, median", "V/m", "%.4g", f"{quantity.label}: median of the cases done"),
            Heading("largest", "V/m", "%.4g", f"{quantity.label}: largest of the cases done"),
        ]
        if quantity.is_target:
            headings.append(
                Heading("largest at", "", "", f"{quantity.label}: place, angle and distance of the largest")
            )
    known = [number for number, values in enumerate(numbers.values) if np.isfinite(values).any()]
    first = known[0] if known else 0
    if not any(quantity.is_target for quantity in numbers.quantities) and numbers.quantities:
        headings.append(Heading("largest at", "", "", f"{numbers.quantities[first].label}: position of the largest"))
    rows = []
    for key, names in _groups(numbers):
        state = numbers.state[key]
        row: list[Cell] = [*names, int((state == DONE).sum()), state.size, int((state == FAILED).sum())]
        for number, quantity in enumerate(numbers.quantities):
            row += _median_and_largest(numbers.values[number][key])
            if quantity.is_target:
                row.append(position_name(numbers, best_case(numbers, number, key)))
        if len(row) < len(headings):
            row.append(position_name(numbers, best_case(numbers, first, key)))
        rows.append(row)
    title = "Fields of each " + _listed(key_dims(numbers))
    note = "In the order of the study."
    empty = [quantity.label for number, quantity in enumerate(numbers.quantities) if number not in known]
    if known and empty:
        note += f" No case that is done has {' or '.join(empty)}: the heads do not have this tissue."
    return Table.cut("summary", title, tuple(headings), rows, MOST_ROWS, note)


def position_name(numbers: Numbers, case: Index | None) -> str | None:
    """Place, angle and distance of a case in words."""
    if case is None:
        return None
    place, angle, distance = (numbers.names[dim][i] for dim, i in zip(DIMS[4:], case[4:]))
    return f"{place}, {angle:g}°, {distance:g} mm"


def comparison_tables(numbers: Numbers) -> list[Table]:
    """For each of KEYS with several names: each pooled over all else, and against the first one case by case."""
    tables = []
    for axis, dim in enumerate(KEYS):
        names = numbers.names[dim]
        if len(names) < 2:
            continue
        quantities = numbers.quantities[:_COMPARED]
        headings = [Heading(dim)]
        for quantity in quantities:
            label = quantity.label
            headings += [
                Heading(f"{label}, median", "V/m", "%.4g"),
                Heading("largest", "V/m", "%.4g", f"{label}: largest"),
                Heading("ratio", "", "%.3f", f"{label}: median of the ratios to {names[0]}, case by case"),
                Heading("5 %", "", "%.3f", "5th percentile of these ratios"),
                Heading("95 %", "", "%.3f", "95th percentile of these ratios"),
            ]
        rows = []
        for i, name in enumerate(names[:MOST_ROWS]):
            row: list[Cell] = [name]
            for number in range(len(quantities)):
                values = numbers.values[number].take(i, axis=axis)
                row += _median_and_largest(values)
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = values / numbers.values[number].take(0, axis=axis)
                ratio = ratio[np.isfinite(ratio)]
                row += [float(p) for p in np.percentile(ratio, (50, 5, 95))] if len(ratio) else [None] * 3
            rows.append(row)
        note = (
            f"Ratios to {names[0]}, case by case: of cases that differ in nothing but the {dim}; median, and 5th and "
            "95th percentile."
        )
        tables.append(Table.cut(f"by-{dim}", plural(dim).capitalize(), tuple(headings), rows,
                                MOST_ROWS, note))  # fmt: skip
    return tables


def accuracy_table(numbers: Numbers) -> Table:
    """Estimated error and solver of each head, conductivity, option and coil."""
    headings = (
        *(Heading(dim) for dim in key_dims(numbers)),
        Heading("estimated error, median", "%", "%.3g", "relative error of E in grey matter"),
        Heading("largest", "%", "%.3g", "largest estimated error"),
        Heading("iterations, median", "", "%.3g", "of the linear solver"),
        Heading("most", "", "%.0f", "largest number of iterations"),
        Heading("residual, largest", "", "%.2g", "relative residual of the linear system"),
    )
    rows = []
    for key, names in _groups(numbers):
        row: list[Cell] = [*names, *_median_and_largest(100 * numbers.error[key])]
        row += [*_median_and_largest(numbers.iterations[key]), _median_and_largest(numbers.residual[key])[1]]
        rows.append(row)
    note = "The estimate does not see errors of the geometry."
    return Table.cut("accuracy", "Estimated error of E, and the solver", headings, rows, MOST_ROWS, note)


def _groups(numbers: Numbers) -> Iterator[tuple[Index, list[str]]]:
    for key in np.ndindex(numbers.shape[:4]):
        yield key, [numbers.names[dim][key[KEYS.index(dim)]] for dim in key_dims(numbers)]


def _median_and_largest(values: np.ndarray) -> list[Cell]:
    known = values[np.isfinite(values)]
    return [float(np.median(known)), float(known.max())] if len(known) else [None, None]


def plural(dim: str) -> str:
    """
    >>> plural("head"), plural("conductivity")
    ('heads', 'conductivities')
    """
    return dim[:-1] + "ies" if dim.endswith("y") else dim + "s"


def _listed(words: list[str]) -> str:
    """
    >>> _listed(["head", "option", "coil"])
    'head, option and coil'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
