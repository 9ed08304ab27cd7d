"""Experiments: false alarms of the shop's own log, and coverage of off-policy intervals; minutes long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.effects.test_off_policy_value import TRUTH, log_of_world, policy_of_world

from growthlab.data.simulated_shop import SimulatedShop
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.false_alarms import false_alarms
from growthlab.effects.logged_actions import ActionTable
from growthlab.effects.off_policy_value import off_policy_value
from growthlab.effects.shop_window import shop_window

pytestmark = pytest.mark.drill
OUTCOMES = ["any purchase", "purchase", "revenue", "view", "any view", "revenue/purchase"]


def test_random_splits_of_the_shop_alarm_in_5_of_100_for_every_outcome() -> None:
    window = shop_window(SimulatedShop(users=12_000).read(), days=14, before=28)
    outcomes = [ExperimentOutcome.of(spelling) for spelling in OUTCOMES]
    found = false_alarms(window, outcomes, n_splits=2000)
    print(found.table)
    assert found.off == [], found.table


def test_95_of_100_off_policy_intervals_hold_the_truth(tmp_path: Path) -> None:
    policy_of_world().to_parquet(tmp_path / "policy.parquet")
    table = ActionTable(path=str(tmp_path / "log.parquet"), strata=["hour"])
    held: dict[str, list[bool]] = {}
    for seed in range(500):
        log_of_world(2000, seed).to_parquet(tmp_path / "log.parquet")
        value = off_policy_value(table.read(str(tmp_path / "policy.parquet"), None), seed=seed)
        for name, estimate in value.estimates.items():
            held.setdefault(name, []).append(estimate.low <= TRUTH <= estimate.high)
    shares = pd.Series({name: np.mean(each) for name, each in held.items()})
    print(shares)
    for name in shares.index.drop("direct method"):  # which has no interval
        assert shares[name] == pytest.approx(0.95, abs=0.03), shares
