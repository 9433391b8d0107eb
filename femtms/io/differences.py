"""How two runs' inputs differ, in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST = 80  # characters of a value in a message


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not the same in two sets of inputs, a sentence each; files that were moved are the same files.

    there  those of a result that exists, read from JSON; now  what was asked for, as JSON will have it
    """
    return list(_differences(there, json.loads(json.dumps(now)), ""))


def in_words(found: list[str], most: int = 4) -> str:
    """The first differences, as a part of a sentence."""
    return "; ".join(found[:most]) + (" and others" if len(found) > most else "")


def _differences(there: Any, now: Any, name: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(now, dict):
        for key in [*there, *(key for key in now if key not in there)]:
            if key != "path":
                yield from _differences(there.get(key), now.get(key), f"{name} {key}".strip())
    elif _are_named(there) and _are_named(now):
        before, after = ({item["name"]: item for item in items} for items in (there, now))
        if list(before) != list(after):
            yield f"{name} are {', '.join(after)}, there they are {', '.join(before)}"
        else:
            yield from _differences(before, after, name)
    elif there != now:
        yield f"{name} is {_short(now, name)}, there it is {_short(there, name)}"


def _short(value: Any, name: str) -> str:
    """A value in a sentence: of a hash and of long lists the beginning is enough."""
    text, most = str(value), 12 if name.endswith("sha256") and value else _LONGEST
    return text if len(text) <= most else text[:most] + "…"


def _are_named(items: Any) -> bool:
    """Whether this is a list of objects with names, each its own."""
    if not isinstance(items, list) or not items:
        return False
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
