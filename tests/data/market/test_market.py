"""The simulated market: reproducible, each customer by themselves, and true to what it states."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.market.draws import Draws
from growthlab.data.market.market import Market, MarketSettings
from growthlab.data.market.market_items import DAYS
from growthlab.data.market.messages import hour_factor
from growthlab.data.market.parameters import MarketParameters, amounts
from growthlab.data.market.rates import MonthRates
from growthlab.data.market.state import spoken_of
from growthlab.data.market.true_effects import ExpectedCourse
from growthlab.data.simulated_market import SimulatedMarket

SMALL = MarketSettings(months=2, users=60, items=40)


@pytest.fixture(scope="module")
def small() -> Market:
    return Market.start(SMALL)


@pytest.fixture(scope="module")
def many_draws() -> Market:
    """One customer's month 4,000 times over: the same state, each time with streams of its own."""
    market = Market.start(MarketSettings(months=1, users=30, items=40))
    here = np.flatnonzero(
        market.state.is_here(market.world, market.state.month * DAYS)
        & (market.world.customers.visit_rate > 0.08)
        & (market.world.customers.price_response > 1)
    )
    return copies_of(market, int(here[0]), 4_000)


def copies_of(market: Market, customer: int, n: int) -> Market:
    """A market of `n` customers who are all alike, but for their streams."""
    rows = np.full(n, customer)

    def repeated(table: object) -> object:
        arrays = {
            name: value[rows]
            for name, value in vars(table).items()
            if isinstance(value, np.ndarray)
        }
        return replace(table, **arrays)  # type: ignore[type-var]

    customers = repeated(market.world.customers)
    world = replace(market.world, customers=customers, draws=Draws(3, n))  # type: ignore[arg-type]
    return replace(market, world=world, state=repeated(market.state))  # type: ignore[arg-type]


def plan_of(
    market: Market, customers: object, offer: str, channel: str, day: int = 2
) -> pd.DataFrame:
    slot = market.now + timedelta(days=day, hours=12)
    return pd.DataFrame(
        {"customer": customers, "offer": offer, "channel": channel, "slot": pd.Timestamp(slot)}
    )


def willing(market: Market, channel: str) -> np.ndarray:
    table = market.reachable
    return table["customer"][(table["channel"] == channel) & table["consent"]].to_numpy()


def assert_same_tables(one: Market, other: Market) -> None:
    for left, right in zip(one.tables(), other.tables(), strict=True):
        pd.testing.assert_frame_equal(left, right)


def test_the_same_seed_gives_the_same_market(small: Market) -> None:
    assert_same_tables(small, Market.start(SMALL))


def test_another_seed_gives_another_market(small: Market) -> None:
    other = Market.start(replace(SMALL, seed=8))
    assert set(small.tables()[1]["item_id"]) != set(other.tables()[1]["item_id"])


def test_more_customers_change_nothing_for_the_first(small: Market) -> None:
    larger = Market.start(replace(SMALL, users=80))
    events = larger.tables()[0]
    known = events[events["user_id"].isin(small.user_ids)].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, small.tables()[0])


def test_a_month_without_messages_is_the_month_that_more_months_would_have_had(
    small: Market,
) -> None:
    assert_same_tables(small.next_month(), Market.start(replace(SMALL, months=3)))
    nothing = plan_of(small, willing(small, "email"), "news", "email").assign(offer=None)
    assert_same_tables(small.next_month(nothing), small.next_month())


def test_a_message_changes_nobody_else_and_nothing_before_it(small: Market) -> None:
    sent_to = willing(small, "email")[:15]
    calm = small.next_month().next_month()
    told = small.next_month(plan_of(small, sent_to, "twenty_off", "email")).next_month()
    one, other = (market.tables()[0] for market in (calm, told))
    sent = pd.Timestamp(small.now + timedelta(days=2, hours=12))
    for events in (one, other):
        assert events["timestamp"].is_monotonic_increasing

    def spared(events: pd.DataFrame) -> pd.DataFrame:
        kept = events[~events["user_id"].isin(sent_to) | (events["timestamp"] < sent)]
        return kept.reset_index(drop=True)

    pd.testing.assert_frame_equal(spared(one), spared(other))
    mine = other[other["user_id"].isin(sent_to)]
    assert (mine["event_type"] == "message").sum() == len(sent_to)
    assert len(mine) > len(one[one["user_id"].isin(sent_to)]) + len(sent_to)


def test_stated_effects_are_the_averages_of_many_months(many_draws: Market) -> None:
    slots = [many_draws.now + timedelta(days=2, hours=12)]
    stated = many_draws.true_effects(slots)
    calm = many_draws.next_month().profits[-1]
    assert abs(calm.mean() - stated.without[0]) < 3.5 * calm.std() / np.sqrt(len(calm))
    all_consent = np.ones_like(many_draws.state.consents)
    open_market = replace(many_draws, state=replace(many_draws.state, consents=all_consent))
    for offer, channel in (("gift", "sms"), ("twenty_off", "email")):
        plan = plan_of(open_market, open_market.user_ids, offer, channel)
        difference = open_market.next_month(plan).profits[-1] - calm
        aim = stated.month[0, stated.offers.index(offer), stated.channels.index(channel), 0]
        error = difference.std() / np.sqrt(len(difference))
        # the difference is paired by the streams, and 3.5 errors leave room for a chance of 1 in 2,000
        assert abs(difference.mean() - aim) < 3.5 * error
        assert error < 0.4


def test_the_expected_month_is_the_average_of_many_months(many_draws: Market) -> None:
    rates = many_draws.rates
    course = ExpectedCourse.of(many_draws.world, rates)
    stocks = many_draws.next_month().state.stock
    last = rates.used[0]  # the stages are those before the last day's use
    expected = course.stages[-1][0]
    after = expected.copy()
    after[:, 1:] -= expected[:, 1:] * last[:, None]
    after[:, :-1] += expected[:, 1:] * last[:, None]
    seen = np.stack([(stocks == stage).mean(axis=0) for stage in range(after.shape[1])], axis=1)
    # a share of 4,000 has an error of at most .008
    assert np.abs(seen - after).max() < 0.032


def test_who_left_answers_to_nothing(small: Market) -> None:
    gone = replace(small, state=replace(small.state, alive=np.zeros_like(small.state.alive)))
    effects = gone.true_effects([small.now + timedelta(days=1, hours=9)])
    email = gone.world.parameters.channels["email"]["cost"]
    assert (effects.month[:, :, effects.channels.index("email")] == -email).all()
    to = willing(gone, "email")
    after = gone.next_month(plan_of(gone, to, "gift", "email"))
    assert after.profits[-1].sum() == pytest.approx(-email * len(to))


def test_messages_tire_and_close_channels(small: Market) -> None:
    to = willing(small, "sms")
    plans = [plan_of(small, to, "news", "sms", day) for day in range(0, 28, 2)]
    told = small.next_month(pd.concat(plans))
    sent_to = np.isin(small.user_ids, to)
    assert (told.state.fatigue[sent_to] > 5).all()
    assert (told.state.fatigue[~sent_to] == 0).all()
    left = told.state.consents[sent_to].mean(axis=0)
    sms = list(small.world.parameters.channels).index("sms")
    assert left[sms] < 1
    users = told.tables()[2]
    withdrawn = users[users.duplicated("user_id")]
    assert not withdrawn.empty
    assert not withdrawn["consent_sms"].any()
    closed = told.user_ids[~told.state.consents[:, sms]]
    with pytest.raises(DataError, match="has not consented to the channel"):
        told.next_month(plan_of(told, closed[:1], "news", "sms"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer": "nobody"}, "the plan has a customer nobody"),
        ({"offer": "free"}, "the plan has a offer free"),
        ({"channel": "fax"}, "the plan has a channel fax"),
        ({"slot": pd.Timestamp("2030-01-01")}, "2030-01-01 00:00:00 is not in the 28 days"),
        ({"slot": "soon"}, "the plan has a slot soon: a time like"),
        ({"slot": pd.Timestamp("2025-03-01", tz="UTC")}, "the slots of the plan have a time zone"),
    ],
)
def test_a_plan_that_cannot_be_sent_is_refused(
    small: Market, change: dict[str, object], message: str
) -> None:
    plan = plan_of(small, willing(small, "email")[:2], "news", "email").assign(**change)
    with pytest.raises(DataError, match=message) as error:
        small.next_month(plan)
    assert "\n" not in str(error.value)


def test_two_messages_on_a_day_are_refused(small: Market) -> None:
    plan = plan_of(small, willing(small, "email")[:1], "news", "email")
    with pytest.raises(DataError, match="gets two messages on a day"):
        small.next_month(pd.concat([plan, plan]))
    with pytest.raises(DataError, match="there is no slot"):
        small.next_month(plan.drop(columns="slot"))


def test_a_full_stock_is_not_bought_again_and_an_empty_one_most_of_all(small: Market) -> None:
    buys = small.rates.buys(small.world, 0, slice(None))
    assert (buys[..., -1] == 0).all()
    assert (np.diff(buys, axis=2) <= 0).all()
    takes = small.state.takes
    assert (buys[takes][:, 0] > 0).all()
    assert (buys[~takes] == 0).all()


def test_every_line_of_a_month_counts_as_bought(small: Market) -> None:
    later = small.next_month()
    month = later.last
    assert month is not None
    assert later.state.bought.sum() == small.state.bought.sum() + len(month.lines)


def test_promotions_draw_customers_to_the_item_and_to_the_category(small: Market) -> None:
    depths = small.rates.depths[0]
    promoted = int(np.flatnonzero(depths)[0])
    category = small.world.items.category[promoted]
    calm = without_promotions(small)
    assert (small.rates.need[:, 0, category] >= calm.need[:, 0, category]).all()
    assert small.rates.need[:, 0, category].sum() > calm.need[:, 0, category].sum()
    n = len(small.user_ids)
    everybody = np.repeat(np.arange(n), 200)
    uniform = np.tile((np.arange(200) + 0.5) / 200, n)
    kinds = np.full(len(everybody), category)
    drawn, before = (
        (rates.choices[0].draw(everybody, kinds, uniform) == promoted).mean()
        for rates in (small.rates, calm)
    )
    assert drawn > before


def test_a_message_at_the_customers_own_hour_is_answered_most(small: Market) -> None:
    customers = np.arange(len(small.user_ids))
    own = small.world.customers.own_hour
    best = hour_factor(small.world, customers, own)
    np.testing.assert_allclose(best, 1)
    assert (hour_factor(small.world, customers, (own + 6) % 24) < 0.7).all()
    np.testing.assert_allclose(
        hour_factor(small.world, customers, (own + 3) % 24),
        hour_factor(small.world, customers, (own - 3) % 24),
    )


def test_word_spreads_and_life_events_end(small: Market) -> None:
    known = np.stack([spoken_of(small.world, month) for month in range(0, 40, 5)])
    assert (np.diff(known, axis=0) > 0).all()
    later = small
    for _ in range(3):
        later = later.next_month()
    assert (later.state.takes >= small.state.takes).all()
    over = (later.state.event >= 0) & (later.state.event_ends <= later.state.month)
    assert not over.any()


def test_no_slot_has_no_effect(small: Market) -> None:
    assert small.true_effects([]).month.shape == (60, 4, 3, 0)
    with pytest.raises(DataError, match="slots must be in the 28 days"):
        small.true_effects([small.now - timedelta(days=1)])


def test_returns_are_recorded_after_they_happen_and_never_before_now(small: Market) -> None:
    events = small.tables()[0]
    returns = events[events["event_type"] == "return"]
    assert (returns["ingested_at"] > returns["timestamp"]).all()
    assert (events["ingested_at"] < small.now).all()
    orders = events[events["event_type"] == "purchase"]
    bought = returns.merge(orders, on=["order_id", "item_id"], suffixes=("", "_bought"))
    assert len(bought) == len(returns) > 0
    assert (bought["quantity"] <= bought["quantity_bought"]).all()


def test_orders_are_of_items_for_sale_at_their_price(small: Market) -> None:
    events, items, _ = small.tables()
    orders = events[events["event_type"] == "purchase"].merge(items, on="item_id")
    assert len(orders) == (events["event_type"] == "purchase").sum()
    assert (orders["timestamp"] >= orders["available_from"]).all()
    paid = orders["price"] * (1 - orders["discount"])
    np.testing.assert_allclose(orders["unit_price"], paid, atol=0.006)


def without_promotions(market: Market) -> MonthRates:
    """What would be expected of the month if nothing was promoted."""
    parameters = market.world.parameters
    none = replace(parameters, promotions={**parameters.promotions, "share": 0.0})
    items = replace(market.world.items, parameters=none)
    return MonthRates.of(replace(market.world, items=items), market.state, market.now)


def test_streams_are_uniform_and_independent_of_each_other() -> None:
    draws = Draws(1, 20_000)
    one, other = draws.uniform("visit", 3)[:, 0], draws.uniform("visit", 4)[:, 0]
    assert np.abs(np.histogram(one, 20, (0, 1))[0] - 1_000).max() < 130  # 4 deviations of 31
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    np.testing.assert_array_equal(
        draws.uniform("visit", 3, rows=np.array([7, 3]))[:, 0], one[[7, 3]]
    )


def test_amounts_have_the_mean_that_is_expected() -> None:
    parameters = MarketParameters.read()
    uniform = (np.arange(100_000) + 0.5) / 100_000
    more = parameters.by_category("pieces")
    seen = [amounts(uniform, np.full(len(uniform), each)).mean() for each in more]
    np.testing.assert_allclose(seen, parameters.mean_amount("pieces"), atol=1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"months": 0}, "data.months must be at least 1"),
        ({"months": 61}, "data.months must be at most 60"),
        ({"users": 0}, "data.users must be at least 1"),
        ({"items": 19}, "data.items must be at least 20"),
        ({"start": "yesterday"}, "data.start must be a date like 2025-01-01"),
        ({"start": "2025-01-01T12:00"}, "data.start must be a date without a time"),
    ],
)
def test_a_setting_out_of_its_range_is_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimulatedMarket(**setting)  # type: ignore[arg-type]


def test_the_key_depends_on_the_parameters(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    before = SimulatedMarket().key()
    changed = tmp_path / "parameters.yaml"
    changed.write_text("stages: 3")
    monkeypatch.setattr("growthlab.data.simulated_market.FILE", changed)
    assert SimulatedMarket().key() != before
