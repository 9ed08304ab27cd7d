"""Which column is likely which, in a table without names: by what the cells look like alone."""

from __future__ import annotations

from collections.abc import Sequence

from growthlab.data.inspect.guess_columns import is_event_type
from growthlab.data.inspect.table_sample import SampledColumn, TableSample
from growthlab.data.inspect.time_format import time_format


def columns_by_content(sample: TableSample) -> dict[str, str]:
    """Our name -> the file's: event types and times by their form, users and items by their order.

    A column of which each value has one value of another is the item, and the other its category: an
    item has one category. Otherwise the first column of ids is the user, as in most logs.
    """
    left, found = list(sample.columns), {}
    for ours, fits in (("event_type", is_event_type), ("timestamp", _is_moment)):
        fitting = [c for c in left if fits(c)]
        if fitting:
            found[ours] = fitting[-1].name
            left.remove(fitting[-1])
    ratings = [c for c in left[2:] if _is_rating(c)]
    if ratings and "event_type" not in found:
        found["rating"] = ratings[0].name
        left.remove(ratings[0])
    ids = [c for c in left if c.known and not _is_amount(c)]
    amounts = [c for c in left if c not in ids and c.known]
    ids = _without_categories(ids)
    for ours, column in zip(("user_id", "item_id"), ids, strict=False):
        found[ours] = column.name
    if len(amounts) == 1:
        found["unit_price"] = amounts[0].name
    return found


def _is_moment(column: SampledColumn) -> bool:
    return len(column.distinct) > 1 and time_format(column) is not None


def _is_amount(column: SampledColumn) -> bool:
    """Whether a column holds numbers with a fraction."""
    return any("." in c or "," in c for c in column.known) and all(
        c.replace(".", "").replace(",", "").lstrip("-").isdigit() for c in column.known
    )


def _is_rating(column: SampledColumn) -> bool:
    """Whether a column holds few numbers up to 10, each of them several times."""
    scale = {f"{n / 2:g}" for n in range(21)} | {f"{n / 2:.1f}" for n in range(21)}
    return set(column.known) <= scale and 2 * len(column.distinct) <= len(column.known)


def _without_categories(ids: Sequence[SampledColumn]) -> list[SampledColumn]:
    """The columns that are not the same for all rows in which another has the same value."""
    kept = list(ids)
    for column in ids[1:]:  # the first is the user
        others = [c for c in ids if c is not column and len(c.distinct) > len(column.distinct)]
        if len(kept) > 2 and any(_determines(other, column) for other in others):
            kept.remove(column)
    return kept


def _determines(one: SampledColumn, other: SampledColumn) -> bool:
    """Whether each value of one column, some of which come again, has one value of the other."""
    pairs = set(zip(one.cells, other.cells, strict=True))
    return len(pairs) == len({a for a, _ in pairs}) < len(one.cells)
