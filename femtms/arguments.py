"""Wrong arguments of public functions: one sentence instead of an AttributeError from the inside."""

import inspect
import types
import typing
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from femtms.errors import FemtmsError

P = ParamSpec("P")
R = TypeVar("R")

# The classes that are looked at, and how to come by what is asked for.
_FROM = {
    "TetMesh": "mesh_head(load_head('colin27')) or read_mesh('head.msh')",
    "Coil": "load_coil('figure8-70mm')",
    "Pose": "place(mesh, 'C3', 'CP3') or Pose(matrix)",
    "Field": "Simulator(mesh).solve(coil, pose)",
    "Surface": "read_surface('lh.gii')",
    "LabelVolume": "read_labels('head.nii.gz')",
    "CoilModel": "read_tcd('coil.tcd')",
    "TensorVolume": "read_tensors('dti_tensor.nii.gz')",
}


def checks_kinds(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which raises FemtmsError for an argument that is not of the class of _FROM that it declares."""
    parameters = inspect.signature(function)

    @cache
    def kinds() -> dict[str, tuple[type, ...]]:
        hints = typing.get_type_hints(function)
        classes = {
            name: typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
            for name, hint in hints.items()
            if name != "return"
        }
        return {name: own for name, own in classes.items() if all(map(_is_ours, own))}

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = parameters.bind(*args, **kwargs).arguments
        except TypeError:  # what is missing or too much Python says better, with the name of the function
            return function(*args, **kwargs)
        for name, kind in kinds().items():
            if name in given and not isinstance(given[name], kind):
                raise FemtmsError(_sentence(name, kind, given))
        return function(*args, **kwargs)

    return checked


def _is_ours(kind: Any) -> bool:
    return kind is type(None) or (isinstance(kind, type) and kind.__name__ in _FROM)


def _sentence(name: str, kinds: tuple[type, ...], given: dict[str, Any]) -> str:
    """What the argument must be, where to have it from, and what came."""
    must = " or ".join("None" if kind is type(None) else f"a femtms.{kind.__name__}" for kind in kinds)
    made = next((f", as from {_FROM[kind.__name__]}" for kind in kinds if kind.__name__ in _FROM), "")
    came = f"'{given[name]:.40}'" if isinstance(given[name], str) else type(given[name]).__name__
    other = next((n for n, value in given.items() if n != name and isinstance(value, kinds)), None)
    swapped = f" (was it given as {other}?)" if other is not None else ""
    return f"{name} must be {must}{made}; got {came}{swapped}"
