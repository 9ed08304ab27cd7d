"""What the re-ranker is told of a customer and a candidate, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.scorers.candidate_features import ItemFacts, feature_names, features

DAY = 86_400_000_000
# ann buys tea on day 0, tea and cup on day 4, looks at pot on day 6; bob buys pot on day 10
EVENTS = [("ann", 0, 0), ("ann", 0, 4), ("ann", 1, 4), ("ann", 2, 6), ("bob", 2, 10)]


def shop(*, timed: bool = True) -> Histories:
    catalogue = Catalogue(
        item_ids=np.array(["tea", "cup", "pot"]),
        category=np.array(["food", "kitchen", "kitchen"]),
        price=np.array([1, 2, 8], dtype=np.float32),
    )
    rows = np.array([["ann", "bob"].index(user) for user, _, _ in EVENTS])
    kinds = np.array([EVENT_CODE["purchase"]] * 3 + [EVENT_CODE["view"], EVENT_CODE["purchase"]])
    return Histories.from_events(
        catalogue,
        np.array(["ann", "bob"]),
        rows,
        np.array([item for _, item, _ in EVENTS]),
        np.array([day * DAY for _, _, day in EVENTS]),
        event_types=kinds,
        timed=timed,
    )


def described(past: Histories, facts: ItemFacts, row: int, item: int) -> dict[str, float]:
    one = np.ones((1, 1))
    table = features(past, facts, np.array([row]), np.array([item]), one, one, one)
    return dict(zip(feature_names(("knn",)), table[0].tolist(), strict=True))


def test_the_facts_of_an_item_are_its_users_lately_and_ever_and_who_came_back() -> None:
    facts = ItemFacts.of(shop(), recent_days=5)
    np.testing.assert_allclose(np.expm1(facts.users), [1, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(np.expm1(facts.recent_users), [0, 0, 2], atol=1e-6)  # after day 5
    np.testing.assert_allclose(facts.repeats, [1 / 2, 0, 0])  # ann had tea in two baskets
    np.testing.assert_allclose(facts.price, np.log([1, 2, 8]), rtol=1e-6)


def test_an_own_item_is_described_by_baskets_days_and_gaps() -> None:
    past = shop()
    result = described(past, ItemFacts.of(past, 5), row=0, item=0)
    assert result["own_baskets"] == 2
    assert result["own_bought"] == 2
    assert result["own_baskets_since"] == 1  # the look at pot
    assert result["own_days_since"] == 2
    assert result["user_days_between"] == 3  # 6 days, 3 baskets
    assert result["own_gaps_since"] == pytest.approx(2 / 3)
    assert result["user_days_since_last"] == 4  # day 10 is the newest of all
    assert result["user_baskets"] == 3
    assert result["user_items"] == 3
    assert result["user_repeats"] == pytest.approx(1 - 3 / 4)  # 4 times an item in a basket
    assert result["price_ratio"] == pytest.approx(0)  # median of 1, 1, 2, 8, the lower one: 1


def test_a_category_is_described_by_its_share_and_recency() -> None:
    past = shop()
    result = described(past, ItemFacts.of(past, 5), row=0, item=2)
    assert result["category_share"] == pytest.approx(2 / 4)  # cup and pot of four events
    assert result["category_bought"] == 1  # pot was only looked at
    assert result["category_days_since"] == 0
    assert result["price_ratio"] == pytest.approx(np.log(8))


def test_what_was_never_had_has_no_time() -> None:
    past = shop()
    result = described(past, ItemFacts.of(past, 5), row=1, item=0)
    assert result["own_baskets"] == 0
    assert np.isnan([result["own_baskets_since"], result["own_days_since"]]).all()
    assert np.isnan(result["user_days_between"])  # a single basket


def test_an_order_only_log_knows_no_days() -> None:
    past = shop(timed=False)
    result = described(past, ItemFacts.of(past, 5), row=0, item=0)
    assert result["own_baskets_since"] == 1
    unknown = ("own_days_since", "user_days_since_last", "item_recent_users", "item_trend")
    assert np.isnan([result[name] for name in unknown]).all()


def test_without_prices_or_categories_there_are_none() -> None:
    bare = replace(shop(), catalogue=Catalogue(np.array(["tea", "cup", "pot"])))
    result = described(bare, ItemFacts.of(bare, 5), row=0, item=0)
    assert np.isnan([result["item_price"], result["price_ratio"], result["category_share"]]).all()
