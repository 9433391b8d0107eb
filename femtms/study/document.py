"""What a study file says, as plain values, and in which line each of them stands."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from femtms.errors import FemtmsError, StudyFaults
from femtms.io.files import existing_file
from femtms.io.names import printable

Key = str | int
At = tuple[Key, ...]  # ("coils", 1, "path"): where a value is

LARGEST_BYTES = 1_000_000  # of a study file: positions by the thousand belong into a file of poses
_MOST_VALUES = 200_000  # after aliases are followed: a few lines of them can stand for billions
_DEEPEST = 20
_LONGEST_INTEGER = 18  # digits; a longer number is one with a rounded end


@dataclass(frozen=True)
class Document:
    """Plain values (dict, list, str, int, float, bool, None) and where they are from.

    file    the study's name in messages; "" for values that are not from a file
    folder  what paths are relative to
    lines   where a value is -> its line, counted from 1: that of its key, or of its entry of a list
    faults  where something is no plain data, and what is wrong with it; None is the value there
    """

    values: Any
    file: str
    folder: Path
    lines: Mapping[At, int] = field(default_factory=dict)
    faults: tuple[tuple[At, str], ...] = ()

    def fault(self, at: At, sentence: str) -> str:
        """What is wrong at a place, with that place: "study.yaml:12: coils[1].path: must be text; got 3"."""
        where = ""
        for key in at:
            where += f"[{key}]" if isinstance(key, int) else f".{printable(key, 60)}" if where else printable(key, 60)
        said = printable(f"{where}: {sentence}" if where else sentence, most=None)
        if not self.file:
            return said
        return f"{self.file}:{self.line(at)}: {said}"

    def line(self, at: At) -> int:
        """The line of a value, or of the innermost one around it that is written."""
        return next((self.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.lines), 1)


def read_document(path: str | Path) -> Document:
    """The values of a YAML file and their lines.  Plain data only: a tag that asks for more is a fault.

    Numbers and words are those of YAML 1.2 (its core schema): 1e6 is a number, 010 is ten, and yes, no and on are
    words.  Raises FemtmsError when the file cannot be read, and StudyFaults with the line where it is no YAML.
    """
    path = existing_file(path)
    if path.stat().st_size > LARGEST_BYTES:
        raise FemtmsError(
            f"{path}: a study must have at most {LARGEST_BYTES:,} bytes; it has {path.stat().st_size:,}: many "
            f"positions belong into a file of poses"
        )
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise StudyFaults([f"{path}:{line}: a study must be text in UTF-8; byte {error.start} is not"]) from None
    node = _composed(text, path)
    if node is None:
        raise StudyFaults([f"{path}:1: a study must say something; `femtms study init` writes an example"])
    walk = _Walk(str(path))
    values = walk.plain(node, ())
    return Document(values, str(path), path.resolve().parent, walk.lines, tuple(walk.faults))


def document_of(values: Mapping[str, Any], folder: str | Path | None = None) -> Document:
    """The same from Python: mappings, sequences, arrays, paths, text and numbers.

    Raises StudyFaults for what is nested without an end.
    """
    faults: list[tuple[At, str]] = []
    plain = _plain(values, (), faults)
    return Document(plain, "", Path(folder or ".").resolve(), faults=tuple(faults))


class _Loader(yaml.SafeLoader):
    """SafeLoader whose plain words are those of YAML 1.2; only its nodes are used, so that it makes no objects."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (PyYAML's name for a table of the class)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def _composed(text: str, path: Path) -> yaml.Node | None:
    """The tree of a YAML text; None for one without content."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        problem = " ".join(filter(None, (error.context, error.problem)))
        if "'\\t'" in problem:
            problem = "a tab cannot indent; use spaces"
        raise StudyFaults([f"{path}:{line}: is no YAML: {printable(problem)}"]) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise StudyFaults([f"{path}:{line}: is no YAML: character U+{ord(text[error.position]):04X}"]) from None
    except RecursionError:
        raise StudyFaults([f"{path}:1: must not be nested more than {_DEEPEST} deep"]) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # of escapes that stand for no character
        raise StudyFaults([f"{path}:1: is no YAML: {printable(str(error))}"]) from None


class _Walk:
    """From the nodes of YAML to plain values; what is met on the way is its state."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[At, int] = {}
        self.faults: list[tuple[At, str]] = []
        self.values = 0

    def plain(self, node: yaml.Node, at: At) -> Any:
        """The value of a node, whose line is noted under `at` unless its key's is."""
        line = self.lines.setdefault(at, node.start_mark.line + 1)
        self.values += 1
        if len(at) > _DEEPEST or self.values > _MOST_VALUES:  # a loop of aliases is deep, a bomb of them is large
            what = f"nested more than {_DEEPEST} deep" if len(at) > _DEEPEST else f"more than {_MOST_VALUES:,} values"
            raise StudyFaults([f"{self.file}:{line}: must not be {what}, with aliases followed"])
        kind = _KINDS.get(node.tag)
        if kind is None or not isinstance(node, kind):
            tag = printable(node.tag.replace("tag:yaml.org,2002:", "!!"), 60)
            self.faults.append((at, f"must be plain data, without tags; got {tag}"))
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*at, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        return self._scalar(node, at)

    def _mapping(self, node: yaml.MappingNode, at: At) -> dict[Key, Any]:
        values: dict[Key, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, at) if isinstance(key_node, yaml.ScalarNode) else None
            if isinstance(key, bool) or not isinstance(key, str | int):
                here = (*at, "?")
                self.lines[here] = line
                self.faults.append((here, "a key must be text or a whole number"))
                continue
            here = (*at, key)
            if key in values:
                first, self.lines[here] = self.lines[here], line
                self.faults.append((here, f"is given twice; the first is in line {first}"))
                continue
            self.lines[here] = line
            values[key] = self.plain(value_node, here)
        return values

    def _scalar(self, node: yaml.ScalarNode, at: At) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value
        try:
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
        except (ValueError, KeyError):
            self.faults.append((at, f"'{printable(text, 60)}' is no {kind}"))
            return None
        return None if kind == "null" else text


_KINDS: dict[str, type] = {
    f"tag:yaml.org,2002:{name}": kind
    for names, kind in (
        (("str", "int", "float", "bool", "null"), yaml.ScalarNode),
        (("seq",), yaml.SequenceNode),
        (("map",), yaml.MappingNode),
    )
    for name in names
}


def _integer(text: str) -> int | float:
    if len(text) > _LONGEST_INTEGER:
        return float(text)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _plain(value: Any, at: At, faults: list[tuple[At, str]]) -> Any:
    """A Python value as YAML has it."""
    if len(at) > _DEEPEST:  # at once: a list that holds itself twice has no end
        raise StudyFaults([f"{at[0]}: must not be nested more than {_DEEPEST} deep"])
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        bad = [key for key in value if isinstance(key, bool) or not isinstance(key, str | int)]
        faults += [(at, f"a key must be text or a whole number; got {key!r:.60}") for key in bad]
        return {key: _plain(item, (*at, key), faults) for key, item in value.items() if key not in bad}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item, (*at, i), faults) for i, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    faults.append((at, f"must be text, a number, a list or a mapping; got {type(value).__name__}"))
    return None
