"""`femtms report`: the page of a study."""

import json
from pathlib import Path
from typing import Annotated

import typer

from femtms.cli.options import Debug, Json, Overwrite, Quiet
from femtms.cli.progress import stages
from femtms.cli.show import say
from femtms.extras import need_batch


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a study, finished or not.")],
    file: Annotated[Path | None, typer.Option("--out", "-o", help="Page to write. (default: OUT/report.html)")] = None,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the report of a study: a page for the browser with tables, maps and plots, failures and provenance."""
    need_batch("femtms report")
    from femtms.batch.report import report_study

    with stages(quiet or json_) as stage:
        summary = report_study(out, file, overwrite, stage)
    if json_:
        say(json.dumps(summary, indent=2))
    elif not quiet:
        say(f"{summary['study']}: {summary['done']:,} of {summary['cases']:,} cases done, {summary['failed']:,} failed")
        for best in summary["largest"]:
            where = ", ".join(str(best[dim]) for dim in ("head", "coil", "place"))
            say(f"{best['quantity']}: at most {best['V_per_m']:.4g} V/m ({where}, {best['angle']:g}°, "
                  f"{best['distance']:g} mm)")  # fmt: skip
        say(summary["report"])
