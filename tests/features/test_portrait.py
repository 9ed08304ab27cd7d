"""The portrait: tags worked by hand, in their ranges, and blind to everything from the cutoff on."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.dictionary import TAGS, as_markdown, select_portrait_tags
from growthlab.features.portrait.portrait import Portrait, PortraitTable, available
from growthlab.split.fold import Fold

CUTOFF = datetime(2025, 6, 1)  # a Sunday
DOCS = Path(__file__).parents[2] / "docs"
ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "text": ["red tea", "green tea", "blue mug", "blue jug"],
        "category": ["tea", "tea", "ware", "ware"],
        "price": [4.0, 8.0, 10.0, 30.0],
        "attributes": ["brand=alto", "brand=belka", "brand=alto", "colour=blue|brand=corvin"],
    }
)


def ago(days: float) -> datetime:
    return CUTOFF - timedelta(days=days)


def event(
    kind: str, days: float, item: str | None, user: str = "ann", **more: Any
) -> dict[str, Any]:
    """An event so many days before the cutoff."""
    row = {"user_id": user, "event_type": kind, "timestamp": ago(days), "item_id": item}
    return {**row, **more}


def buys(days: float, item: str, order: str, price: float, **more: Any) -> dict[str, Any]:
    return event("purchase", days, item, order_id=order, unit_price=price, **more)


def ann() -> list[dict[str, Any]]:
    """Orders 100, 20 and 10 days ago, the first of two lines; a return, a look and a search."""
    return [
        buys(100, "a", "1", 5.0, quantity=2, discount=0.0, channel="web"),
        buys(100, "b", "1", 8.0, quantity=1, discount=0.0, channel="web"),
        buys(20, "a", "2", 4.0, quantity=1, discount=0.2, channel="app"),
        buys(10, "c", "3", 10.0, quantity=4, discount=0.0, channel="web"),
        event("return", 5, "c", quantity=1, unit_price=10.0),
        event("view", 2, "d", session_id="s", channel="app"),
        event("search", 2, None, session_id="s", query="teal Jug", channel="app"),
        event("review", 3, "c", rating=2.0),
        event("review", 90, "a", rating=5.0),
    ]


def log_of(rows: list[dict[str, Any]], **tables: pd.DataFrame) -> EventLog:
    return EventLog.from_frames(pd.DataFrame(rows), **tables)


def portrait(
    rows: list[dict[str, Any]], users: pd.DataFrame | None = None, **more: Any
) -> PortraitTable:
    tables = {"items": ITEMS} if users is None else {"items": ITEMS, "users": users}
    return Portrait(**more).of(log_of(rows, **tables), CUTOFF)


def of(user: str, result: PortraitTable) -> dict[str, Any]:
    return result.frame.set_index("user_id").loc[user].to_dict()


@cache
def anns() -> dict[str, Any]:
    return of("ann", portrait(ann()))


def test_behaviour_worked_by_hand() -> None:
    expected = {
        "views": 1,
        "searches": 1,
        "returns": 1,
        "reviews": 2,
        "orders": 3,
        "recent_orders": 2,
        "days_since_activity": 2,
        "days_since_last": 10,
        "tenure_days": 100,
        "spend": 62,  # 2 x 5 + 8 + 4 + 4 x 10
        "recent_spend": 44,
        "units": 8,
        "basket_items": 4 / 3,
        "basket_value": 62 / 3,
        "discount_share": 1 / 3,
        "days_between_orders": 45,  # the median of 80 and 10
    }
    assert {name: anns()[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_a_visit_counts_once_for_its_hour_its_day_and_its_channel() -> None:
    rows = [
        # one session of three events on a Monday at 9, two moments on Tuesdays at 20
        *(event("view", 6 - 9 / 24, "a", session_id="s", channel="web") for _ in range(3)),
        event("view", 5 - 20 / 24, "a", channel="app"),
        event("view", 12 - 20 / 24, "b", channel="app"),
    ]
    result = of("ann", portrait(rows))
    assert result["preferred_hour"] == 20
    assert result["preferred_weekday"] == "Tuesday"
    assert result["preferred_channel"] == "app"
    assert result["channel_share"] == pytest.approx(2 / 3)
    assert result["weekend_share"] == 0


def test_of_equal_hours_and_days_the_earlier_is_preferred_and_of_channels_the_first() -> None:
    rows = [
        event("view", 4 - 20 / 24, "a", channel="web"),  # a Wednesday
        event("view", 1 - 7 / 24, "a", channel="app"),  # a Saturday
    ]
    result = of("ann", portrait(rows))
    assert result["preferred_hour"] == 7
    assert result["preferred_weekday"] == "Wednesday"
    assert result["preferred_channel"] == "app"
    assert result["weekend_share"] == 0.5


def test_affinities_halve_with_age_and_weigh_by_type() -> None:
    rows = [event("purchase", 90, "a"), event("view", 0.0001, "c"), event("view", 180, "d")]
    result = of("ann", portrait(rows))
    # tea: 5 / 2; ware: 1 + 1 / 4
    assert result["top_category"] == "tea"
    assert result["top_category_share"] == pytest.approx(2.5 / 3.75, abs=1e-5)
    assert result["categories"] == ["tea", "ware"]
    assert result["category_affinities"] == pytest.approx([2 / 3, 1 / 3], abs=1e-5)
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert result["category_breadth"] == pytest.approx(np.exp(entropy), rel=1e-4)
    # brands: alto 2.5 + 1, corvin 0.25
    assert result["brands"] == ["alto", "corvin"]
    assert result["top_brand_share"] == pytest.approx(3.5 / 3.75, abs=1e-5)


def test_a_shorter_half_life_turns_the_interest_to_what_was_looked_at_last() -> None:
    rows = [event("purchase", 90, "a"), event("view", 0.0001, "c")]
    assert of("ann", portrait(rows))["top_category"] == "tea"  # 2.5 against 1
    assert of("ann", portrait(rows, half_life_days=30))["top_category"] == "ware"  # 5 / 8


def test_price_bands_are_places_within_the_category() -> None:
    rows = [event("view", 90, "b"), event("view", 90, "d"), event("view", 90, "c")]
    result = of("ann", portrait(rows))
    assert result["top_price_band"] == "high"  # b and d are the dearer of two, c the cheaper
    assert result["top_price_band_share"] == pytest.approx(2 / 3, abs=1e-5)
    assert result["price_level"] == pytest.approx(2 / 3, rel=1e-6)


def test_affinities_are_drawn_towards_those_of_all_customers() -> None:
    rows = [event("view", 0, "a", user=u) for u in ("bob", "cid")] + [
        event("view", 0, "a"),
        event("view", 0, "c"),
    ]
    rows = [{**row, "timestamp": CUTOFF - timedelta(microseconds=1)} for row in rows]
    # of all four views three are of tea: of ann's two events (1 + 3 x 3/4) / (2 + 3) = 0.65
    result = portrait(rows, shrinkage=3.0)
    assert of("ann", result)["category_affinities"] == pytest.approx([0.65, 0.35], abs=1e-5)
    assert of("ann", result)["category_breadth"] == pytest.approx(2)  # of the own halves
    # who has looked at tea alone: (1 + 3 x 3/4) / (1 + 3); what was not touched is not listed
    assert of("bob", result)["category_affinities"] == pytest.approx([0.8125], abs=1e-5)
    own = portrait(rows, shrinkage=0.0)
    assert of("bob", own)["category_affinities"] == [1.0]


def test_top_terms_weigh_the_words_of_items_and_searches_by_rarity() -> None:
    rows = [event("view", 90, "a"), event("search", 90, None, query="mug")]
    # each event weighs 1/2; of 4 items red and mug are in one each: ln(5 / 2), tea in two: ln(5 / 3)
    assert of("ann", portrait(rows))["top_terms"] == ["mug", "red", "tea"]


def test_chinese_text_is_read_character_by_character() -> None:
    items = pd.DataFrame({"item_id": ["a"], "text": ["绿茶 x 12"]})
    result = Portrait().of(log_of([event("view", 1, "a")], items=items), CUTOFF)
    assert result.frame["top_terms"].tolist() == [["绿", "茶"]]


def test_values_worked_by_hand() -> None:
    expected = {
        # a is usually paid 4.50: 4.00 is 11 % below it; 5.00, b and c are not
        "price_sensitivity": 1 / 4,
        "discount_depth": 0.05,
        "bought_price_level": 1 / 4,  # a and c are the cheapest of their categories, b the dearest
        # three lines alto, one belka: entropy of 3/4 and 1/4 over ln 2
        "brand_loyalty": 1 + (0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(2),
        "repeat_share": 1 / 4,
        "return_rate": 1 / 8,
        "returned_spend": 10,
        "satisfaction": 3.5,
        "low_rating_share": 0.5,  # the scale goes from 2 to 5
    }
    assert {name: anns()[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_novelty_is_buying_what_came_on_sale_lately() -> None:
    rows = [
        buys(200, "a", "1", 1.0),  # the first 30 days of the log do not count
        buys(100, "b", "2", 1.0),  # new: its first event
        buys(60, "a", "3", 1.0),
        buys(60, "b", "3", 1.0),  # 40 days on sale
    ]
    assert of("ann", portrait(rows))["novelty_seeking"] == pytest.approx(1 / 3)
    launched = ITEMS.assign(available_from=pd.Timestamp(ago(70)))
    result = Portrait().of(log_of(rows, items=launched), CUTOFF)
    assert of("ann", result)["novelty_seeking"] == 1


def test_attributes_are_supplied_and_marked() -> None:
    users = pd.DataFrame(
        {"user_id": ["ann", "zoe"], "age": [34, 66], "sex": ["f", "f"], "country": ["FR", None]}
    )
    result = portrait(ann(), users)
    row = of("ann", result)
    assert (row["age_band"], row["gender"], row["region"]) == ("25-34", "f", "FR")
    assert result.frame["user_id"].tolist() == ["ann"]  # zoe did nothing
    assert {t.name for t in result.tags if t.sensitive} == {"age_band", "gender"}
    assert result.absent["occupation"] == "users.occupation"


@pytest.mark.parametrize(
    ("age", "band"),
    [(17, "under 18"), (18, "18-24"), (24.5, "18-24"), (25, "25-34"), (64, "55-64"), (65, "65+")],
)
def test_ages_become_bands(age: float, band: str) -> None:
    users = pd.DataFrame({"user_id": ["ann"], "age": [age]})
    assert of("ann", portrait(ann(), users))["age_band"] == band


def test_an_age_that_is_given_as_a_band_stays_as_it_is() -> None:
    users = pd.DataFrame({"user_id": ["ann"], "age": ["45-54"]})
    assert of("ann", portrait(ann(), users))["age_band"] == "45-54"


def test_what_the_data_lacks_is_absent_and_said() -> None:
    rows = [{"user_id": "ann", "event_type": "purchase", "timestamp": ago(1)}]
    result = Portrait().of(log_of(rows), CUTOFF)
    assert "orders" in result.frame
    assert set(result.frame) - {"user_id"} == {t.name for t in result.tags}
    assert set(result.frame).isdisjoint(result.absent)
    assert result.absent["spend"] == "unit_price"
    assert result.absent["views"] == "events of the type view"
    assert result.absent["top_terms"] == "items.text or query"
    assert result.absent["brand_loyalty"] == "item_id and items.brand"


def test_somebody_who_only_looked_has_no_orders_and_no_habits_of_buying() -> None:
    row = of("bob", portrait([*ann(), event("view", 1, "a", user="bob")]))
    assert (row["orders"], row["spend"], row["units"]) == (0, 0, 0)
    assert all(pd.isna(row[n]) for n in ("days_since_last", "basket_value", "repeat_share"))


def test_a_message_makes_no_customer() -> None:
    rows = [*ann(), event("message", 1, None, user="bob")]
    assert portrait(rows).frame["user_id"].tolist() == ["ann"]


def test_a_purchase_counts_until_it_is_cancelled() -> None:
    def row(days: float) -> dict[str, Any]:
        undone = buys(30, "a", "1", 1.0, quantity=3, cancelled_at=ago(days))
        return of("ann", portrait([undone, buys(40, "a", "0", 1.0, quantity=1)]))

    assert row(1)["orders"] == 1
    assert row(1)["cancelled_share"] == 0.75
    assert row(-1)["orders"] == 2
    assert "cancelled_share" not in row(-1)  # nobody knew of a cancellation


FUTURE = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(EVENT_TYPES),
        st.integers(0, 400 * 24 * 3600),
        st.sampled_from(["a", "d", "z"]),
        st.floats(0.01, 1e6),
    ),
    min_size=1,
    max_size=8,
)


@cache
def as_known() -> pd.DataFrame:
    return portrait([*ann(), event("view", 50, "b", user="bob")]).frame


@settings(max_examples=12, deadline=None)
@given(planted=FUTURE, late=st.booleans())
def test_only_what_was_known_before_the_cutoff_moves_a_tag(
    planted: list[tuple[str, str, int, str, float]], late: bool
) -> None:
    """Events from the cutoff on, or that happened before and were taken in from then on."""
    rows = [*ann(), event("view", 50, "b", user="bob")]
    future = [
        event(kind, -after / 86_400, item, user, unit_price=price, session_id="s", rating=1.0,
              discount=0.5, query="jug", channel="app", quantity=3, order_id="9")
        for user, kind, after, item, price in planted
    ]  # fmt: skip
    if late:
        rows = [{**row, "ingested_at": row["timestamp"]} for row in rows]
        future = [{**row, "ingested_at": row["timestamp"], "timestamp": ago(30)} for row in future]
    result = portrait(rows + future).frame
    pd.testing.assert_frame_equal(result[list(as_known())], as_known(), check_exact=True)


@cache
def shop_portrait(log: EventLog, cutoff: datetime) -> PortraitTable:
    return Portrait().of(log, cutoff)


def test_every_tag_of_the_shop_lies_in_its_range(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    result = shop_portrait(shop, shop_fold.cutoff)
    assert set(result.absent) == {"occupation", "membership_tier", "cancelled_share"}
    for tag in result.tags:
        values = result.frame[tag.name]
        known = values.dropna()
        assert len(known), tag.name
        if tag.kind == "list":
            assert known.map(len).max() <= 8
        elif tag.kind == "text":
            assert not tag.choices or set(known) <= set(tag.choices)
        else:
            low, high = (0, 1) if tag.kind == "share" else (tag.low, tag.high)
            assert low is not None
            assert known.min() >= low - 1e-6, tag.name
            assert high is None or known.max() <= high + 1e-6, tag.name
        if tag.starts_at_zero:
            assert values.notna().all()


def test_the_rest_of_the_log_changes_nothing(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    left = shop_portrait(shop, shop_fold.cutoff).frame
    right = Portrait().of(shop_fold.past, shop_fold.cutoff).frame
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_the_order_of_rows_means_nothing(shop: EventLog, shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    events = shop.to_pandas().sample(frac=1, random_state=0)
    shuffled = EventLog.from_frames(events, shop.items, shop.users)
    left = shop_portrait(shop, shop_fold.cutoff).frame
    pd.testing.assert_frame_equal(
        Portrait().of(shuffled, shop_fold.cutoff).frame, left, check_exact=True
    )


def test_the_shop_reads_its_customers_true_tastes(shop: EventLog, shop_fold: Fold) -> None:
    """Top categories agree with those that the customer then buys far more often than by chance."""
    assert shop_fold.cutoff is not None
    top = shop_portrait(shop, shop_fold.cutoff).frame.set_index("user_id")["top_category"]
    bought = shop_fold.future.query(
        "SELECT user_id, category FROM events JOIN items USING (item_id) "
        "WHERE event_type = 'purchase'"
    )
    hits = bought["user_id"].map(top) == bought["category"]
    by_chance = bought["category"].value_counts(normalize=True).max()
    assert hits.mean() > 1.5 * by_chance


def test_the_page_of_tags_is_the_code() -> None:
    assert (DOCS / "tags.md").read_text() == as_markdown(), "run `make tags`"


def test_the_dictionary_says_everything_of_each_tag() -> None:
    assert {tag.part for tag in TAGS.values()} == {"attribute", "behaviour", "interest", "value"}
    assert all(tag.kind and tag.range and tag.rule for tag in TAGS.values())
    assert {tag.name for tag in TAGS.values() if tag.sensitive} == {
        "age_band",
        "gender",
        "occupation",
    }


def test_all_tags_means_all_that_are_not_sensitive() -> None:
    assert {t.name for t in select_portrait_tags("all", "x")} == set(TAGS) - {
        "age_band",
        "gender",
        "occupation",
    }
    assert [t.name for t in select_portrait_tags(["gender"], "x")] == ["gender"]
    with pytest.raises(ConfigError, match=r"task.portrait: there is no tag gendre: .*gender"):
        select_portrait_tags(["gendre"], "task.portrait")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("half_life_days", 0, "half_life_days must be positive, got 0"),
        ("top", 0, "top must be at least 1"),
        ("shrinkage", -1, "shrinkage must be 0 or more"),
        ("bargain", 1, r"bargain must be in \[0, 1\)"),
        ("event_weights", {"vew": 1}, "vew is no event type: did you mean view"),
        ("event_weights", {"view": -1}, "event_weights.view must be 0 or more"),
        ("event_weights", {"view": 0}, "leave no event to show an interest"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Portrait(**{setting: value})


def test_a_portrait_needs_times_and_somebody_before_the_cutoff() -> None:
    events = pd.DataFrame({"user_id": ["a"], "event_type": ["purchase"], "position": [1]})
    with pytest.raises(DataError, match=r"a portrait .* needs timestamp"):
        Portrait().of(EventLog.from_frames(events), CUTOFF)
    with pytest.raises(DataError, match="no customer did anything before 2020-01-01"):
        Portrait().of(log_of(ann()), datetime(2020, 1, 1))


def test_tags_depend_on_what_the_log_holds() -> None:
    tags, absent = available(log_of(ann(), items=ITEMS), CUTOFF)
    assert len(tags) + len(absent) == len(TAGS)
    assert "channel_share" in [t.name for t in tags]
