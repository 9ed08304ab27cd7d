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


def told(past: Histories, facts: ItemFacts, row: int, item: int) -> dict[str, float]:
    one = np.ones((1, 1))
    table = features(past, facts, np.array([row]), np.array([item]), one, one, one)
    return dict(zip(feature_names(("knn",)), table[0].tolist(), strict=True))


def test_the_facts_of_an_item_are_its_users_lately_and_ever_and_who_came_back() -> None:
    facts = ItemFacts.of(shop(), recent_days=5)
    np.testing.assert_allclose(np.expm1(facts.users), [1, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(np.expm1(facts.recent_users), [0, 0, 2], atol=1e-6)  # after day 5
    np.testing.assert_allclose(facts.repeats, [1 / 2, 0, 0])  # ann had tea in two baskets
    np.testing.assert_allclose(facts.price, np.log([1, 2, 8]), rtol=1e-6)


def test_a_customer_s_own_item_is_told_by_baskets_days_and_gaps() -> None:
    past = shop()
    found = told(past, ItemFacts.of(past, 5), row=0, item=0)
    assert found["own_baskets"] == 2
    assert found["own_bought"] == 2
    assert found["own_baskets_since"] == 1  # the look at pot
    assert found["own_days_since"] == 2
    assert found["user_days_between"] == 3  # 6 days, 3 baskets
    assert found["own_gaps_since"] == pytest.approx(2 / 3)
    assert found["user_days_since_last"] == 4  # day 10 is the newest of all
    assert found["user_baskets"] == 3
    assert found["user_items"] == 3
    assert found["user_repeats"] == pytest.approx(1 - 3 / 4)  # 4 times an item in a basket
    assert found["price_ratio"] == pytest.approx(0)  # median of 1, 1, 2, 8, the lower one: 1


def test_a_category_is_told_by_its_share_and_how_lately() -> None:
    past = shop()
    found = told(past, ItemFacts.of(past, 5), row=0, item=2)
    assert found["category_share"] == pytest.approx(2 / 4)  # cup and pot of four events
    assert found["category_bought"] == 1  # pot was only looked at
    assert found["category_days_since"] == 0
    assert found["price_ratio"] == pytest.approx(np.log(8))


def test_what_was_never_had_has_no_time() -> None:
    past = shop()
    found = told(past, ItemFacts.of(past, 5), row=1, item=0)
    assert found["own_baskets"] == 0
    assert np.isnan([found["own_baskets_since"], found["own_days_since"]]).all()
    assert np.isnan(found["user_days_between"])  # a single basket


def test_an_order_only_log_knows_no_days() -> None:
    past = shop(timed=False)
    found = told(past, ItemFacts.of(past, 5), row=0, item=0)
    assert found["own_baskets_since"] == 1
    unknown = ("own_days_since", "user_days_since_last", "item_recent_users", "item_trend")
    assert np.isnan([found[name] for name in unknown]).all()


def test_without_prices_or_categories_there_are_none() -> None:
    bare = replace(shop(), catalogue=Catalogue(np.array(["tea", "cup", "pot"])))
    found = told(bare, ItemFacts.of(bare, 5), row=0, item=0)
    assert np.isnan([found["item_price"], found["price_ratio"], found["category_share"]]).all()
