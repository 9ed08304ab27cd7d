"""Business rules: what may be listed at all, how much of a category, and what stands first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from growthlab.core.errors import BundleError, near_matches
from growthlab.core.histories import UNKNOWN, Catalogue
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k

LEVEL = re.compile(r"[>/|]")  # what stands between the levels of a category's path
LIST: tuple[Any, str] = (Sequence, "a list")
KINDS: dict[str, tuple[Any, str]] = {
    "in_stock": (bool, "true or false"),
    "price_min": ((int, float), "a number"),
    "price_max": ((int, float), "a number"),
    "max_per_category": (int, "a whole number"),
}  # of what a rule is where it is no list
DEEPER = 4  # how many times more items are looked at where a cap leaves too few


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


@dataclass(frozen=True)
class Assortment:
    """The catalogue as rules see it; what they need is made ready once, when it is first asked for."""

    catalogue: Catalogue

    def listable(self, rules: Rules) -> np.ndarray:
        """The items that the rules leave in, bool, ``(n_items,)``; ids that are not known say nothing.

        Raises
        ------
        BundleError
            The catalogue knows nothing of what a rule asks for, or no item is of a category.
        """
        kept = np.ones(len(self.catalogue), dtype=bool)
        if rules.allow is not None:
            kept[:] = False
            kept[self.codes(rules.allow)] = True
        kept[self.codes(rules.deny)] = False
        if rules.in_stock:
            kept &= self._column("in_stock", "in_stock").astype(bool)
        if rules.categories:
            wanted = [self._groups_of(name) for name in rules.categories]
            kept &= np.isin(self.groups, np.concatenate(wanted))
        for name, limit, sign in (
            ("price_min", rules.price_min, 1),
            ("price_max", rules.price_max, -1),
        ):
            if limit is not None:
                price = self._column("price", name)
                with np.errstate(over="ignore"):  # a limit above all prices is one too
                    least = np.float32(limit)
                kept &= np.nan_to_num(sign * (price - least), nan=-1.0) >= 0
        return kept

    def codes(self, raw_ids: Sequence[str]) -> np.ndarray:
        """The codes of those items that are known, in their order."""
        codes = self.catalogue.codes(list(raw_ids))
        return codes[codes != UNKNOWN]

    def arranged(
        self, scores: np.ndarray, k: int, ties: TieBreak, pinned: np.ndarray, cap: int | None
    ) -> np.ndarray:
        """The best items of one user under pins and a cap, best first, at most `k` codes.

        `scores` has the shape ``(1, n_items)``, ``-inf`` for what may not be listed; `pinned` are
        codes, of which those with such a score are passed over.
        """
        groups = self.groups if cap is not None else None
        first = [int(c) for c in dict.fromkeys(pinned.tolist()) if scores[0, c] > -np.inf]
        depth = k if cap is None else DEEPER * k
        while True:
            depth = min(depth + len(first), scores.shape[1])
            best, _ = top_k(scores, max(depth, 1), ties)
            rest = best[0][best[0] != UNKNOWN].tolist()
            found = _capped([*first, *(c for c in rest if c not in set(first))], groups, cap, k)
            if len(found) == k or len(rest) < depth or depth == scores.shape[1]:
                return np.array(found, dtype=np.int32)
            depth *= DEEPER

    @property
    def groups(self) -> np.ndarray:
        """The category of each item as a number, ``(n_items,)``; `UNKNOWN` where it has none."""
        self._column("category", "a category")
        return self.catalogue.category_codes

    @cached_property
    def _groups_by_name(self) -> dict[str, list[int]]:
        by_name: dict[str, list[int]] = {}
        for group, path in enumerate(self.catalogue.category_names.tolist()):
            for name in {path, *(level.strip() for level in LEVEL.split(path))} - {""}:
                by_name.setdefault(name, []).append(group)
        return by_name

    def _groups_of(self, name: str) -> np.ndarray:
        _ = self.groups
        if name not in self._groups_by_name:
            hint = near_matches(name, self._groups_by_name)
            raise BundleError(f"rules.categories: no item is of {name!r}: {hint}")
        return np.array(self._groups_by_name[name])

    def _column(self, column: str, rule: str) -> np.ndarray:
        values = getattr(self.catalogue, column)
        if values is None:
            raise BundleError(
                f"rules ask for {rule}, and this catalogue has no column {column}: leave the rule "
                "out, or give the data an items table with it"
            )
        return np.asarray(values)


def _capped(codes: list[int], groups: np.ndarray | None, cap: int | None, k: int) -> list[int]:
    """The first `k` of the codes with at most `cap` of a group."""
    if groups is None or cap is None:
        return codes[:k]
    counts: dict[int, int] = {}
    found = []
    for code in codes:
        group = int(groups[code])
        counts[group] = counts.get(group, 0) + 1
        if group == UNKNOWN or counts[group] <= cap:
            found.append(code)
        if len(found) == k:
            break
    return found
