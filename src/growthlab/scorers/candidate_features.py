"""The features of a re-ranker about customer and candidate, the same in training and serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple, Self

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.baskets import n_baskets
from growthlab.core.histories import EVENT_CODE, LATEST, UNKNOWN, Histories
from growthlab.scorers.history_weights import (
    MICROSECONDS_A_DAY,
    baskets_since,
    days_since,
    once_a_basket,
)

FACT = ArraySchema(dtypes=("float32",), shape=("n_items",), nan=True)


@dataclass(frozen=True)
class ItemFacts:
    """Facts about the items as of a fit, one number an item (NaN: unknown), and the time of the fit.

    `users` are distinct users in logarithms (`recent_users`: of the newest `recent_days`), `trend`
    is the recent share of them, `repeats` the share of the users with an item who had it in two
    baskets or more, `price` a logarithm, `category` a code of the catalogue.
    """

    schema: ClassVar[Schema] = {
        "facts/users": FACT,
        "facts/recent_users": FACT,
        "facts/trend": FACT,
        "facts/repeats": FACT,
        "facts/price": FACT,
        "facts/category": ArraySchema(
            dtypes=("int32",), shape=("n_items",), low=UNKNOWN, below="n_items"
        ),
        "facts/newest": ArraySchema(dtypes=("int64",), low=-1, high=LATEST),
    }

    users: np.ndarray  # (n_items,) float32, as the next ones
    recent_users: np.ndarray
    trend: np.ndarray
    repeats: np.ndarray
    price: np.ndarray
    category: np.ndarray  # (n_items,) int32
    newest: np.ndarray  # () int64, time of the newest event; -1 in a log without timestamps

    @classmethod
    def of(cls, past: Histories, recent_days: float) -> Self:
        """The facts of a past."""
        n_items = past.n_items
        users = np.asarray(past.matrix().sum(axis=0), dtype=np.float64).ravel()
        recent, newest = np.full(n_items, np.nan), -1
        if past.timed and past.n_events:
            newest = int(past.times.max())
            late = past.where(past.times > newest - recent_days * MICROSECONDS_A_DAY)
            recent = np.asarray(late.matrix().sum(axis=0), dtype=np.float64).ravel()
        distinct = once_a_basket(past)
        pairs = _Pairs.of(distinct, distinct.items, n_items)
        repeaters = np.bincount(pairs.keys[pairs.counts > 1] % n_items, minlength=n_items)
        return cls(
            users=np.log1p(users).astype(np.float32),
            recent_users=np.log1p(recent).astype(np.float32),
            trend=((recent + 1) / (users + 2)).astype(np.float32),
            repeats=(repeaters / (users + 1)).astype(np.float32),
            price=_prices(past).astype(np.float32),
            category=past.catalogue.category_codes,
            newest=np.array(newest, dtype=np.int64),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The facts by name."""
        return {f"facts/{name}": values for name, values in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The facts that `to_arrays` wrote."""
        return cls(**{f.name: arrays[f"facts/{f.name}"] for f in fields(cls)})


def _prices(past: Histories) -> np.ndarray:
    """The logarithm of each item's price: the catalogue's, else the mean of what was paid."""
    paid = ~np.isnan(past.prices) & (past.prices > 0)
    items, values = past.items[paid], past.prices[paid].astype(np.float64)
    sums, counts = (np.bincount(items, w, minlength=past.n_items) for w in (values, None))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
        listed = past.catalogue.price
        return np.log(means if listed is None else np.where(listed > 0, listed, means))


class _Pairs(NamedTuple):
    """For each user and code (of an item or a category): counts of events, and their age."""

    keys: np.ndarray  # (n_pairs,) sorted, user row x n + code
    counts: np.ndarray  # events
    bought: np.ndarray  # purchases
    baskets_since: np.ndarray
    days_since: np.ndarray

    @classmethod
    def of(cls, histories: Histories, codes: np.ndarray, n: int) -> _Pairs:
        """The pairs of the histories' events, whose codes are in 0 ... n - 1."""
        keys = histories.rows * n + codes
        order = np.argsort(keys, kind="stable")  # oldest first within a pair, as stored
        firsts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        ends = np.append(firsts, len(order))[1:]
        newest = order[ends - 1]
        bought = np.append(0, np.cumsum(histories.event_types[order] == EVENT_CODE["purchase"]))
        days = days_since(histories) if histories.timed else np.full(histories.n_events, np.nan)
        return cls(
            keys[order][firsts],
            (ends - firsts).astype(np.float64),
            (bought[ends] - bought[firsts]).astype(np.float64),
            baskets_since(histories)[newest].astype(np.float64),
            days[newest],
        )

    def at(self, keys: np.ndarray) -> list[np.ndarray]:
        """Counts (0 for a missing pair) and times (NaN) of the pairs with these keys."""
        if not len(self.keys):
            return [np.zeros(len(keys))] * 2 + [np.full(len(keys), np.nan)] * 2
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        has = self.keys[places] == keys
        counts = [np.where(has, values[places], 0) for values in (self.counts, self.bought)]
        times = (self.baskets_since, self.days_since)
        return counts + [np.where(has, values[places], np.nan) for values in times]


USER = (
    "user_events",
    "user_baskets",
    "user_items",
    "user_repeats",
    "user_days_since_last",
    "user_days_between",
    "user_price",
)
ITEM = ("item_users", "item_recent_users", "item_trend", "item_repeats", "item_price")
PAIR = (
    "own_baskets",
    "own_bought",
    "own_baskets_since",
    "own_days_since",
    "own_share",
    "own_gaps_since",
    "category_share",
    "category_bought",
    "category_baskets_since",
    "category_days_since",
    "price_ratio",
)


def feature_names(members: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of `features`, in order."""
    of_members = [f"{kind}_{m}" for m in members for kind in ("rank", "score", "listed")]
    return (*of_members, *USER, *ITEM, *PAIR)


def features(
    histories: Histories,
    facts: ItemFacts,
    rows: np.ndarray,
    items: np.ndarray,
    ranks: np.ndarray,
    scores: np.ndarray,
    listed: np.ndarray,
) -> np.ndarray:
    """The features of candidates, ``(n_candidates, n_features)``, float32; NaN if unknown.

    Parameters
    ----------
    rows, items : user row in `histories` and item code of each candidate
    ranks, scores, listed : of each member, ``(n_members, n_candidates)``: its rank of the candidate,
        its score scaled to 0 ... 1 within the user's row, and whether the candidate is in its list

    Days are counted back from the user's newest event, and those since the newest event of all from
    the last moment of the fit, never from a clock.
    """
    by_member = [c for m in range(len(ranks)) for c in (ranks[m], scores[m], listed[m])]
    user = _user_columns(histories, facts)
    distinct = once_a_basket(histories)
    own = _Pairs.of(distinct, distinct.items, histories.n_items)
    baskets, bought, steps, days = own.at(rows * histories.n_items + items)
    n_categories = int(facts.category.max(initial=UNKNOWN)) + 2  # the last: no category
    event_categories = facts.category[histories.items] % n_categories
    category_pairs = _Pairs.of(histories, event_categories, n_categories)
    category = facts.category[items]
    in_category = category_pairs.at(rows * n_categories + category % n_categories)
    in_category = [np.where(category == UNKNOWN, np.nan, c) for c in in_category]
    total = np.maximum(histories.lengths[rows], 1)
    n_baskets_of_user = np.maximum(user["user_baskets"][rows], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = days / user["user_days_between"][rows]
    pair = [baskets, bought, steps, days, baskets / n_baskets_of_user, gaps]
    pair += [
        in_category[0] / total,
        *in_category[1:],
        facts.price[items] - user["user_price"][rows],
    ]
    item = [facts.users, facts.recent_users, facts.trend, facts.repeats, facts.price]
    columns = [*by_member, *(user[n][rows] for n in USER), *(values[items] for values in item)]
    table = np.column_stack([*columns, *pair]).astype(np.float32)
    table[~np.isfinite(table)] = np.nan
    return table


def _user_columns(histories: Histories, facts: ItemFacts) -> dict[str, np.ndarray]:
    """One number a user, by name."""
    counts, lengths = n_baskets(histories), histories.lengths
    n_items = np.asarray(histories.matrix().sum(axis=1)).ravel()
    since, between = (np.full(histories.n_users, np.nan) for _ in range(2))
    active = lengths > 0
    if histories.timed and facts.newest >= 0 and active.any():
        last = histories.times[histories.offsets[1:][active] - 1]
        first = histories.times[histories.offsets[:-1][active]]
        since[active] = np.maximum(facts.newest - last, 0) / MICROSECONDS_A_DAY
        span = (last - first) / MICROSECONDS_A_DAY
        between[active] = np.where(
            counts[active] > 1, span / np.maximum(counts[active] - 1, 1), np.nan
        )
    distinct = once_a_basket(histories).lengths
    columns = (
        lengths,
        counts,
        n_items,
        1 - n_items / np.maximum(distinct, 1),
        since,
        between,
        _median(histories, facts.price[histories.items]),
    )
    return {n: np.asarray(c, dtype=np.float64) for n, c in zip(USER, columns, strict=True)}


def _median(histories: Histories, values: np.ndarray) -> np.ndarray:
    """The lower median of the known values of each user's events, NaN if none is known."""
    known = ~np.isnan(values)
    rows, values = histories.rows[known], values[known]
    values = values[np.lexsort((values, rows))]
    counts = np.bincount(rows, minlength=histories.n_users)
    starts = np.cumsum(counts) - counts
    out = np.full(histories.n_users, np.nan)
    some = counts > 0
    out[some] = values[(starts + (counts - 1) // 2)[some]]
    return out
