"""Bundles of three kinds give values, who buys, and items."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import holdout_of, settings_with, written

from growthlab.bundle.manifest import Provenance
from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.options import Options
from growthlab.campaign.planning import CampaignPlan
from growthlab.core.errors import BundleError, ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.value import Value
from growthlab.training.fit_options import FitOptions

FIRST = datetime(2026, 12, 1, 10)
CUSTOMERS = [f"c{i:03d}" for i in range(400)]
NO_FEATURES = pd.DataFrame(index=range(400))
ABOUT = Provenance(
    task="top_n", answer=TopN.answer, model="item_knn", data="shop", data_digest="cd" * 32,
    split="global_time", cutoff="2026-11-20T00:00:00", horizon_days=28.0,
)  # fmt: skip


def number_bundle(folder: Path, about: Provenance, low: float, high: float) -> Path:
    """A rule that rises with the customer's number, from `low` to `high`."""
    return rule_bundle(folder, about, number_rule(low, high), base=low)


def number_rule(low: float, high: float) -> CurveRowScorer:
    return CurveRowScorer(
        "place", np.array([0.0, 399.0]), np.array([low, high], dtype=float), missing=low
    )


def rule_bundle(folder: Path, about: Provenance, rule: Any, base: float) -> Path:
    place = np.arange(len(CUSTOMERS), dtype=float)
    snapshots = np.full(len(place), np.datetime64("2026-11-20", "us"))
    customers = Examples(
        pd.DataFrame({"place": place}), np.array(CUSTOMERS), snapshots, horizon_days=28.0
    )
    write_estimator(folder, rule, about, customers=customers, base=base)
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bundles")
    stays = replace(ABOUT, task="churn", answer=Churn.answer, model="recency_rule")
    worth = replace(ABOUT, task="value", answer=Value.answer, model="past_spend")
    rng = np.random.default_rng(0)
    items = rng.integers(0, 20, 2 * len(CUSTOMERS))
    rows = np.repeat(np.arange(len(CUSTOMERS)), 2)
    histories = Histories.from_events(
        Catalogue(np.array([f"i{n:02}" for n in range(20)])), np.array(CUSTOMERS), rows, items,
        np.arange(len(items)),
    )  # fmt: skip
    model = ItemKNN(neighbours=5).fit(histories, FitOptions())
    popularity = np.asarray(histories.matrix().sum(axis=0)).ravel()
    lists = folder / "lists"
    write_recommender(lists, model.scorer(), ABOUT, histories=histories, fallback=popularity)
    return {
        "lists": str(lists),
        "probability": str(number_bundle(folder / "probability", stays, 0.2, 0.8)),
        "amount": str(number_bundle(folder / "amount", worth, 0.0, 399.0)),
        "late": str(number_bundle(folder / "late", replace(worth, cutoff="2026-11-25"), 0, 1)),
    }


def test_a_plan_from_bundles_is_a_heuristic_with_items(
    bundles: dict[str, str], frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    del frames["values"]
    tables = CampaignTables.read(written(frames, tmp_path))
    used = [bundles[name] for name in ("lists", "probability", "amount")]
    answers = BundleAnswers.load(used)
    answers.require_current(FIRST, 31)
    values = answers.values(CUSTOMERS, 2, 2, NO_FEATURES)
    assert values.claim == "expected_value_heuristic"
    assert values.value[:, 0] == pytest.approx(np.arange(400), abs=1e-3)
    # one minus the probability to buy nothing: 0.8 for the first customer, 0.2 for the last one
    assert values.buys[[0, -1], 0] == pytest.approx([0.8, 0.2])
    settings = settings_with()
    plan = CampaignPlan.of(Options(tables, values, settings), holdout_of(settings))
    rows = plan.with_items(answers, 3).rows
    sent = rows["offer"].notna()
    assert all(len(items.split("|")) == 3 for items in rows["items"][sent])
    assert rows["items"][~sent].isna().all()
    for task in ("top_n/item_knn", "churn/recency_rule", "value/past_spend"):
        assert task in rows["models"].iloc[0]


def test_without_a_bundle_of_lists_there_are_no_items(bundles: dict[str, str]) -> None:
    assert BundleAnswers.load([bundles["amount"]]).items(CUSTOMERS, 3) is None


@pytest.mark.parametrize(
    ("names", "days", "said"),
    [
        (["amount", "amount"], 31, "both answer with an amount"),
        (["amount"], 5, r"11 days before the first slot \(stale_days=5\): refresh it"),
        (["late", "probability"], 31, "bundles know different pasts"),
    ],
)
def test_bundles_that_do_not_fit_are_refused(
    bundles: dict[str, str], names: list[str], days: float, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        BundleAnswers.load([bundles[name] for name in names]).require_current(FIRST, days)


def test_values_need_an_amount(bundles: dict[str, str]) -> None:
    answers = BundleAnswers.load([bundles["probability"]])
    with pytest.raises(ConfigError, match="a plan needs values"):
        answers.values(CUSTOMERS, 2, 2, NO_FEATURES)
    with pytest.raises(BundleError):
        BundleAnswers.load(["nowhere"])
