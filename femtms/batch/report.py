"""The report of a study, finished or not: what the store, the journal and the list of failures say, on one page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from femtms.batch.columns import DONE, FAILED
from femtms.batch.failures import FILE as FAILURES
from femtms.batch.journal import read_events, read_lines
from femtms.batch.report_design import design_sections, study_text
from femtms.batch.report_failures import failure_tables
from femtms.batch.report_journal import journal_tables
from femtms.batch.report_numbers import Numbers, read_numbers
from femtms.batch.report_plots import left_out, plot_data
from femtms.batch.report_tables import accuracy_table, best_case, comparison_tables, plural, summary_table
from femtms.io.files import whole_file
from femtms.report.study_page import Progress, StudyContent, study_page
from femtms.stage import Stage, told
from femtms.study.design import DIMS, Design
from femtms.study.plan import Plan

REPORT = "report.html"
_FILES = {
    "results.csv": "a row for each case",
    "results.parquet": "the same for pandas and others",
    FAILURES: "failed cases and why",
    "study.yaml": "the study as it was written",
    "study.json": "the study and its provenance",
}


def report_study(
    out: str | Path, path: str | Path | None = None, overwrite: bool = False, stage: Stage = told
) -> dict[str, Any]:
    """Write the report of the study in the folder `out`, by default to OUT/report.html; a summary of it.

    Raises FemtmsError for a folder that is no study, and for a file that exists when overwrite is False.
    """
    from femtms.batch.open import open_study
    from femtms.batch.store import Store

    out = Path(out)
    path = out / REPORT if path is None else Path(path)
    store = Store.open(out)
    with whole_file(path, overwrite) as file:
        with stage("reading the results"):
            numbers = read_numbers(open_study(out))
        with stage("writing the report"):
            content = study_content(numbers, store.design, store.plan, store.provenance, out, path)
            file.write_text(study_page(content), encoding="utf-8")
    return summary_of(numbers, content) | {"report": str(path)}


def study_content(
    numbers: Numbers, design: Design, plan: Plan, provenance: Mapping[str, Any], out: Path, path: Path
) -> StudyContent:
    """What the page at `path` says about the study in `out`."""
    progress = _progress(numbers)
    plots = plot_data(numbers, design.places) if progress.done and numbers.quantities and progress.cases > 1 else None
    failures = failure_tables(numbers, plan, read_lines(out / FAILURES))
    times = journal_tables(numbers, plan, read_events(out))
    return StudyContent(
        title=design.name,
        sentences=[_what(design)],
        progress=progress,
        plots=plots,
        left_out="" if plots is None else left_out(numbers, plots),
        summary=summary_table(numbers),
        comparisons=comparison_tables(numbers),
        accuracy=accuracy_table(numbers),
        failures=[] if failures is None else [failures.by_reason, failures.first],
        times=times,
        design=design_sections(design, provenance),
        study_file=study_text(provenance),
        files=_links(out, path),
    )


def summary_of(numbers: Numbers, content: StudyContent) -> dict[str, Any]:
    """What came out in short, for JSON."""
    progress = content.progress
    best = []
    for number, quantity in enumerate(numbers.quantities):
        case = best_case(numbers, number)
        if case is not None:
            entry = {dim: numbers.names[dim][i] for dim, i in zip(DIMS, case)}
            best.append({"quantity": quantity.label, "V_per_m": float(numbers.values[(number, *case)])} | entry)
    return {
        "study": content.title,
        "cases": progress.cases,
        "done": progress.done,
        "failed": progress.failed,
        "not_done": progress.not_done,
        "largest": best,
    }


def _progress(numbers: Numbers) -> Progress:
    done, failed = (int((numbers.state == state).sum()) for state in (DONE, FAILED))
    return Progress(done, failed, numbers.state.size - done - failed)


def _what(design: Design) -> str:
    """Its dimensions with more than one entry, as a product."""
    parts = [
        f"{length:,} {dim if length == 1 else plural(dim)}"
        for dim, length in zip(DIMS, design.shape)
        if length > 1 or dim in ("head", "coil")
    ]
    return f"{' × '.join(parts)}: {design.cases:,} case{'' if design.cases == 1 else 's'}."


def _links(out: Path, path: Path) -> list[tuple[str, str, str]]:
    """Relative addresses from the page to what there is in the folder of the study."""
    found = [(name, text) for name, text in _FILES.items() if (out / name).is_file()]
    found += [(picture.name, "picture") for picture in sorted(out.glob("*.png")) if picture.is_file()]
    base = Path(os.path.relpath(out.resolve(), path.resolve().parent))
    return [(quote((base / name).as_posix()), name, text) for name, text in found]
