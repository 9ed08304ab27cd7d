"""What a bundle is asked and what it answers, to the service, a batch job and the pyfunc alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

# The rungs of the ladder of fallbacks: how far an answer is from what the model knows of a customer.
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
    """Who or what a list is for; of these, the first that is given decides:

    1. `item`: the page of an item ("more like this"); the customer does not matter.
    2. ``personalised=False``: everybody gets the same popular items; neither a stored nor a given
       history is looked at, nor is the user id.
    3. `basket`: what goes with the items that lie in the basket.
    4. `history`: item ids, oldest first; taken instead of the stored one, and counted as purchases.
    5. `user_id`: a customer whom the bundle may know.
    6. Nobody: the popular items.

    Items of `exclude` are not listed, nor are the item of the page and those of the basket;
    `filter_seen` overrides the task's policy for the history of 4 and 5. `rules` are the shop's.
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
    """A place in a list; scores are comparable within one list only.

    The score is None for a pinned item that the model cannot score. `reason` says why the item is
    there, such as ``because of tea``, where the model can tell: the item of the history that
    contributes most.
    """

    item: str
    score: float | None
    rank: int  # from 1
    reason: str | None = None


@dataclass(frozen=True)
class Recommendation:
    """A list, best first, shorter than asked only where no more items may be listed.

    `served` tells how it came about, `level` how far that is from a personal answer:

    - 0 ``known``: by the model, from the stored history;
    - 1 ``folded_in``, ``basket``, ``similar_items``: by the model, from the history, basket or item
      of the request;
    - 2 ``content``: what is like the latest items, the basket or the item by its content;
    - 3 ``category_popularity``: popular items, those of the item's category first;
    - 4 ``popularity_fallback``: popular items, as nothing else is known (of a model that lists
      something for nobody too: what it lists); ``not_personalised``: popular items, because it was
      asked for.

    `n_unknown_items` of the request's history, basket or item are not in the catalogue and were
    ignored. `before_rules` is the list as it would be without the rules of the request and the
    service, empty where there are none: quality of the model and effect of the rules can be told
    apart.
    """

    items: list[RankedItem]
    served: RecommendServed
    n_unknown_items: int = 0
    before_rules: tuple[str, ...] = ()

    @property
    def level(self) -> int:
        """The rung of the ladder of fallbacks, 0 ... 4."""
        return LEVELS[self.served]


@dataclass(frozen=True)
class PredictRequest:
    """Whose future is asked for: a user the bundle may know, or features by name.

    Features given with the request are taken instead of the stored ones.
    """

    user_id: str | None = None
    features: Features | None = None


@dataclass(frozen=True)
class Prediction:
    """A probability of churn, or a value in the horizon.

    `served`: ``known``, from the stored features; ``features``, from the request's;
    ``population_fallback``, the mean of all customers, where nothing is known of this one.
    """

    value: float
    served: PredictServed
