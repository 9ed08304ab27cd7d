"""Business rules of a list: which items may be in it, how many of a category, and which come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from growthlab.core.errors import BundleError, RequestError, near_matches

LIST: tuple[Any, str] = (Sequence, "a list")
SCALAR_RULES: dict[str, tuple[Any, str]] = {
    "in_stock": (bool, "true or false"),
    "price_min": ((int, float), "a number"),
    "price_max": ((int, float), "a number"),
    "max_per_category": (int, "a whole number"),
}  # type and its name; all other rules are lists


@dataclass(frozen=True)
class Rules:
    """The shop's rules for a list, applied after scoring in this order:

    1. `allow` (None: every item), `deny`, `in_stock`, `categories`, `price_min` and `price_max`
       remove items. A category is a whole path as in the catalogue, or one of its levels; an item
       of unknown price or stock is removed if a rule needs it.
    2. The seen filter, which is the request's or the task's.
    3. At most `max_per_category` items of the same path; items without a category are not counted.
    4. `pinned` items come first, in their order, unless the rules above remove them.

    Raises
    ------
    BundleError
        A rule contradicts itself or is out of range.
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
            raise RequestError(
                f"rules.price_min={low:g} is above rules.price_max={high:g}",
                "rules.price_min is above rules.price_max",
            )
        if self.max_per_category is not None and self.max_per_category < 1:
            raise BundleError(
                f"rules.max_per_category must be at least 1, got {self.max_per_category}"
            )

    @classmethod
    def of(cls, values: Any) -> Rules:
        """The rules in a mapping, such as a config node; BundleError for a wrong name or value."""
        if not isinstance(values, Mapping):
            raise BundleError(f"rules have names, such as rules.in_stock=true, got {values!r}")
        known = [f.name for f in fields(cls)]
        for name, value in values.items():
            if name not in known:
                raise BundleError(f"rules.{name} is no rule: {near_matches(str(name), known)}")
            kind, what = SCALAR_RULES.get(name, LIST)
            wrong = isinstance(value, (bool, str)) if name != "in_stock" else False
            if value is not None and (wrong or not isinstance(value, kind)):
                raise BundleError(f"rules.{name} is {what}, got {value!r}")
        return cls(**dict(values))

    @property
    def masks(self) -> bool:
        """Whether they remove items."""
        prices = (self.price_min, self.price_max)
        return (
            self.allow is not None
            or bool(self.deny or self.categories or self.in_stock)
            or any(p is not None for p in prices)
        )

    @property
    def arranges(self) -> bool:
        """Whether they change the order of the list."""
        return self.max_per_category is not None or bool(self.pinned)

    def __bool__(self) -> bool:
        return self.masks or self.arranges
