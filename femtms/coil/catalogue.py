"""Built-in coils, each from published geometry."""

from collections.abc import Callable

from femtms.coil.coil import Coil
from femtms.coil.winding import flat_figure_eight
from femtms.errors import FemtmsError


def _figure8_70mm() -> Coil:
    return flat_figure_eight(
        "figure8-70mm",
        inner_diameter=0.056,
        outer_diameter=0.087,
        turns=9,
        wire_width=0.00175,
        wire_height=0.006,
        max_didt=114.73e6,
        source="Magstim 70 mm: Deng, Lisanby & Peterchev 2013, Brain Stimul 6:1; dI/dt: Drakaki et al. 2022",
    )


CATALOGUE: dict[str, Callable[[], Coil]] = {"figure8-70mm": _figure8_70mm}


def catalogue_coil(name: str) -> Coil:
    """The built-in coil of that name; raises FemtmsError with the names that there are."""
    if name not in CATALOGUE:
        raise FemtmsError(f"a built-in coil must be one of {', '.join(CATALOGUE)}; got '{name}'")
    return CATALOGUE[name]()
