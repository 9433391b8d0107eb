"""What people type, as values."""

from collections.abc import Sequence

from femtms.errors import FemtmsError
from femtms.tissue import tag_of


def parse_place(text: str | None, option: str) -> str | tuple[float, float, float] | None:
    """An electrode name, or `x,y,z` in mm as three numbers.

    >>> parse_place("C3", "--at"), parse_place("-65,-12.5,64", "--at")
    ('C3', (-65.0, -12.5, 64.0))
    """
    if text is None or "," not in text:
        return text
    numbers = _numbers(text, option)
    if len(numbers) != 3:
        raise FemtmsError(f"{option} must be an electrode name or x,y,z in mm; got '{text}'")
    return numbers[0], numbers[1], numbers[2]


def parse_sigma(assignments: Sequence[str]) -> dict[int | str, float]:
    """`bone=0.008` or `3=1.5`, also several separated by commas.

    >>> parse_sigma(["bone=0.008,csf=1.5"])
    {'bone': 0.008, 'csf': 1.5}
    """
    sigma: dict[int | str, float] = {}
    for assignment in (part for text in assignments for part in text.split(",")):
        tissue, equals, value = assignment.partition("=")
        if equals:
            tag_of(tissue)  # an unknown name is the better complaint
        try:
            sigma[tissue.strip()] = float(value)
        except ValueError:
            raise FemtmsError(f"--sigma must be TISSUE=S/m, such as bone=0.008; got '{assignment}'") from None
    return sigma


def parse_radii(text: str) -> tuple[float, ...]:
    """`78,80,86,92` as numbers in mm."""
    return tuple(_numbers(text, "--radii"))


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise FemtmsError(f"{option} must be numbers separated by commas; got '{text}'") from None
