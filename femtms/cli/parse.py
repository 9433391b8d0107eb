"""What people type, as values."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from femtms.errors import FemtmsError
from femtms.tissue import tag_of

if TYPE_CHECKING:
    from femtms.anisotropy import Anisotropy


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


def parse_didt(text: str) -> float | tuple[float, ...]:
    """`1e6` in A/s, or `1e6,5e5`, one for each stimulator of a coil.

    >>> parse_didt("1e6"), parse_didt("1e6,-5e5")
    (1000000.0, (1000000.0, -500000.0))
    """
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        raise FemtmsError(f"--didt must be a valid number in A/s, or several with commas; got '{text}'") from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def parse_places(texts: Sequence[str], option: str) -> list[str | tuple[float, float, float]]:
    """Several of them.

    >>> parse_places(["C3", "0,0,92"], "--at")
    ['C3', (0.0, 0.0, 92.0)]
    """
    return [place for text in texts if (place := parse_place(text, option)) is not None]


def parse_share(text: str, option: str) -> float:
    """`2%`, `2 %` or `0.02`.

    >>> parse_share("2%", "--tolerance"), parse_share("0.05", "--tolerance")
    (0.02, 0.05)
    """
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        raise FemtmsError(f"{option} must be a share such as 2% or 0.02; got '{text}'") from None


def parse_fiducials(fiducials: Path | None, electrodes: str | None) -> Path | str | None:
    """The file of --fiducials, or "estimate" for --electrodes estimate, or None.

    >>> parse_fiducials(None, "estimate"), parse_fiducials(None, None)
    ('estimate', None)
    """
    if electrodes not in (None, "estimate"):
        raise FemtmsError(f"--electrodes must be estimate, or not be given; got '{electrodes}': a file is --fiducials")
    if electrodes is not None and fiducials is not None:
        raise FemtmsError("--fiducials and --electrodes estimate are two ways to the same: give one of them")
    return electrodes or fiducials


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
        if tissue.strip() in sigma:
            raise FemtmsError(f"--sigma must name each tissue once; '{tissue.strip()}' is there twice")
        try:
            sigma[tissue.strip()] = float(value)
        except ValueError:
            raise FemtmsError(f"--sigma must be TISSUE=S/m, such as bone=0.008; got '{assignment}'") from None
    return sigma


def parse_anisotropy(
    tensors: Path | None,
    normalisation: str | None,
    max_ratio: float | None,
    max_sigma: float | None,
    frame: str | None,
) -> "Anisotropy | None":
    """The Anisotropy that --tensors and its options ask for, or None.

    >>> parse_anisotropy(None, None, None, None, None)
    >>> parse_anisotropy(Path("dti.nii"), "dir", None, 1.5, None).normalisation
    'dir'
    """
    from femtms.anisotropy import Anisotropy

    options = {  # option -> setting, and what was given
        "anisotropy": ("normalisation", normalisation),
        "max-ratio": ("max_ratio", max_ratio),
        "max-sigma": ("max_sigma", max_sigma),
        "tensor-frame": ("frame", frame),
    }
    given = {option: setting for option, setting in options.items() if setting[1] is not None}
    if tensors is None:
        if given:
            raise FemtmsError(f"--{next(iter(given))} is for tensors: give their file by --tensors")
        return None
    settings: dict[str, Any] = dict(given.values())
    return Anisotropy(tensors, **settings)


def parse_size(text: str) -> float | dict[str | int, float]:
    """`2.6` mm for all tissues, or `gm=1.8,csf=1.8,scalp=4`; a number without a tissue is for the others.

    >>> parse_size("2.6"), parse_size("gm=1.8,csf=1.8,4")
    (2.6, {'gm': 1.8, 'csf': 1.8, 'other': 4.0})
    """
    sizes: dict[str | int, float] = {}
    for part in text.split(","):
        tissue, equals, value = part.rpartition("=")
        tissue = tissue.strip() if equals else "other"
        if tissue != "other":
            tag_of(tissue)  # an unknown name is the better complaint
        try:
            size = float(value)
        except ValueError:
            raise FemtmsError(f"--size must be mm or TISSUE=mm, such as 2.6 or gm=1.8,scalp=4; got '{part}'") from None
        if tissue in sizes:
            raise FemtmsError(f"--size must name each tissue once; got '{text}'")
        sizes[tissue] = size
    return sizes["other"] if set(sizes) == {"other"} else sizes


def parse_limits(text: str) -> list[list[float]]:
    """`x0,x1,y0,y1,z0,z1` in mm as three pairs.

    >>> parse_limits("-120,120,-100,100,0,120")
    [[-120.0, 120.0], [-100.0, 100.0], [0.0, 120.0]]
    """
    numbers = _numbers(text, "--limits-mm")
    if len(numbers) != 6:
        raise FemtmsError(f"--limits-mm must be six numbers x0,x1,y0,y1,z0,z1 in mm; got '{text}'")
    return [numbers[0:2], numbers[2:4], numbers[4:6]]


def parse_resolution(text: str) -> list[float]:
    """`3` mm, or `3,3,2` along x, y and z."""
    return _numbers(text, "--resolution-mm")


def parse_radii(text: str) -> tuple[float, ...]:
    """`78,80,86,92` as numbers in mm."""
    return tuple(_numbers(text, "--radii"))


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise FemtmsError(f"{option} must be numbers separated by commas; got '{text}'") from None
