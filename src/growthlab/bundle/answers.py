"""Requests to a bundle and its answers: the same for the service, batch files and the pyfunc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from growthlab.ranking.rules import Rules

Features = Mapping[str, float | int | bool | str | None]
RecommendServed = Literal[
    "known",
    "folded_in",
    "basket",
    "similar_items",
    "content",
    "category_popularity",
    "popularity_fallback",
    "not_personalised",
]
PredictServed = Literal["known", "features", "population_fallback"]

# The fallback levels: how far an answer is from what the model knows of a customer.
LEVELS: Mapping[str, int] = {
    "known": 0,
    "folded_in": 1,
    "basket": 1,
    "similar_items": 1,
    "content": 2,
    "category_popularity": 3,
    "popularity_fallback": 4,
    "not_personalised": 4,
}


@dataclass(frozen=True)
class RecommendRequest:
    """Who or what a list is for. The first of these that is set decides:

    1. `item`: the page of an item ("more like this"); the customer does not matter.
    2. ``personalised=False``: the popular items, the same for every customer; neither a history nor
       the user id is read.
    3. `basket`: what goes with the items in the basket.
    4. `history`: item ids, oldest first, all counted as purchases; it replaces the stored history.
    5. `user_id`: a customer whom the bundle may know.
    6. None of them: the popular items.

    Items of `exclude`, the item of the page and those of the basket are not listed; `filter_seen`
    overrides the task's policy for the history of 4 and 5. `rules` are the shop's.
    """

    user_id: str | None = None
    history: Sequence[str] | None = None
    item: str | None = None
    basket: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    filter_seen: str | None = None
    rules: Rules = field(default_factory=Rules)
    personalised: bool = True


class RankedItem(NamedTuple):
    """An item of a list; scores are comparable within one list only.

    The score is None for a pinned item that the model cannot score. `reason` says why the item is
    listed, such as ``because of tea`` (the item of the history that contributes most), where the
    model can say.
    """

    item: str
    score: float | None
    rank: int  # from 1
    reason: str | None = None


@dataclass(frozen=True)
class Recommendation:
    """A list, best first; shorter than requested only where no more items may be listed.

    `served` says how it was made, `level` how far that is from a personal answer:

    - 0 ``known``: by the model, from the stored history;
    - 1 ``folded_in``, ``basket``, ``similar_items``: by the model, from the history, basket or item
      of the request;
    - 2 ``content``: items whose content is similar to the latest items, the basket or the item;
    - 3 ``category_popularity``: popular items, those of the item's category first;
    - 4 ``popularity_fallback``: popular items, since nothing else is known (or what the model lists
      for an empty history); ``not_personalised``: popular items, as requested.

    `n_unknown_items` of the request's history, basket or item are not in the catalogue and were
    ignored. `before_rules` is the list without the rules of the request and the service (empty where
    there are none), so that the model can be evaluated apart from the rules.
    """

    items: list[RankedItem]
    served: RecommendServed
    n_unknown_items: int = 0
    before_rules: tuple[str, ...] = ()

    @property
    def level(self) -> int:
        """The fallback level, 0 to 4."""
        return LEVELS[self.served]

    def first(self, k: int) -> Recommendation:
        """The same list with at most `k` items: what a request for `k` gets."""
        if len(self.items) <= k and len(self.before_rules) <= k:
            return self
        return replace(self, items=self.items[:k], before_rules=self.before_rules[:k])


@dataclass(frozen=True)
class PredictRequest:
    """Whose future is requested: a user whom the bundle may know, or features by name.

    Features of the request replace the stored ones.
    """

    user_id: str | None = None
    features: Features | None = None


@dataclass(frozen=True)
class ArmChoice:
    """The best of several actions for a customer, the control where none is worth its cost."""

    arm: str
    effects: Mapping[str, float]  # action -> what it changes in the outcome


@dataclass(frozen=True)
class Prediction:
    """One number about a customer's horizon: a probability, an amount or an effect.

    `served`: ``known``, from the stored features; ``features``, from those of the request;
    ``population_fallback``, the mean of all customers, where nothing is known of this one.
    `choice`: the action that the number is of, where the model compares several.
    """

    value: float
    served: PredictServed
    choice: ArmChoice | None = None
