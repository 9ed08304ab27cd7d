"""What a list says of a customer: the category of its first item, the score of that, and its entropy."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import written
from tests.campaign.test_bundle_answers import ABOUT

from growthlab.bundle.answers import RankedItem, Recommendation
from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.decision_features import (
    LISTED,
    decision_features,
    feature_names,
    list_features,
)
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_recommender
from growthlab.models.recommend.personal_frequency import PersonalFrequency
from growthlab.training.fit_options import FitOptions

ITEMS = Catalogue(
    np.array(["cup", "gift", "tea"]), category=np.array(["ware", "", "drinks"])
)  # the gift has no category


def answer(*scored: tuple[str, float | None]) -> Recommendation:
    items = [RankedItem(item, score, rank) for rank, (item, score) in enumerate(scored, start=1)]
    return Recommendation(items, "known")


def features_of(*scored: tuple[str, float | None], catalogue: Catalogue = ITEMS) -> pd.Series:
    return list_features([answer(*scored)], catalogue).iloc[0]


def test_the_first_item_gives_category_and_score_and_all_scores_give_the_entropy() -> None:
    features = features_of(("cup", 3.0), ("tea", 1.0))
    assert features["top_category"] == "ware"
    assert features["best_score"] == 3.0
    # shares of 3/4 and 1/4
    assert features["list_entropy"] == pytest.approx(-0.75 * log(0.75) - 0.25 * log(0.25))


@pytest.mark.parametrize(
    ("scores", "entropy"),
    [
        ((2.0, 2.0), log(2)),  # even: the highest that two items can have
        ((200.0, 200.0), log(2)),  # a scale says nothing
        ((5.0, 0.0), 0.0),  # all on one item
        ((5.0, -1.0), 0.0),  # scores below 0 are no shares
        ((5.0, None), 0.0),  # nor is a pinned item without a score
        ((0.0, -1.0), np.nan),
    ],
)
def test_the_entropy_is_of_the_scores_above_0_as_shares(
    scores: tuple[float | None, float | None], entropy: float
) -> None:
    features = features_of(("tea", scores[0]), ("cup", scores[1]))
    assert features["list_entropy"] == pytest.approx(entropy, nan_ok=True)


def test_what_is_not_known_of_a_list_is_empty_or_nan() -> None:
    assert features_of(("gift", 1.0), ("tea", 0.5))["top_category"] == ""
    assert features_of(("new", 1.0))["top_category"] == ""  # no item of the catalogue
    assert features_of(("tea", 1.0), catalogue=Catalogue(ITEMS.item_ids))["top_category"] == ""
    pinned = features_of(("tea", None), ("cup", 4.0))
    assert pinned["top_category"] == "drinks"
    assert np.isnan(pinned["best_score"])
    nothing = features_of()
    assert nothing["top_category"] == ""
    assert np.isnan(nothing[["best_score", "list_entropy"]].to_numpy(dtype=float)).all()


def test_a_plan_reads_them_from_its_bundle_of_lists(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    # c000 bought tea in two baskets and a cup in one, c001 a cup alone
    events = [("c000", "tea"), ("c000", "tea"), ("c000", "cup"), ("c001", "cup")]
    users = np.array(["c000", "c001"])
    histories = Histories.from_events(
        ITEMS,
        users,
        np.array([users.tolist().index(user) for user, _ in events]),
        ITEMS.codes([item for _, item in events]),
        np.arange(len(events)),
    )
    model = PersonalFrequency().fit(histories, FitOptions())
    popularity = np.asarray(histories.matrix().sum(axis=0)).ravel()
    about = replace(ABOUT, model="personal_frequency")
    write_recommender(
        tmp_path / "lists", model.scorer(), about, histories=histories, fallback=popularity
    )
    tables = CampaignTables.read(written(frames, tmp_path / "campaign"))
    answers = BundleAnswers.load([str(tmp_path / "lists")])
    features = decision_features(tables, answers)
    assert feature_names(tables, answers) == features.columns.tolist()
    assert features["top_category"].tolist()[:2] == ["drinks", "ware"]
    # an own item scores its baskets, and 0.01 % more by popularity
    assert features["best_score"].to_numpy()[:2] == pytest.approx([2, 1], rel=1e-3)
    thirds = -2 / 3 * log(2 / 3) - 1 / 3 * log(1 / 3)
    assert features["list_entropy"].to_numpy()[:2] == pytest.approx([thirds, 0], abs=1e-3)
    lists = answers.lists(tables.customers["customer"].tolist(), LISTED)
    assert lists is not None
    pd.testing.assert_frame_equal(
        features[["top_category", "best_score", "list_entropy"]], list_features(lists, ITEMS)
    )
