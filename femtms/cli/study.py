"""`femtms study`: begin a study file, check it, and the schema for editors."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from femtms.cli.options import Debug, Json, Overwrite
from femtms.cli.show import say
from femtms.errors import FemtmsError

study_app = typer.Typer(help="Begin or check the file of a study.", no_args_is_help=True)


@study_app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The new file.")] = Path("study.yaml"),
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write a commented example of a study."""
    from femtms.io.files import whole_file
    from femtms.study.example import example

    with whole_file(file, overwrite) as temporary:
        temporary.write_text(example(), encoding="utf-8")
    say(str(file))


@study_app.command()
def check(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="Its file.")],
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit code 0 also when some cases cannot work.")
    ] = False,
    json_: Json = False,
    debug: Debug = False,
) -> None:
    """Say all that is wrong with a study, or what would run, and about how long, how much memory and disk.

    Exit code 2 for a study that is wrong, and for one with cases that cannot work, unless --allow-failures.
    """
    from femtms import read_study
    from femtms.batch.columns import columns_of
    from femtms.study.impossible import impossible_cases
    from femtms.study.summary import study_summary

    design = read_study(study)
    found = impossible_cases(design)
    summary = study_summary(design, len(columns_of(design.results)))
    summary |= {"impossible_cases": found.cases, "reasons": list(found.reasons)}
    if json_:
        say(json.dumps(summary, indent=2))
    else:
        print_study(summary)
    if found.cases and not allow_failures:
        raise FemtmsError(
            f"{study}: {found.cases:,} of {design.cases:,} cases cannot work ({found.reasons[0]}); "
            "mend them; --allow-failures ends this check with exit code 0, and femtms run computes the others"
        )


@study_app.command()
def schema(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; without, it is printed.")] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """The JSON schema of study files, with which editors complete and check them."""
    from femtms.io.files import whole_file
    from femtms.study.schema import study_schema

    text = json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"
    if file is None:
        print(text, end="")
        return
    with whole_file(file, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(str(file))


def print_study(summary: dict[str, Any]) -> None:
    """What would run."""
    cases, blocks = (f"{summary[key]:,} {key[: -1 if summary[key] == 1 else None]}" for key in ("cases", "blocks"))
    say(f"{summary['name']}: {cases} in {blocks}")
    for dim, labels in summary["dimensions"].items():
        names = ", ".join(_label(name) for name in labels["first"])
        more = ", …" if labels["length"] > len(labels["first"]) else ""
        say(f"  {dim:<13}{labels['length']:>8,}  {names}{more}")
    half = (len(summary["examples"]) + 1) // 2
    for i, case in enumerate(summary["examples"]):
        if i == half and summary["cases"] > len(summary["examples"]):
            say("  …")
        say(f"  {'case' if i in (0, half) else '':<6}{' | '.join(_label(name) for name in case.values())}")
    for file in summary["files"]:
        say(f"  file  {file['path']}  {_bytes(file['bytes'])}")
    if summary["impossible_cases"]:
        say(f"{summary['impossible_cases']:,} of {cases} cannot work:")
        for reason in summary["reasons"]:
            say(f"  {reason}")
    _print_estimate(summary)


def _print_estimate(summary: dict[str, Any]) -> None:
    cost = summary["estimate"]
    low, high = (f"{tets:.2g}" for tets in cost["tets"])
    say(f"about {_time(cost['seconds'])}: {_time(cost['set_up_s'])} for set-up, {_time(cost['cases_s'])} for cases")
    say(f"about {_bytes(cost['memory_bytes'])} of memory for each worker, {_bytes(cost['disk_bytes'])} on disk")
    say(f"about {low if low == high else f'{low} to {high}'} million tetrahedra; a rough estimate {cost['model']}")
    if cost["unknown"]:
        say(f"not counted, as their files do not say their size: {', '.join(cost['unknown'])}")


def _label(name: str | float) -> str:
    return f"{name:g}" if isinstance(name, float) else name


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2g} {unit}" if count < 10 * size else f"{count / size:,.0f} {unit}"
    return f"{count:.0f} bytes"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} second{'s' * (round(seconds) != 1)}"
