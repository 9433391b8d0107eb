"""The page of a comparison: one file with all that it needs, for a browser without a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from femtms.analysis.case import STANDARD_SPHERE
from femtms.report.compare_maps import colour_stops, nice_ticks


@dataclass(frozen=True)
class Column:
    """A column of the table: key of the row, heading, unit, digits after the point, and what it means."""

    key: str
    heading: str
    unit: str
    digits: int
    meaning: str


COLUMNS = (
    Column("E_brain_V_per_m_per_A_per_us", "|E| brain", "V/m per A/µs", 2, "brain maximum of |E| for 1 A/µs"),
    Column("E_brain_at_limit_V_per_m", "|E| at limit", "V/m", 0, "the same at the largest dI/dt of the stimulator"),
    Column("d_half_cm", "d½", "cm", 2, "greatest depth with at least half the brain maximum"),
    Column("s_half_cm2", "S½", "cm²", 1, "spread: V½/d½"),
    Column("v_half_cm3", "V½", "cm³", 1, "volume of brain with at least half the brain maximum"),
    Column("gm_50_ml", "GM ≥ 50 %", "mL", 1, "grey matter with at least half the brain maximum"),
    Column("gm_75_ml", "GM ≥ 75 %", "mL", 1, "grey matter with at least three quarters of the brain maximum"),
    Column("scalp_cortex_ratio", "scalp/cortex", "", 2, "field in the scalp by that in the brain"),
    Column("didt_for_target_A_per_us", "dI/dt", "A/µs", 1, "rate of change of the current for the target"),
    Column("share_of_max_percent", "of limit", "%", 0, "that as a share of the stimulator's largest"),
    Column("inductance_uH", "L", "µH", 1, "inductance of the coil"),
    Column("energy_for_target_J", "energy", "J", 1, "magnetic energy of the coil for the target"),
    Column("clearance_mm", "clearance", "mm", 1, "distance of the casing from the scalp"),
)


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
    rows: Sequence[Mapping[str, Any]],
    profiles: Sequence[Mapping[str, Any]],
    maps: Mapping[tuple[str, str], bytes],
    limit: float,
    scene: Mapping[str, Any],
) -> str:
    """The page as HTML.

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
        columns=[c for c in COLUMNS if any(row[c.key] is not None for row in rows)],
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
