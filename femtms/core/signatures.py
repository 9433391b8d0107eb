"""What the kernels take: read from their source, which is the one place that says it."""

import re
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

_TYPES = {
    "int": np.int32,
    "int64": np.int64,
    "uint64": np.uint64,
    "uint8": np.uint8,
    "bool": np.bool_,
    "float": np.float32,
    "double": np.float64,
}
_KERNEL = re.compile(r"^KERNEL (\w+)\(([^)]*)\)", re.MULTILINE)
_PARAMETER = re.compile(r"(const )?(\w+)(\*)?(?: RESTRICT)? (\w+)(?: /\* ?(.+?) ?\*/)?")
_LENGTH = re.compile(r"(\w+)(?:([+*])(\w+))?")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    dtype   of the number, or of the array's entries
    array   whether it is an array
    const   whether the kernel only reads it
    absent  whether `None` may stand in its place: its comment ends with a question mark
    shape   of the array, each length as a number, the name of a parameter or of a length that is free, or two of
            these with + or *; None: not checked
    """

    name: str
    dtype: np.dtype
    array: bool
    const: bool
    absent: bool
    shape: tuple[tuple[str, str, str], ...] | None


@dataclass(frozen=True)
class Signature:
    """The name of a kernel and what it takes."""

    name: str
    parameters: tuple[Parameter, ...]

    @cached_property
    def _plan(self) -> list[tuple[Parameter, Any, np.dtype, list[tuple[int | None, str, str, str]]]]:
        """Each parameter, what makes a number of it or None for an array, its dtype, and its lengths.

        A length is a number, or None and its parts.  Looked up once: a solver makes thousands of calls a second.
        """
        plan = []
        for parameter in self.parameters:
            lengths = [
                (int(first) if first.isdigit() and not sign else None, first, sign, second)
                for first, sign, second in parameter.shape or ()
            ]
            number = None if parameter.array else _NUMBERS.get(parameter.dtype.name, index)
            plan.append((parameter, number, parameter.dtype, lengths))
        return plan

    def checked(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arguments with numbers as int or float and arrays as they are.

        The kernels know nothing of types, strides and lengths: they read whatever bytes they are given.
        Raises TypeError or ValueError that says what must be and what came.
        """
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments; got {len(arguments)}")
        known: dict[str, int] = {}
        passed: list[Any] = []
        for (parameter, number, dtype, lengths), value in zip(self._plan, arguments):
            if number is not None:
                try:
                    value = known[parameter.name] = number(value)
                except (TypeError, ValueError):
                    wanted = f"'{parameter.name}' of {self.name} must be a number, {dtype}"
                    raise TypeError(f"{wanted}; got {_described(value)}") from None
                except OverflowError:
                    raise ValueError(f"'{parameter.name}' of {self.name} must be below 2^31; got {value:,}") from None
            elif value is not None or not parameter.absent:
                # NumPy takes None for float64
                if not hasattr(value, "dtype") or value.dtype != dtype or not value.flags.c_contiguous:
                    raise TypeError(
                        f"'{parameter.name}' of {self.name} must be a C-contiguous array of {dtype}; "
                        f"got {_described(value)}"
                    )
                if parameter.shape is not None and not _fits(value.shape, lengths, known):
                    wanted = ",".join("".join(parts) for parts in parameter.shape)
                    others = ", ".join(f"{name} = {length}" for name, length in known.items())
                    raise ValueError(
                        f"'{parameter.name}' of {self.name} must be ({wanted}) with {others}; got {value.shape}"
                    )
            passed.append(value)
        return passed


def _fits(shape: tuple[int, ...], lengths: list[tuple[int | None, str, str, str]], known: dict[str, int]) -> bool:
    """Whether an array has these lengths; those that are not known yet are known then."""
    if len(shape) != len(lengths):
        return False
    for length, (must, first, sign, second) in zip(shape, lengths):
        if must is None:
            if not sign:
                must = known.setdefault(first, length)
            else:
                a, b = (int(part) if part.isdigit() else known.get(part) for part in (first, second))
                if a is None or b is None:  # of an array that is absent
                    continue
                must = a + b if sign == "+" else a * b
        if length != must:
            return False
    return True


def _int32(value: Any) -> int:
    number = index(value)
    if not -(2**31) <= number < 2**31:
        raise OverflowError
    return number


_NUMBERS: dict[str, Any] = {"float32": float, "float64": float, "bool": bool, "int32": _int32}  # others: whole numbers


def _described(value: Any) -> str:
    if not hasattr(value, "dtype"):
        return repr(value)[:60]
    if value.flags.c_contiguous:
        return f"one of {value.dtype}"
    return f"one of {value.dtype} with shape {value.shape} and strides {value.strides}"


def signatures(source: str) -> dict[str, Signature]:
    """What every kernel in C++ source takes, by name.

    >>> [p.name for p in signatures("KERNEL f(const int n, double* x /* n,3 */)")["f"].parameters]
    ['n', 'x']
    """
    found = {}
    for name, arguments in _KERNEL.findall(source):
        parameters: list[Parameter] = []
        known: set[str] = set()  # lengths that an array may have
        for argument in _split(arguments):
            match = _PARAMETER.fullmatch(argument)
            if match is None or match[2] not in _TYPES:
                raise ValueError(f"kernel '{name}': cannot read the parameter '{argument}'")
            const, kind, pointer, own, lengths = match.groups()
            absent = (lengths or "").endswith("?")
            lengths = (lengths or "").removesuffix("?")
            shape = _shape(name, own, lengths, known) if lengths else None
            known.add(own)
            parameters.append(Parameter(own, np.dtype(_TYPES[kind]), bool(pointer), bool(const), absent, shape))
        found[name] = Signature(name, tuple(parameters))
    return found


def _shape(kernel: str, array: str, lengths: str, known: set[str]) -> tuple[tuple[str, str, str], ...]:
    """The lengths of an array, from the comment behind its parameter; `known` are those of parameters before it."""
    shape = []
    for text in lengths.split(","):
        match = _LENGTH.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"kernel '{kernel}': cannot read the length '{text.strip()}' of '{array}'; "
                "write a number, a name, or two of these with + or *"
            )
        first, sign, second = match.groups("")
        if not sign:
            known.add(first)
        for part in (first, second):
            if part and not part.isdigit() and part not in known:
                raise ValueError(f"kernel '{kernel}': '{part}' must come before '{array}', whose length it is in")
        shape.append((first, sign, second))
    return tuple(shape)


def _split(arguments: str) -> list[str]:
    """The parameters of a list, whose comments may have commas, too."""
    return [part.strip() for part in re.split(r",(?![^/]*\*/)", " ".join(arguments.split())) if part.strip()]
