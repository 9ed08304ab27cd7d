"""Tag: one documented statement about a customer, with its type, range, rule and the SQL of the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Part = Literal["attribute", "behaviour", "interest", "value"]
Kind = Literal["text", "list", "number", "amount", "count", "share"]
PARTS: dict[Part, str] = {
    "attribute": "who the customer is, as the data supplies it",
    "behaviour": "what the customer does, how often, when and where",
    "interest": "what the customer is drawn to of late",
    "value": "what counts for the customer when choosing, keeping and judging, as far as it shows in "
    "what was done (proxies, not beliefs)",
}


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A tag of the portrait; its `sql` sums up a customer's rows of the relation `over`.

    `needs` names what the log must hold for the tag to exist: event columns (``unit_price``), event
    types (``event:return``), columns of the tables (``items.category``), alternatives joined by
    ``|``. `reads` names columns of the tables that its rule also reads where there are any. `low` and
    `high` bound a number, None where it is open; `choices` are the words that a
    text can be, none where any can. `sensitive` tags are no features unless they are named.
    """

    name: str
    part: Part
    kind: Kind
    rule: str
    over: str
    sql: str
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    sensitive: bool = False

    @property
    def range(self) -> str:
        """The values that the tag can take, in words."""
        if self.kind == "share":
            return "0 to 1"
        if self.choices:
            return ", ".join(self.choices)
        if self.kind == "text":
            return "as supplied"
        if self.kind == "list":
            return "as supplied" if self.unit == "text" else "0 to 1 each"
        bounds = f"{self.low:g} or more" if self.high is None else f"{self.low:g} to {self.high:g}"
        return f"{bounds} {self.unit}".rstrip()

    @property
    def starts_at_zero(self) -> bool:
        """Whether somebody without any row has a 0 (counts, amounts), not an unknown (all else)."""
        return self.kind in ("count", "amount")

    def table_columns(self) -> tuple[str, ...]:
        """The columns of the tables of items and users that the rule may read."""
        named = [*self.reads, *(n for need in self.needs for n in need.split("|"))]
        # the brand is a part of the attributes of an item
        columns = [n.replace("items.brand", "items.attributes") for n in named]
        return tuple(c for c in columns if c.startswith(("items.", "users.")))

    def missing(self, facts: Iterable[str]) -> str:
        """What the log lacks for this tag, in words; empty where it lacks nothing."""
        known = set(facts)
        lacking = [n for n in self.needs if not known & set(n.split("|"))]
        return " and ".join(_in_words(n) for n in lacking)


def _in_words(need: str) -> str:
    """``returns`` for ``event:return``, ``a or b`` for ``a|b``."""
    words = [n.replace("event:", "events of the type ") for n in need.split("|")]
    return " or ".join(words)
