"""Label maps by name, from CSV files, or as Python mappings."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from femtms.errors import FemtmsError
from femtms.head.label_map import PRESETS, LabelMap, check_number_of_labels, labels_of
from femtms.io.files import existing_file, file_provenance, text_lines
from femtms.spelling import meant

Labels = str | Path | Mapping[int | str, int | str] | LabelMap

_COLUMNS = ("label", "tissue")


def label_map_of(labels: Labels) -> LabelMap:
    """A label map by its built-in name, from a CSV file, or from a mapping such as {2: "wm", "1000-1035": "gm"}.

    Raises FemtmsError when it is none of these, and as `read_label_map` and `LabelMap.of` do.
    """
    if isinstance(labels, LabelMap):
        return labels
    if isinstance(labels, Mapping):
        return LabelMap.of(labels)
    if not isinstance(labels, str | Path):
        raise FemtmsError(f"{_choice()}, a mapping or a LabelMap; got {type(labels).__name__}")
    if str(labels).lower() in PRESETS:
        return PRESETS[str(labels).lower()]
    path = Path(labels)
    if not path.suffix and not path.exists():
        raise FemtmsError(f"{_choice()}; there is no '{labels}'{meant(str(labels), PRESETS)}")
    return read_label_map(path)


def _choice() -> str:
    return f"a label map must be a built-in name ({', '.join(PRESETS)}) or a CSV file"


def read_label_map(path: str | Path) -> LabelMap:
    """A label map from CSV: the columns label and tissue, and any others, which are not read.

    label   a number, a range such as 1000-1035, or * for all labels that are not named
    tissue  a number, a name such as gm, or air

    Lines that start with # are comments, and so is what follows # in these two columns.
    Raises FemtmsError with the line that is wrong.
    """
    path = existing_file(path)
    lines = text_lines(path, "a label map must be text (CSV)")
    rows = [(i + 1, line) for i, line in enumerate(lines) if line.strip(" \t,") and not line.lstrip().startswith("#")]
    if not rows:
        raise FemtmsError(f"{path}: a label map must have the header label,tissue and rows; it has only comments")
    header = [cell.lower() for cell in _cells(path, *rows[0])]
    if any(header.count(column) != 1 for column in _COLUMNS):
        raise FemtmsError(
            f"{path}, line {rows[0][0]}: must be a header with the columns label and tissue, separated by a comma; "
            f"got '{rows[0][1][:60]}'"
        )
    at = [header.index(column) for column in _COLUMNS]

    tissues: dict[int | str, int | str] = {}
    line_of: dict[int | str, int] = {}
    for number, line in rows[1:]:
        cells = _cells(path, number, line)
        if len(cells) <= max(at):
            raise FemtmsError(f"{path}, line {number}: must be a label and a tissue; got '{line[:60]}'")
        label, tissue = (cells[i] for i in at)
        try:
            LabelMap.of({label: tissue})
            keys: list[int | str] = list(labels_of(label) or ("*",))
        except FemtmsError as error:
            raise FemtmsError(f"{path}, line {number}: {error}") from None
        twice = next((key for key in keys if key in line_of), None)
        if twice is not None:
            raise FemtmsError(
                f"{path}, line {number}: each label must be named once; {twice} is in line {line_of[twice]} already"
            )
        tissues |= dict.fromkeys(keys, tissue)
        line_of |= dict.fromkeys(keys, number)
        check_number_of_labels(len(tissues), str(path))
    if not tissues:
        raise FemtmsError(f"{path}: a label map must name at least one label; it has only a header")
    return LabelMap.of(tissues, path.name)


def _cells(path: Path, number: int, line: str) -> list[str]:
    """The cells of one line without blanks and comments."""
    try:
        return [cell.partition("#")[0].strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except (csv.Error, StopIteration) as error:
        raise FemtmsError(f"{path}, line {number}: must be comma-separated text; got '{line[:60]}'") from error


def label_map_provenance(labels: Labels) -> dict[str, Any]:
    """Name, path and hash, or content of a label map, for reports."""
    if isinstance(labels, str | Path):
        name = str(labels).lower()
        return {"name": name} if name in PRESETS else file_provenance(Path(labels))
    label_map = label_map_of(labels)
    tissues = {str(label): tissue for label, tissue in label_map.tissues.items()}
    return {"name": label_map.name, "tissues": tissues, "rest": label_map.rest}
