"""Values within JSON objects, by paths: lists become rows, and lists of keys and values are looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from growthlab.core.errors import DataError

DEEPEST = 8  # names in a path that is looked for
PAIR = {"key", "value"}


@dataclass(frozen=True, slots=True)
class Elements:
    """What a path finds in each element of the list at `where`, where it may end."""

    where: tuple[str, ...]
    values: Sequence[Any]
    is_end: bool


def paths_in(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The path of everything in an object, such as ``user``, ``user.id`` and ``items.sku``.

    A list of keys and values, such as ``[{"key": "page", "value": {"string_value": "/"}}]``, has its keys as
    names.
    """
    for name, inner in value.items():
        yield prefix + name
        if prefix.count(".") >= DEEPEST:
            continue
        if isinstance(inner, list):
            pairs = _pairs(inner)
            inner = [e for e in inner if isinstance(e, dict)] if pairs is None else [pairs]
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict):
                yield from paths_in(each, f"{prefix}{name}.")


def found_at(value: Any, path: Sequence[str], *, unnests: bool, depth: int = 0) -> Any:
    """The value at a path, None where there is none; of a list the `Elements`, if it `unnests`."""
    while depth < len(path):
        if isinstance(value, list):
            pairs = _pairs(value)
            if pairs is None:
                break
            value = pairs
        if not isinstance(value, dict):
            return None
        whole = ".".join(path[depth:])  # a name with points in it
        names = 1 if whole not in value else len(path) - depth
        value = value.get(path[depth] if names == 1 else whole)
        depth += names
    if not isinstance(value, list):
        return value
    if not unnests:
        return value if depth == len(path) else None
    within = [found_at(e, path, unnests=True, depth=depth) for e in value]
    return Elements(tuple(path[:depth]), within, depth == len(path))


def rows_of(cells: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows of what the paths found in one object: one, or one for each element of its list.

    An empty list counts as a missing value. Several lists of plain values that are equally long, such as ids
    and prices, go side by side.

    Raises
    ------
    DataError
        The cells lie in several lists otherwise.
    """
    lists = {cell.where: cell for cell in cells if isinstance(cell, Elements) and cell.values}
    if not lists:
        yield [None if isinstance(cell, Elements) else cell for cell in cells]
        return
    if len(lists) > 1:
        _refuse_unlike(list(lists.values()))
    for place in range(len(next(iter(lists.values())).values)):
        yield from rows_of(
            [
                cell.values[place] if isinstance(cell, Elements) and cell.values else cell
                for cell in cells
            ]
        )


def _pairs(elements: Sequence[Any]) -> dict[str, Any] | None:
    """A list of keys and values as one object; None for another list."""
    if not elements or not all(isinstance(e, dict) and e.keys() >= PAIR for e in elements):
        return None
    return {str(e["key"]): _plain(e["value"]) for e in elements}


def _plain(value: Any) -> Any:
    """The value that is there of one that names its type, such as ``{"int_value": 7}``."""
    if isinstance(value, dict) and value and all(name.endswith("_value") for name in value):
        return next((v for v in value.values() if v is not None), None)
    return value


def _refuse_unlike(lists: Sequence[Elements]) -> None:
    lengths = {len(each.values) for each in lists}
    places = {each.where[:-1] for each in lists}
    if len(lengths) > 1 or len(places) > 1 or not all(each.is_end for each in lists):
        names = " and ".join(".".join(each.where) for each in lists)
        raise DataError(
            f"the columns lie in several lists ({names}) that do not go together: map columns of one of "
            "them, or choose by data.files and data.sql"
        )
