"""What the kernels take: read from their source, which is the one place that says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
_NUMBERS: dict[str, Any] = {"f": float, "b": bool}  # by the kind of dtype; the others are whole
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

    def checked(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arguments with numbers as int or float and arrays as they are.

        The kernels know nothing of types, strides and lengths: they read whatever bytes they are given.
        Raises TypeError or ValueError that says what must be and what came.
        """
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments; got {len(arguments)}")
        lengths: dict[str, int] = {}
        passed: list[Any] = []
        for parameter, value in zip(self.parameters, arguments):
            if not parameter.array:
                try:
                    number = _NUMBERS.get(parameter.dtype.kind, index)(value)
                except (TypeError, ValueError):
                    wanted = f"'{parameter.name}' of {self.name} must be a number, {parameter.dtype}"
                    raise TypeError(f"{wanted}; got {_described(value)}") from None
                if parameter.dtype == np.int32 and not -(2**31) <= number < 2**31:
                    raise ValueError(f"'{parameter.name}' of {self.name} must be below 2^31; got {number:,}")
                lengths[parameter.name] = number
                passed.append(number)
                continue
            if value is not None or not parameter.absent:
                self._check_array(parameter, value, lengths)
            passed.append(value)
        return passed

    def _check_array(self, parameter: Parameter, value: Any, lengths: dict[str, int]) -> None:
        # NumPy takes None for float64
        if not hasattr(value, "dtype") or value.dtype != parameter.dtype or not value.flags.c_contiguous:
            raise TypeError(
                f"'{parameter.name}' of {self.name} must be a C-contiguous array of {parameter.dtype}; "
                f"got {_described(value)}"
            )
        if parameter.shape is None:
            return
        shape = value.shape
        if len(shape) == len(parameter.shape):
            for length, (first, sign, second) in zip(shape, parameter.shape):
                if not sign and first not in lengths and not first.isdigit():
                    lengths[first] = length
                elif length != _length(first, sign, second, lengths, length):
                    break
            else:
                return
        wanted = ",".join("".join(parts) for parts in parameter.shape)
        known = ", ".join(f"{name} = {number}" for name, number in lengths.items())
        raise ValueError(f"'{parameter.name}' of {self.name} must be ({wanted}) with {known}; got {shape}")


def _length(first: str, sign: str, second: str, lengths: Mapping[str, int], otherwise: int) -> int:
    """What a length must be, or `otherwise` where a name in it is that of an absent array."""
    a, b = (int(part) if part.isdigit() else lengths.get(part) for part in (first, second or "0"))
    if a is None or b is None:
        return otherwise
    return a * b if sign == "*" else a + b


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
