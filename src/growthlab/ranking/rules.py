"""Business rules: what may be listed at all, how much of a category, and what stands first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from growthlab.core.errors import BundleError, near_matches

LIST: tuple[Any, str] = (Sequence, "a list")
KINDS: dict[str, tuple[Any, str]] = {
    "in_stock": (bool, "true or false"),
    "price_min": ((int, float), "a number"),
    "price_max": ((int, float), "a number"),
    "max_per_category": (int, "a whole number"),
}  # of what a rule is where it is no list


@dataclass(frozen=True)
class Rules:
    """What the shop wants of a list, whatever the model says; applied in this order after scoring.

    1. `allow` (None: every item), `deny`, `in_stock`, `categories`, `price_min` and `price_max`
       take items out. A category is a whole path as the catalogue writes it, or one of its levels;
       an item whose price or stock is not known is out where a rule asks for it.
    2. The seen filter, which is the request's or the task's.
    3. At most `max_per_category` items of the same path; items without a category are not counted.
    4. `pinned` items stand first, in their order, unless the rules above take them out.

    Raises
    ------
    BundleError
        Where a rule makes no sense in itself.
    """

    allow: Sequence[str] | None = None
    deny: Sequence[str] = ()
    categories: Sequence[str] = ()
    in_stock: bool = False
    price_min: float | None = None
    price_max: float | None = None
    max_per_category: int | None = None
    pinned: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("allow", "deny", "categories", "pinned"):
            if isinstance(getattr(self, name), str):
                raise BundleError(f"rules.{name} is a list, got {getattr(self, name)!r}")
        low, high = self.price_min, self.price_max
        if low is not None and high is not None and not low <= high:
            raise BundleError(f"rules.price_min={low:g} is above rules.price_max={high:g}")
        if self.max_per_category is not None and self.max_per_category < 1:
            raise BundleError(
                f"rules.max_per_category must be at least 1, got {self.max_per_category}"
            )

    @classmethod
    def of(cls, given: Any) -> Rules:
        """The rules of a mapping, such as a config holds; BundleError for a wrong name or value."""
        if not isinstance(given, Mapping):
            raise BundleError(f"rules have names, such as rules.in_stock=true, got {given!r}")
        known = [f.name for f in fields(cls)]
        for name, value in given.items():
            if name not in known:
                raise BundleError(f"rules.{name} is no rule: {near_matches(str(name), known)}")
            kind, what = KINDS.get(name, LIST)
            wrong = isinstance(value, (bool, str)) if name != "in_stock" else False
            if value is not None and (wrong or not isinstance(value, kind)):
                raise BundleError(f"rules.{name} is {what}, got {value!r}")
        return cls(**dict(given))

    @property
    def masks(self) -> bool:
        """Whether they take items out."""
        prices = (self.price_min, self.price_max)
        return (
            self.allow is not None
            or bool(self.deny or self.categories or self.in_stock)
            or any(p is not None for p in prices)
        )

    @property
    def arranges(self) -> bool:
        """Whether they decide on places in the list."""
        return self.max_per_category is not None or bool(self.pinned)

    def __bool__(self) -> bool:
        return self.masks or self.arranges
