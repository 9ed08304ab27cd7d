"""The catalogue under business rules: what may be listed, and the lists that the rules arrange."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from growthlab.core.errors import BundleError, RequestError, near_matches_among
from growthlab.core.histories import UNKNOWN, Catalogue
from growthlab.ranking.rules import Rules
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k

LEVEL = re.compile(r"[>/|]")  # between the levels of a category's path
DEEPER = 4  # how many times more items are looked at where a cap leaves too few


@dataclass(frozen=True)
class Assortment:
    """The catalogue under rules; what they look up is computed on first use and kept."""

    catalogue: Catalogue

    def listable(self, rules: Rules) -> np.ndarray:
        """The items that the rules allow, bool, ``(n_items,)``; unknown ids are ignored.

        Raises
        ------
        BundleError
            The catalogue lacks what a rule needs, or no item is in a category.
        """
        kept = np.ones(len(self.catalogue), dtype=bool)
        if rules.allow is not None:
            kept[:] = False
            kept[self.codes(rules.allow)] = True
        kept[self.codes(rules.deny)] = False
        if rules.in_stock:
            kept &= self._column("in_stock", "in_stock").astype(bool)
        if rules.categories:
            kept &= self._in_categories(rules.categories)
        for name, limit in (("price_min", rules.price_min), ("price_max", rules.price_max)):
            if limit is not None:
                price = self._column("price", name)
                with np.errstate(over="ignore"):  # a limit above all float32 is allowed
                    bound = np.float32(limit)
                kept &= price >= bound if name == "price_min" else price <= bound  # no for NaN
        return kept

    def codes(self, raw_ids: Sequence[str]) -> np.ndarray:
        """The codes of the known items, in their order."""
        codes = self.catalogue.codes(list(raw_ids))
        return codes[codes != UNKNOWN]

    def arranged(
        self,
        scores: np.ndarray,
        k: int,
        ties: TieBreak,
        pinned: Sequence[np.ndarray],
        caps: Sequence[int | None],
    ) -> np.ndarray:
        """The best items of each user with pins and a cap, best first; shape ``(n_users, k)``.

        `scores` has the shape ``(n_users, n_items)``, ``-inf`` for items that may not be listed;
        `pinned` are codes, of which such items are skipped. Behind the end of a list is `UNKNOWN`.
        """
        lists = np.full((len(scores), k), UNKNOWN, dtype=np.int32)
        first = [_listable_pins(row, codes) for row, codes in zip(scores, pinned, strict=True)]
        left = np.arange(len(scores))
        depth = k if not any(caps) else DEEPER * k
        depth += max((len(codes) for codes in first), default=0)
        while len(left):
            depth = min(depth, scores.shape[1])
            best, _ = top_k(scores[left], max(depth, 1), ties.select(left))
            short = []
            for row, rest in zip(left.tolist(), best, strict=True):
                rest = rest[rest != UNKNOWN]
                listed = _pins_before(first[row], rest)
                if (cap := caps[row]) is not None:
                    listed = listed[_has_room(self.groups[listed], cap)]
                lists[row, : len(listed)] = listed[:k]
                if len(listed) < k and len(rest) == depth < scores.shape[1]:
                    short.append(row)
            left = np.array(short, dtype=np.int64)
            depth *= DEEPER
        return lists

    @property
    def groups(self) -> np.ndarray:
        """The category code of each item, ``(n_items,)``; BundleError for a catalogue without categories."""
        self._column("category", "a category")
        return self.catalogue.category_codes

    @cached_property
    def _codes_by_name(self) -> dict[str, list[int]]:
        by_name: dict[str, list[int]] = {}
        for code, path in enumerate(self.catalogue.category_names.tolist()):
            for name in {path, *(level.strip() for level in LEVEL.split(path))} - {""}:
                by_name.setdefault(name, []).append(code)
        return by_name

    @cached_property
    def _sorted_category_names(self) -> list[str]:
        return sorted(self._codes_by_name)

    def _in_categories(self, names: Sequence[str]) -> np.ndarray:
        """Whether each item is in one of the categories, bool, ``(n_items,)``."""
        groups = self.groups
        wanted = np.zeros(len(self.catalogue.category_names) + 1, dtype=bool)  # the last: UNKNOWN
        for name in dict.fromkeys(names):
            if name not in self._codes_by_name:
                hint = near_matches_among(name, self._sorted_category_names)
                raise RequestError(
                    f"rules.categories: no item is of {name!r}: {hint}",
                    f"rules.categories: no item is of one of these: {hint}",
                )
            wanted[self._codes_by_name[name]] = True
        in_one: np.ndarray = wanted[groups]
        return in_one

    def _column(self, column: str, rule: str) -> np.ndarray:
        values = getattr(self.catalogue, column)
        if values is None:
            raise BundleError(
                f"rules ask for {rule}, and this catalogue has no column {column}: leave the rule "
                "out, or give the data an items table with it"
            )
        return np.asarray(values)


def _listable_pins(scores: np.ndarray, pinned: np.ndarray) -> np.ndarray:
    """The pinned codes, each once, whose items may be listed."""
    codes = np.array(list(dict.fromkeys(pinned.tolist())), dtype=np.int32)
    return codes[scores[codes] > -np.inf]


def _pins_before(first: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Both, without the items of `rest` that are among the `first`."""
    return np.concatenate([first, rest[~np.isin(rest, first)]]) if len(first) else rest


def _has_room(groups: np.ndarray, cap: int) -> np.ndarray:
    """Whether each of these items, best first, is among the first `cap` of its group."""
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    place = np.empty(len(groups), dtype=np.int64)  # within its group, from 0
    place[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return (groups == UNKNOWN) | (place < cap)
