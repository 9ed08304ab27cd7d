"""The catalogue under business rules: what may be listed, and the lists that the rules arrange."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from growthlab.core.errors import BundleError, near_matches
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
            codes = [self._category_codes_named(name) for name in rules.categories]
            kept &= np.isin(self.groups, np.concatenate(codes))
        for name, limit, sign in (
            ("price_min", rules.price_min, 1),
            ("price_max", rules.price_max, -1),
        ):
            if limit is not None:
                price = self._column("price", name)
                with np.errstate(over="ignore"):  # a limit above all float32 is allowed
                    bound = np.float32(limit)
                kept &= np.nan_to_num(sign * (price - bound), nan=-1.0) >= 0
        return kept

    def codes(self, raw_ids: Sequence[str]) -> np.ndarray:
        """The codes of the known items, in their order."""
        codes = self.catalogue.codes(list(raw_ids))
        return codes[codes != UNKNOWN]

    def arranged(
        self, scores: np.ndarray, k: int, ties: TieBreak, pinned: np.ndarray, cap: int | None
    ) -> np.ndarray:
        """The best items of one user with pins and a cap, best first, at most `k` codes.

        `scores` has the shape ``(1, n_items)``, ``-inf`` for items that may not be listed; `pinned`
        are codes, of which such items are skipped.
        """
        groups = self.groups if cap is not None else None
        first = [int(c) for c in dict.fromkeys(pinned.tolist()) if scores[0, c] > -np.inf]
        depth = k if cap is None else DEEPER * k
        while True:
            depth = min(depth + len(first), scores.shape[1])
            best, _ = top_k(scores, max(depth, 1), ties)
            rest = best[0][best[0] != UNKNOWN].tolist()
            listed = _capped([*first, *(c for c in rest if c not in set(first))], groups, cap, k)
            if len(listed) == k or len(rest) < depth or depth == scores.shape[1]:
                return np.array(listed, dtype=np.int32)
            depth *= DEEPER

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

    def _category_codes_named(self, name: str) -> np.ndarray:
        _ = self.groups
        if name not in self._codes_by_name:
            hint = near_matches(name, self._codes_by_name)
            raise BundleError(f"rules.categories: no item is of {name!r}: {hint}")
        return np.array(self._codes_by_name[name])

    def _column(self, column: str, rule: str) -> np.ndarray:
        values = getattr(self.catalogue, column)
        if values is None:
            raise BundleError(
                f"rules ask for {rule}, and this catalogue has no column {column}: leave the rule "
                "out, or give the data an items table with it"
            )
        return np.asarray(values)


def _capped(codes: list[int], groups: np.ndarray | None, cap: int | None, k: int) -> list[int]:
    """The first `k` of the codes, with at most `cap` of a group."""
    if groups is None or cap is None:
        return codes[:k]
    counts: dict[int, int] = {}
    listed = []
    for code in codes:
        group = int(groups[code])
        counts[group] = counts.get(group, 0) + 1
        if group == UNKNOWN or counts[group] <= cap:
            listed.append(code)
        if len(listed) == k:
            break
    return listed
