"""The page of a comparison: one file with all that it needs, for a browser without a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from femtms.analysis.case import STANDARD_SPHERE
from femtms.report.column import Column
from femtms.report.compare_maps import colour_stops, nice_ticks


@dataclass(frozen=True)
class Settings:
    """What the page says about how the numbers came about.

    head         what people call it
    is_exact     whether the numbers on it are those of the closed form for spheres
    gap_mm       of the coils above the scalp
    target       V/m
    period       of a pulse, s
    provenance   (label, text) of each input and version
    """

    head: str
    is_exact: bool
    gap_mm: float
    target: float
    period: float
    provenance: Sequence[tuple[str, str]]


def comparison_page(
    settings: Settings,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    profiles: Sequence[Mapping[str, Any]],
    maps: Mapping[tuple[str, str], bytes],
    limit: float,
    scene: Mapping[str, Any],
) -> str:
    """The page as HTML.

    columns          those of the rows that are shown, where a row has a number in them
    rows, profiles   of io.comparisons; the names in them may hold anything
    maps             (coil, place) -> PNG, coloured from 0 to `limit` V/m for 1 A/µs
    scene            brain, scalp, coils, poses and values, packed as in compare_scene
    """
    coils = list(dict.fromkeys(row["coil"] for row in rows))
    places = list(dict.fromkeys(row["place"] for row in rows))
    environment = Environment(
        loader=PackageLoader("femtms.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    data = {
        "coils": coils,
        "places": places,
        "rows": [dict(row) for row in rows],
        "profiles": list(profiles),
        "standard_sphere": STANDARD_SPHERE,
        "target": settings.target,
        "colours": colour_stops(),
        "limit": limit,
        "scene": scene,
    }
    return environment.get_template("compare.html.j2").render(
        settings=settings,
        columns=[c for c in columns if any(row[c.key] is not None for row in rows)],
        rows=rows,
        coils=coils,
        places=places,
        head_places=[place for place in places if place != STANDARD_SPHERE],
        maps={key: base64.b64encode(png).decode("ascii") for key, png in maps.items()},
        stops=colour_stops(),
        ticks=[(tick, 100 * tick / limit) for tick in nice_ticks(limit)],
        limit=limit,
        data=data,
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
    )
