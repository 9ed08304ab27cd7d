"""Before an experiment: the window of the shop, its plan, and its false alarms."""

from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.experiment_plan import PowerSettings, plan
from growthlab.effects.false_alarms import false_alarms, split_p_values
from growthlab.effects.shop_window import ShopWindow, shop_window
from growthlab.effects.welch import ArmMoments, welch


@pytest.fixture(scope="module")
def window(shop: EventLog) -> ShopWindow:
    return shop_window(shop, days=28, before=28)


def test_the_window_counts_what_the_log_holds(shop: EventLog, window: ShopWindow) -> None:
    counted = shop.query(
        "SELECT count(*) AS n FROM events WHERE event_type = 'purchase' AND "
        "timestamp > (SELECT max(timestamp) FROM events) - INTERVAL 28 DAYS"
    )
    assert window.customers["purchase"].sum() == counted["n"].iloc[0]
    assert len(window.customers) == window.seen_within[28]
    assert window.days_for(window.seen_within[28]) <= 28
    assert np.isnan(window.days_for(10**9))


def test_a_plan_by_segment_needs_longer_for_a_part_of_the_customers(window: ShopWindow) -> None:
    half = np.where(np.arange(len(window.customers)) % 2 == 0, "a", "b")
    customers = window.customers.assign(half=half)
    split = ShopWindow(customers, window.days, window.seen_within)
    settings = PowerSettings(outcomes=[ExperimentOutcome.of("view")], effect=0.5, segments=["half"])
    table = plan(split, settings).set_index("segment")
    assert list(table.index) == ["everybody", "half: a", "half: b"]
    assert table.loc["half: a", "customers"] + table.loc["half: b", "customers"] == len(customers)
    assert (table["detectable"].iloc[1:] > table.loc["everybody", "detectable"]).all()


def test_p_values_of_random_halves_are_those_of_welch() -> None:
    x = np.random.default_rng(0).gamma(1.0, 1.0, (40, 2))
    p = split_p_values(x, 5, seed=3)
    assert p.shape == (5, 2)
    again = split_p_values(x + 100.0, 5, seed=3)
    np.testing.assert_allclose(p, again, rtol=1e-6)
    halves = [welch(ArmMoments.of(x[:20, 0]), ArmMoments.of(x[20:, 0])).p]
    assert 0 < float(halves[0]) <= 1


def test_a_split_that_is_no_chance_would_alarm(window: ShopWindow) -> None:
    # customers in the order of their value, and halves of neighbours: the statistics are right to alarm
    x = np.sort(np.random.default_rng(0).normal(size=(400, 1)), axis=0)
    first, second = ArmMoments.of(x[:200, 0]), ArmMoments.of(x[200:, 0])
    assert float(welch(first, second).p) < 1e-10


def test_false_alarms_are_few_and_reported_for_every_outcome(window: ShopWindow) -> None:
    outcomes = [ExperimentOutcome.of(name) for name in ("any purchase", "revenue", "revenue/view")]
    found = false_alarms(window, outcomes, n_splits=300)
    assert found.table["method"].tolist() == ["Welch", "CUPED", "Welch", "CUPED", "delta method"]
    # the standard deviation of a share of 5 % of 300 is 1.3 %
    assert found.table["false_alarms"].between(0.0, 0.1).all()
    assert found.table["mean_p"].between(0.4, 0.6).all()


def test_a_log_that_is_too_short_or_too_small_is_refused(shop: EventLog) -> None:
    with pytest.raises(DataError, match="do not fit in"):
        shop_window(shop, days=100, before=100)
    few = shop.where("user_id IN (SELECT DISTINCT user_id FROM events ORDER BY 1 LIMIT 40)")
    with pytest.raises(DataError, match="an experiment needs 50 an arm"):
        shop_window(few, days=28, before=28)
