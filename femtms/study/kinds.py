"""Kinds of values in a study file: texts, numbers, points, and lists that may be short for one entry."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails

from femtms.errors import FemtmsError
from femtms.study.naming import LONGEST_NAME, check_name

_MOST_NUMBERS = 100_000  # of one list
_LONGEST_TEXT = 1000

T = TypeVar("T")


class Entry(BaseModel):
    """A mapping of a study file: nothing but the keys that are described."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Broken:
    """An entry that is not what it must be: the others are looked at all the same.

    errors  what pydantic says, with places inside the entry
    """

    errors: tuple[ErrorDetails, ...]


def _kept(value: Any, handler: Callable[[Any], Any]) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        return Broken(tuple(error.errors(include_url=False)))


Kept = WrapValidator(_kept)


def shapes(kind_of: Callable[[Any], str | None], must: str) -> Discriminator:
    """Which tag of a union a value belongs to by its shape; `must` says what it must be when there is none."""
    return Discriminator(kind_of, custom_error_type="shape", custom_error_message=must)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise FemtmsError("must have printable characters only")
    return text


Text = Annotated[str, Strict(), Field(min_length=1, max_length=_LONGEST_TEXT), AfterValidator(_printable)]
Name = Annotated[str, Strict(), Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(check_name)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Flag = Annotated[bool, Strict()]

# One entry, or a list of entries: which of them it is, is told by being a list.
OneOrMany = Annotated[
    Annotated[T, Tag("<one>")] | Annotated[list[T], Tag("<many>")],
    Discriminator(lambda value: "<many>" if isinstance(value, list) else "<one>"),
]


def is_number(value: Any) -> bool:
    """Whether a plain value is one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind_of_point(value: Any) -> str | None:
    if isinstance(value, str):
        return "<electrode>"
    return "<xyz>" if isinstance(value, list | tuple) and len(value) == 3 else None


XYZ = tuple[Number, Number, Number]
Electrode = Text  # that a head has it is looked at when the heads are known
PointIn = Annotated[
    Annotated[Electrode, Tag("<electrode>")] | Annotated[XYZ, Tag("<xyz>")],
    shapes(_kind_of_point, "must be the name of an electrode, or [x, y, z] in mm"),
    Field(description="Name of an electrode, such as C3, or [x, y, z] in mm in head coordinates."),
]


class Steps(Entry):
    """Numbers at even steps: `{from: 0, to: 170, step: 10}`; the last one is there when a step meets it."""

    first: Number = Field(alias="from", description="The first number.")
    last: Number = Field(alias="to", description="None is beyond it.")
    step: Number = Field(description="From each to the next; below 0 to go down.")

    @model_validator(mode="after")
    def _has_an_end(self) -> "Steps":
        if self.step == 0:
            raise FemtmsError("step must not be 0")
        if not 0 <= self._steps < _MOST_NUMBERS:
            many = "none" if self._steps < 0 else f"about {self._steps:.3g}"
            raise FemtmsError(
                f"from {self.first:g} to {self.last:g} in steps of {self.step:g} must be 1 to {_MOST_NUMBERS:,} "
                f"numbers; they are {many}"
            )
        return self

    @property
    def _steps(self) -> float:
        return float((_decimal(self.last) - _decimal(self.first)) / _decimal(self.step))

    @property
    def numbers(self) -> list[float]:
        """Each is what its decimals say: the fourth of steps of 0.1 is 0.3."""
        first, step = _decimal(self.first), _decimal(self.step)
        count = int((_decimal(self.last) - first) / step) + 1
        return [float(first + i * step) for i in range(count)]


def _decimal(number: float) -> Decimal:
    return Decimal(repr(number))


def _kind_of_numbers(value: Any) -> str | None:
    if is_number(value):
        return "<number>"
    return "<steps>" if isinstance(value, dict) else "<numbers>" if isinstance(value, list | tuple) else None


def _kind_of_part(value: Any) -> str | None:
    return None if isinstance(value, list | tuple) else _kind_of_numbers(value)


_MUST_BE_NUMBERS = "must be a number, a list of numbers, or {from: …, to: …, step: …}"
_Part = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[Steps, Tag("<steps>")],
    shapes(_kind_of_part, _MUST_BE_NUMBERS),
]


def _flat(value: float | Steps | list[float | Steps]) -> tuple[float, ...]:
    numbers: list[float] = []
    for part in value if isinstance(value, list) else [value]:
        numbers += part.numbers if isinstance(part, Steps) else [part]
    if not 0 < len(numbers) <= _MOST_NUMBERS:
        raise FemtmsError(f"must be 1 to {_MOST_NUMBERS:,} numbers; they are {len(numbers):,}")
    seen: set[float] = set()
    for number in numbers:
        if number in seen:
            raise FemtmsError(f"must have each number once; {number:g} is there twice")
        seen.add(number)
    return tuple(number + 0.0 for number in numbers)  # -0 is 0


if TYPE_CHECKING:
    Numbers = tuple[float, ...]  # what becomes of all that may be written
else:
    Numbers = Annotated[
        Annotated[Number, Tag("<number>")]
        | Annotated[Steps, Tag("<steps>")]
        | Annotated[list[_Part], Tag("<numbers>")],
        shapes(_kind_of_numbers, _MUST_BE_NUMBERS),
        AfterValidator(_flat),
    ]
